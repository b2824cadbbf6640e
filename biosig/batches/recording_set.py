"""Recordings in memory behind the interface of a shard dataset, so that windows and batches need only one path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import pandas as pd

from biosig.errors import UsageError
from biosig.recording import Channel, Recording, Subject


class InMemoryRecording:
    """A recording in memory, read like a stored one."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.id: str = recording.id
        self.subject: Subject | None = recording.subject
        self.channels: list[Channel] = recording.channels
        self.report: str | None = recording.report
        self.content_hash: str = recording.content_hash
        self.fingerprint: bytes = recording.fingerprint

    def read(self, onset: float = 0.0, duration: float | None = None) -> Recording:
        """The window from `onset` lasting `duration` seconds, default to the end; without arguments the whole."""
        if duration is None and onset == 0.0:
            return self._recording
        return self._recording.crop(onset, self._recording.duration - onset if duration is None else duration)

    def read_signals(self, onset: float, duration: float) -> Recording:
        """The window with its metadata: they are at hand."""
        return self._recording.crop(onset, duration)


_TOLERANCE = 1e-6  # s, below any sample


class RecordingList:
    """A few recordings in memory as a dataset.

    Parameters
    ----------
    recordings : sequence of Recording
        In the order in which they are numbered.
    """

    def __init__(self, recordings: Sequence[Recording]) -> None:
        if not recordings:
            raise UsageError("There is no recording to take windows from.")
        self._held = [InMemoryRecording(recording) for recording in recordings]
        self._table = pd.DataFrame(
            {
                "recording": [r.id for r in recordings],
                "subject": [r.subject.id if r.subject else None for r in recordings],
                "duration": [r.duration for r in recordings],
            }
        )
        self.annotations = pd.DataFrame(
            [(i, a.onset, a.duration, a.label) for i, r in enumerate(recordings) for a in r.annotations],
            columns=["recording", "onset", "duration", "label"],
        )

    def __len__(self) -> int:
        return len(self._held)

    def __getitem__(self, row: int) -> InMemoryRecording:
        return self._held[row]

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording: id, subject, duration in seconds."""
        return self._table

    def each(self, change: Callable[[Recording], Recording]) -> Self:
        """The same recordings, each changed."""
        return type(self)([change(held.read()) for held in self._held])


class EpochList(RecordingList):
    """Epochs in memory, each a recording of its own, so that no window lies over two of them.

    Parameters
    ----------
    epochs : sequence of Recording
        In their order; their labels are their event and metadata.
    """

    def __init__(self, epochs: Sequence[Recording]) -> None:
        super().__init__(epochs)
        self.epochs = pd.DataFrame([{"epoch": i, **epoch.labels} for i, epoch in enumerate(epochs)])
        """One row per epoch: `epoch`, its number in its source, and its labels."""

    def are_as_long_as(self, seconds: float) -> bool:
        """True if no epoch is longer than a window by more than the sample at its end, which MNE counts in."""
        streams = [stream for epoch in self._held for stream in epoch.read().streams]
        return all(stream.n_times - seconds * stream.sfreq < 1.5 for stream in streams)

    def check_window(self, seconds: float) -> None:
        """Refuse windows that are longer than an epoch.

        Raises
        ------
        UsageError
            If the shortest epoch is shorter than a window.
        """
        shortest = float(self.to_pandas()["duration"].min())
        if seconds > shortest + _TOLERANCE:
            raise UsageError(
                f"A window of {seconds:g} s is longer than an epoch of {shortest:g} s, and none lies over two: use a "
                "shorter window, or in Python window=None for each epoch whole."
            )
