"""Picked channels: recordings with a selection of their channels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pandas as pd

from biosig.batches.mapped_recordings import MappedRecordings
from biosig.batches.windows import RecordingSet, Windows
from biosig.errors import UsageError
from biosig.recording import Recording


def pick_channels(windows: Windows, channels: Sequence[str]) -> Windows:
    """Keep only the channels of these names or kinds in the windows; all of them if none is named.

    Raises
    ------
    UsageError
        If no recording has a channel of one of the names.
    """
    if not channels:
        return windows
    ds = PickedChannels(windows.ds, channels)
    known = {name for row in range(len(ds)) for c in ds[row].channels for name in (c.name, c.kind)}
    unknown = [name for name in channels if name not in known]
    if unknown:
        raise UsageError(f"No recording has the channel or modality '{unknown[0]}': correct channels.")
    return replace(windows, ds=ds)


class PickedChannels(MappedRecordings):
    """A set of recordings, each with some of its channels.

    Parameters
    ----------
    ds : RecordingSet
        The recordings.
    channels : collection of str
        Names or kinds.
    """

    def __init__(self, ds: RecordingSet, channels: Collection[str]) -> None:
        keep = frozenset(channels)
        super().__init__(
            ds,
            lambda part, whole, row: with_channels(part, keep),  # noqa: ARG005
            lambda recording: [c for c in recording.channels if c.name in keep or c.kind in keep],
        )

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording, as in the set itself, with the kinds of the channels that are kept."""
        kinds = [sorted({channel.kind for channel in self[row].channels}) for row in range(len(self))]
        return self.ds.to_pandas().assign(kinds=kinds)


def with_channels(window: Recording, channels: Collection[str]) -> Recording:
    """The window with the channels of these names or kinds only."""
    rows = [[i for i, c in enumerate(s.channels) if c.name in channels or c.kind in channels] for s in window.streams]
    return replace(window, streams=[s.pick(picked) for s, picked in zip(window.streams, rows, strict=True) if picked])
