"""Mapped recordings: a set of recordings whose signals or channels are changed when they are read.

The one wrapper of recording sets: everything that takes windows takes it like the set itself. It passes on the subject,
the labels and the content hash, which stay those of the recording: so splits, ledgers and labels are as they were, and
the signals alone are others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.batches.windows import ReadableRecording, RecordingSet, Windows
from biosig.recording import Channel, Recording, Subject

COPY = "copy"
"""Column of a set's table that tells altered copies of recordings from the recordings, where a set has both."""


class Alteration(Protocol):
    """Change of the parts of a recording that are read.

    It must not depend on the limits of a part, since one caller asks for a window and another for it with a margin.
    """

    def __call__(self, part: Recording, whole: ReadableRecording, row: int) -> Recording:
        """The part, altered.

        Parameters
        ----------
        part : Recording
            As it was read.
        whole : ReadableRecording
            The recording that it is of.
        row : int
            Number of that recording in its set.
        """


Channels = Callable[[ReadableRecording], list[Channel]]
"""From a recording to the channels that are read of it."""


def altered(windows: Windows, alteration: Alteration) -> Windows:
    """The same windows, each altered when it is read."""
    return replace(windows, ds=MappedRecordings(windows.ds, alteration))


def original(windows: Windows) -> Windows:
    """The same windows of the set within all wrappers, as it was opened."""
    while isinstance(windows.ds, MappedRecordings):
        windows = replace(windows, ds=windows.ds.ds, recording=windows.ds.rows_within(windows.recording))
    return windows


class MappedRecordings:
    """A set of recordings whose channels, or the parts that are read of them, are mapped; everything else is passed on.

    Parameters
    ----------
    ds : RecordingSet
        The recordings.
    window : Alteration, optional
        Change of the parts that are read; None = as they are.
    channels : callable, optional
        From a recording to its channels as `window` leaves them; None = its own.
    """

    def __init__(self, ds: RecordingSet, window: Alteration | None = None, channels: Channels | None = None) -> None:
        self.ds = ds
        self._window, self._channels = window, channels

    @property
    def annotations(self) -> pd.DataFrame:
        """The recordings' annotations."""
        return self.ds.annotations

    def __len__(self) -> int:
        return len(self.ds)

    def __getitem__(self, row: int) -> ReadableRecording:
        return MappedRecording(self.ds[row], row, self._window, self._channels)

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording, as in the set itself."""
        return self.ds.to_pandas()

    def rows_within(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of the set within that some rows (B,) are."""
        return rows


class MappedRecording:
    """A recording whose channels, or the parts that are read of it, are mapped.

    Parameters
    ----------
    recording : ReadableRecording
        The recording.
    row : int
        Its number in its set.
    window, channels
        As of `MappedRecordings`.
    """

    def __init__(
        self,
        recording: ReadableRecording,
        row: int = 0,
        window: Alteration | None = None,
        channels: Channels | None = None,
    ) -> None:
        self.recording, self.row = recording, row
        self._window, self._channels = window, channels
        self.id: str = recording.id

    @property
    def subject(self) -> Subject | None:
        """The recorded person."""
        return self.recording.subject

    @property
    def channels(self) -> list[Channel]:
        """Channels of all streams, in order, as they are read."""
        return self.recording.channels if self._channels is None else self._channels(self.recording)

    @property
    def report(self) -> str | None:
        """Free text that came with the recording."""
        return self.recording.report

    @property
    def content_hash(self) -> str:
        """Hash of the native samples."""
        return self.recording.content_hash

    @property
    def fingerprint(self) -> bytes:
        """Landmark fingerprint of the native samples."""
        return self.recording.fingerprint

    def read(self, onset: float = 0.0, duration: float | None = None) -> Recording:
        """The window from `onset` lasting `duration` seconds, mapped."""
        return self._mapped(self.recording.read(onset, duration))

    def read_signals(self, onset: float, duration: float) -> Recording:
        """As `read`, of the metadata only id and robust scale."""
        return self._mapped(self.recording.read_signals(onset, duration))

    def _mapped(self, part: Recording) -> Recording:
        return part if self._window is None else self._window(part, self.recording, self.row)
