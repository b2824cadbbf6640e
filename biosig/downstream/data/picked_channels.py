"""Picked channels: recordings with a selection of their channels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pandas as pd

from biosig.batches.altered import WrappedRecording, WrappedSet
from biosig.batches.windows import ReadableRecording, RecordingSet, Windows
from biosig.errors import UsageError
from biosig.recording import Channel, Recording


def pick_channels(windows: Windows, channels: Sequence[str]) -> Windows:
    """Keep only the channels of these names or kinds in the windows; all of them if none is named.

    Raises
    ------
    UsageError
        If no recording has a channel of one of the names.
    """
    if not channels:
        return windows
    ds = PickedSet(windows.ds, channels)
    known = {name for row in range(len(ds)) for c in ds[row].channels for name in (c.name, c.kind)}
    unknown = [name for name in channels if name not in known]
    if unknown:
        raise UsageError(f"No recording has the channel or modality '{unknown[0]}': correct channels.")
    return replace(windows, ds=ds)


class PickedSet(WrappedSet):
    """A set of recordings, each with some of its channels.

    Parameters
    ----------
    ds : RecordingSet
        The recordings.
    channels : collection of str
        Names or kinds.
    """

    def __init__(self, ds: RecordingSet, channels: Collection[str]) -> None:
        super().__init__(ds)
        self._channels = frozenset(channels)

    def __getitem__(self, row: int) -> PickedRecording:
        return PickedRecording(self.ds[row], self._channels)

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording, as in the set itself, with the kinds of the channels that are kept."""
        kinds = [sorted({channel.kind for channel in self[row].channels}) for row in range(len(self))]
        return self.ds.to_pandas().assign(kinds=kinds)


class PickedRecording(WrappedRecording):
    """A recording with some of its channels.

    Parameters
    ----------
    recording : ReadableRecording
        The recording.
    keep : frozenset of str
        Names or kinds.
    """

    def __init__(self, recording: ReadableRecording, keep: frozenset[str]) -> None:
        super().__init__(recording)
        self._keep = keep

    @property
    def channels(self) -> list[Channel]:
        """The kept channels, in order."""
        return [c for c in self.recording.channels if c.name in self._keep or c.kind in self._keep]

    def read(self, onset: float = 0.0, duration: float | None = None) -> Recording:
        """Read a window with the kept channels."""
        return with_channels(self.recording.read(onset, duration), self._keep)

    def read_signals(self, onset: float, duration: float) -> Recording:
        """`read` with only id and robust scale of the metadata."""
        return with_channels(self.recording.read_signals(onset, duration), self._keep)


def with_channels(window: Recording, channels: Collection[str]) -> Recording:
    """The window with the channels of these names or kinds only."""
    rows = [[i for i, c in enumerate(s.channels) if c.name in channels or c.kind in channels] for s in window.streams]
    return replace(window, streams=[s.pick(picked) for s, picked in zip(window.streams, rows, strict=True) if picked])
