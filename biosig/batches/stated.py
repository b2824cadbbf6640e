"""Recordings in shards as a user states them, and without channels whose unit no model can use."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from biosig.batches.channel_layout import channels_read, is_unscaled
from biosig.batches.input_contract import InputContract
from biosig.batches.mapped_recordings import MappedRecordings
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
    change = StatedChannels(lambda recording: given.channels(recording.channels, f"Recording '{recording.id}'")[:2])
    stated = MappedRecordings(ds, change, change.of)
    for row in range(len(stated)):
        original, recording = ds[row], stated[row]
        if any(new is not old for new, old in zip(change.of(original), original.channels, strict=True)):
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
    usable = StatedChannels(change)
    ds = MappedRecordings(windows.ds, usable, usable.of)
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


class StatedChannels:
    """An alteration of recordings some of whose channels are changed.

    Parameters
    ----------
    change : callable
        From a recording to its changed channels.
    """

    def __init__(self, change: Change) -> None:
        self._change = change

    def of(self, recording: ReadableRecording) -> list[Channel]:
        """The channels of a recording as they are changed, in order."""
        return list(self._change(recording)[0])

    def __call__(self, part: Recording, whole: ReadableRecording, row: int) -> Recording:  # noqa: ARG002
        """The part with changed channels, and robust scales in their units."""
        old = whole.channels
        channels, factors = self._change(whole)
        if all(new is channel for new, channel in zip(channels, old, strict=True)):
            return part
        new = {c.name: (changed, float(f)) for c, changed, f in zip(old, channels, factors, strict=True)}
        changes: dict[str, set[tuple[str, float]]] = {}
        for channel, changed, f in zip(old, channels, factors, strict=True):
            changes.setdefault(changed.kind, set()).add((channel.kind, float(f)))
        common = {kind: next(iter(of)) for kind, of in changes.items() if len(of) == 1}
        scales = {k: part.robust_scale[was] * f for k, (was, f) in common.items() if was in part.robust_scale}
        return replace(part, streams=[_changed(stream, new) for stream in part.streams], robust_scale=scales)


def _changed(stream: Stream, new: Mapping[str, tuple[Channel, float]]) -> Stream:
    """A stream with new channels, its scale and offset times a factor each, by the channels' names."""
    changed = [new[channel.name] for channel in stream.channels]
    factor = np.array([factor for _, factor in changed])
    channels = _shared(stream.channels, tuple(channel for channel, _ in changed))
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
