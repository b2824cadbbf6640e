"""Recordings that are altered when they are read: everything that takes windows meets them as if they lay there so.

A wrapper passes on who was recorded, what is known of it and its content hash, which stay those of the recording: so
splits, ledgers and labels are as they were, and the signals alone are others.
"""

from __future__ import annotations

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


def altered(windows: Windows, alteration: Alteration) -> Windows:
    """The same windows, each altered when it is read."""
    return replace(windows, ds=AlteredSet(windows.ds, alteration))


def original(windows: Windows) -> Windows:
    """The same windows of the set within all wrappers, as it was opened."""
    while isinstance(windows.ds, WrappedSet):
        windows = replace(windows, ds=windows.ds.ds, recording=windows.ds.rows_within(windows.recording))
    return windows


class WrappedSet:
    """A set of recordings whose members are wrapped.

    Parameters
    ----------
    ds : RecordingSet
        The recordings.
    """

    def __init__(self, ds: RecordingSet) -> None:
        self.ds = ds

    @property
    def annotations(self) -> pd.DataFrame:
        """The recordings' annotations."""
        return self.ds.annotations

    def __len__(self) -> int:
        return len(self.ds)

    def __getitem__(self, row: int) -> ReadableRecording:
        return WrappedRecording(self.ds[row])

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording, as in the set itself."""
        return self.ds.to_pandas()

    def rows_within(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of the set within that some rows (B,) are."""
        return rows


class WrappedRecording:
    """A recording that passes everything on.

    Parameters
    ----------
    recording : ReadableRecording
        The recording.
    """

    def __init__(self, recording: ReadableRecording) -> None:
        self.recording = recording
        self.id: str = recording.id

    @property
    def subject(self) -> Subject | None:
        """The recorded person."""
        return self.recording.subject

    @property
    def channels(self) -> list[Channel]:
        """Channels of all streams, in order."""
        return self.recording.channels

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
        """The window from `onset` lasting `duration` seconds."""
        return self.recording.read(onset, duration)

    def read_signals(self, onset: float, duration: float) -> Recording:
        """As `read`, of the metadata only id and robust scale."""
        return self.recording.read_signals(onset, duration)


class AlteredSet(WrappedSet):
    """A set of recordings, each altered when it is read.

    Parameters
    ----------
    ds : RecordingSet
        The recordings.
    alteration : Alteration
        Change of each recording's parts.
    """

    def __init__(self, ds: RecordingSet, alteration: Alteration) -> None:
        super().__init__(ds)
        self.alteration = alteration

    def __getitem__(self, row: int) -> ReadableRecording:
        return AlteredRecording(self.ds[row], self.alteration, row)


class AlteredRecording(WrappedRecording):
    """A recording that is altered when it is read.

    Parameters
    ----------
    recording : ReadableRecording
        The recording.
    alteration : Alteration
        Change of its parts.
    row : int
        Its number in its set.
    """

    def __init__(self, recording: ReadableRecording, alteration: Alteration, row: int) -> None:
        super().__init__(recording)
        self._alteration, self._row = alteration, row

    def read(self, onset: float = 0.0, duration: float | None = None) -> Recording:
        """The window, altered."""
        return self._alteration(self.recording.read(onset, duration), self.recording, self._row)

    def read_signals(self, onset: float, duration: float) -> Recording:
        """The window, altered; of the metadata only id and robust scale."""
        return self._alteration(self.recording.read_signals(onset, duration), self.recording, self._row)
