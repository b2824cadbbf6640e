"""Recordings of which some channels alone take part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pandas as pd

from biosig.batches.windows import ReadableRecording, RecordingSet, Windows
from biosig.errors import UsageError
from biosig.recording import Channel, Recording, Subject


def picked(windows: Windows, channels: Sequence[str]) -> Windows:
    """The same windows with the channels of these names or kinds alone; with all of them where none is named.

    Raises
    ------
    UsageError
        If no recording has a channel of one of the names.
    """
    if not channels:
        return windows
    ds = PickedSet(windows.ds, channels)
    there = {name for row in range(len(ds)) for c in ds[row].channels for name in (c.name, c.kind)}
    unknown = [name for name in channels if name not in there]
    if unknown:
        raise UsageError(f"No recording has the channel or modality '{unknown[0]}': correct channels.")
    return replace(windows, ds=ds)


class PickedSet:
    """A set of recordings, each with some of its channels.

    Parameters
    ----------
    ds : RecordingSet
        The recordings.
    channels : collection of str
        Names or kinds.
    """

    def __init__(self, ds: RecordingSet, channels: Collection[str]) -> None:
        self._ds, self._channels = ds, frozenset(channels)

    @property
    def annotations(self) -> pd.DataFrame:
        """The recordings' annotations."""
        return self._ds.annotations

    def __len__(self) -> int:
        return len(self._ds)

    def __getitem__(self, row: int) -> PickedRecording:
        return PickedRecording(self._ds[row], self._channels)

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording, as in the set itself, with the kinds of the channels that are kept."""
        kinds = [sorted({channel.kind for channel in self[row].channels}) for row in range(len(self))]
        return self._ds.to_pandas().assign(kinds=kinds)


class PickedRecording:
    """A recording with some of its channels.

    Parameters
    ----------
    recording : ReadableRecording
        The recording.
    keep : frozenset of str
        Names or kinds.
    """

    def __init__(self, recording: ReadableRecording, keep: frozenset[str]) -> None:
        self._recording, self._keep = recording, keep
        self.id: str = recording.id

    @property
    def subject(self) -> Subject | None:
        """Who was recorded."""
        return self._recording.subject

    @property
    def channels(self) -> list[Channel]:
        """Those that are kept, in order."""
        return [c for c in self._recording.channels if c.name in self._keep or c.kind in self._keep]

    @property
    def report(self) -> str | None:
        """Free text that came with the recording."""
        return self._recording.report

    @property
    def content_hash(self) -> str:
        """Fingerprint of the native samples of all channels."""
        return self._recording.content_hash

    def read(self, onset: float = 0.0, duration: float | None = None) -> Recording:
        """The window's channels that are kept."""
        return with_channels(self._recording.read(onset, duration), self._keep)

    def read_signals(self, onset: float, duration: float) -> Recording:
        """As `read`, of the metadata only id and robust scale."""
        return with_channels(self._recording.read_signals(onset, duration), self._keep)


def with_channels(window: Recording, channels: Collection[str]) -> Recording:
    """The window with the channels of these names or kinds only."""
    rows = [[i for i, c in enumerate(s.channels) if c.name in channels or c.kind in channels] for s in window.streams]
    return replace(window, streams=[s.pick(picked) for s, picked in zip(window.streams, rows, strict=True) if picked])
