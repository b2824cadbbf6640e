"""Recordings in shards as a user states them, and without channels whose unit no model can use."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from biosig.batches.altered import WrappedRecording, WrappedSet
from biosig.batches.channel_layout import channels_read, is_unscaled
from biosig.batches.input_contract import InputContract
from biosig.batches.ordered import OrderedContract
from biosig.batches.windows import LeftOutWarning, ReadableRecording, RecordingSet, Windows
from biosig.errors import UsageError
from biosig.given import Given, converts, remedy
from biosig.recording import Channel, Recording, Stream
from biosig.signal import check_scale

Change = Callable[[ReadableRecording], tuple[Sequence[Channel], NDArray[np.float64]]]
"""From a recording to its channels (C,), changed, and the factor of each one's scale and offset (C,)."""
_NAMED = 3


def as_stated(ds: RecordingSet, given: Given) -> RecordingSet:
    """Recordings in shards with the units and names that a user states.

    Raises
    ------
    UsageError
        If a rate is stated, or a name or unit that fits no recording or contradicts one.
    DataError
        If amplitudes cannot be in the unit that is stated.
    """
    if not given:
        return ds
    if given.sfreq is not None:
        raise UsageError(
            "Shards keep the rate with which they were ingested, so sfreq cannot be given here: ingest again with "
            "--set sfreq=HZ."
        )
    names = {name for row in range(len(ds)) for c in ds[row].channels for name in (c.source_name, c.name)}
    if absent := [name for name in given.rename if name not in names]:
        raise UsageError(f"No recording has a channel '{absent[0]}', which rename names: correct it.")
    stated = StatedSet(ds, lambda recording: given.channels(recording.channels, f"Recording '{recording.id}'")[:2])
    for row in range(len(stated)):
        recording = stated[row]
        if recording is not ds[row]:
            units = {c.kind: c.unit for c in recording.channels}
            for kind, scale in recording.read_signals(0.0, 1.0).robust_scale.items():
                check_scale(scale, kind, units.get(kind, ""), f"Recording '{recording.id}'")
    return stated


def with_usable_units(windows: Windows, contract: Mapping[str, InputContract], model: str) -> Windows:
    """The same windows without tokens of channels whose unit the model cannot convert; one such stops no other.

    A model whose channels have a fixed order is left to refuse them.

    Raises
    ------
    UsageError
        If no recording has another channel that the model reads.

    Warns
    -----
    LeftOutWarning
        Naming the recordings, and how to state the unit.
    """

    def unusable(channel: Channel) -> bool:
        wanted = contract.get(channel.kind)
        if wanted is None or isinstance(wanted, OrderedContract) or is_unscaled(channel, wanted):
            return False
        return not converts(channel, wanted.unit)

    def change(recording: ReadableRecording) -> tuple[list[Channel], NDArray[np.float64]]:
        channels = [replace(c, kind="misc") if unusable(c) else c for c in recording.channels]
        return channels, np.ones(len(channels))

    rows = np.unique(windows.recording).tolist()
    found = [row for row in rows if any(map(unusable, windows.ds[row].channels))]
    if not found:
        return windows
    ds = StatedSet(windows.ds, change)
    first = next(filter(unusable, windows.ds[found[0]].channels))
    names = ", ".join(f"'{windows.ds[row].id}'" for row in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    sentence = (
        f"{model} cannot use channels of recording{'s' if len(found) > 1 else ''} {names}{more}: '{first.source_name}' "
        f"is in '{first.unit}', where {contract[first.kind].unit} was expected. They give no token; "
        f"{remedy(first.kind)}."
    )
    if not any(channels_read(ds[row].channels, contract) for row in rows):
        raise UsageError(sentence)
    warnings.warn(sentence, LeftOutWarning, stacklevel=3)
    return replace(windows, ds=ds)


class StatedSet(WrappedSet):
    """A set of recordings some of whose channels are changed; the others are passed on as they are.

    Parameters
    ----------
    ds : RecordingSet
        The recordings.
    change : callable
        From a recording to its changed channels.
    """

    def __init__(self, ds: RecordingSet, change: Change) -> None:
        super().__init__(ds)
        self._change = change

    def __getitem__(self, row: int) -> ReadableRecording:
        recording = self.ds[row]
        channels, factor = self._change(recording)
        if all(new is old for new, old in zip(channels, recording.channels, strict=True)):
            return recording
        return StatedRecording(recording, channels, factor)


class StatedRecording(WrappedRecording):
    """A recording with changed channels.

    Parameters
    ----------
    recording : ReadableRecording
        The recording.
    channels : sequence of Channel
        C of them, in its order.
    factor : ndarray, shape (C,)
        Factor of each channel's scale and offset.
    """

    def __init__(self, recording: ReadableRecording, channels: Sequence[Channel], factor: NDArray[np.float64]) -> None:
        super().__init__(recording)
        self._channels = list(channels)
        old = recording.channels
        self._new = {c.name: (new, float(f)) for c, new, f in zip(old, channels, factor, strict=True)}
        changes: dict[str, set[tuple[str, float]]] = {}
        for c, new, f in zip(old, channels, factor, strict=True):
            changes.setdefault(new.kind, set()).add((c.kind, float(f)))
        self._scales = {kind: next(iter(of)) for kind, of in changes.items() if len(of) == 1}

    @property
    def channels(self) -> list[Channel]:
        """The changed channels, in order."""
        return self._channels

    def read(self, onset: float = 0.0, duration: float | None = None) -> Recording:
        """The window with changed channels."""
        return self._changed(self.recording.read(onset, duration))

    def read_signals(self, onset: float, duration: float) -> Recording:
        """As `read`, of the metadata only id and robust scale."""
        return self._changed(self.recording.read_signals(onset, duration))

    def _changed(self, window: Recording) -> Recording:
        scales = {
            kind: window.robust_scale[old] * factor
            for kind, (old, factor) in self._scales.items()
            if old in window.robust_scale
        }
        return replace(window, streams=[self._stream(stream) for stream in window.streams], robust_scale=scales)

    def _stream(self, stream: Stream) -> Stream:
        new = [self._new[channel.name] for channel in stream.channels]
        factor = np.array([factor for _, factor in new])
        channels = _shared(stream.channels, tuple(channel for channel, _ in new))
        return replace(stream, channels=channels, scale=stream.scale * factor, offset=stream.offset * factor)


_MOST_SHARED = 4096
_known: dict[tuple[object, ...], tuple[tuple[Channel, ...], tuple[Channel, ...]]] = {}
"""Changed channels by the original ones, which are kept beside them so that nothing else takes their id."""


def _shared(old: tuple[Channel, ...], new: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """One tuple for all windows that share theirs: montages are kept by it."""
    key = (id(old), *((c.name, c.kind, c.unit) for c in new))
    if key not in _known:
        if len(_known) >= _MOST_SHARED:
            _known.clear()
        _known[key] = old, new
    return _known[key][1]
