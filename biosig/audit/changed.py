"""Windows whose signals are changed as they are read: the model meets them by the same path as the true ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from biosig.batches.windows import ReadableRecording, RecordingSet, Windows
from biosig.recording import Channel, Recording, Subject

Change = Callable[[Recording, np.random.Generator], Recording]
"""A window, and random numbers that are the same for all windows of a recording → the changed window."""


def changed(windows: Windows, change: Change, seed: int) -> Windows:
    """The same windows, each changed when it is read."""
    return replace(windows, ds=_ChangedSet(windows.ds, change, seed))


class _ChangedSet:
    def __init__(self, ds: RecordingSet, change: Change, seed: int) -> None:
        self._ds, self._change, self._seed = ds, change, seed

    @property
    def annotations(self) -> pd.DataFrame:
        return self._ds.annotations

    def __len__(self) -> int:
        return len(self._ds)

    def __getitem__(self, row: int) -> _ChangedRecording:
        return _ChangedRecording(self._ds[row], self._change, (self._seed, row))

    def to_pandas(self) -> pd.DataFrame:
        return self._ds.to_pandas()


@dataclass(frozen=True)
class _ChangedRecording:
    recording: ReadableRecording
    change: Change
    key: tuple[int, int]

    @property
    def id(self) -> str:
        return self.recording.id

    @property
    def subject(self) -> Subject | None:
        return self.recording.subject

    @property
    def channels(self) -> list[Channel]:
        return self.recording.channels

    @property
    def report(self) -> str | None:
        return self.recording.report

    @property
    def content_hash(self) -> str:
        return self.recording.content_hash

    @property
    def fingerprint(self) -> bytes:
        return self.recording.fingerprint

    def read(self, onset: float = 0.0, duration: float | None = None) -> Recording:
        return self.change(self.recording.read(onset, duration), np.random.default_rng(self.key))

    def read_signals(self, onset: float, duration: float) -> Recording:
        return self.change(self.recording.read_signals(onset, duration), np.random.default_rng(self.key))
