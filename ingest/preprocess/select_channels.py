"""Selection of the channels that a recipe takes from a recording, and their units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from biosig.electrodes.channels import is_unknown
from biosig.errors import DataError, UsageError
from biosig.given import remedy
from biosig.recording import Channel, Recording, Stream
from biosig.signal import canonical_unit, unit_factor
from biosig.signal.units import is_voltage


def settle_unknown(recording: Recording, on_unknown: Literal["keep", "raise", "skip"], where: str) -> Recording:
    """Keep, refuse or leave out channels whose place on the body should be known and is not.

    Raises
    ------
    DataError
        If there are some and they are refused, or nothing else is left.
    """
    unknown = [c for c in recording.channels if is_unknown(c)]
    if not unknown or on_unknown == "keep":
        return recording
    names = _quoted(unknown)
    if on_unknown == "raise":
        raise DataError(f"{where} has channels without a known place: {names}; rename them or set on_unknown: keep.")
    if len(unknown) == len(recording.channels):
        raise DataError(f"{where} has no channel with a known place ({names}): set on_unknown: keep to ingest it.")
    return _leave_out(recording, is_unknown, "without a known place")


def choose(recording: Recording, kinds: Sequence[str], channels: Sequence[str], where: str) -> Recording:
    """The channels of the given kinds and canonical names; no kinds or no names = all.

    Raises
    ------
    DataError
        If that leaves none.
    """

    def unwanted(channel: Channel) -> bool:
        return (bool(kinds) and channel.kind not in kinds) or (bool(channels) and channel.name not in channels)

    left = [c.name for c in recording.channels if not unwanted(c)]
    if not left:
        asked = " and ".join(", ".join(names) for names in (kinds, channels) if names)
        raise DataError(f"{where} has none of {asked}; its channels are {', '.join(recording.ch_names)}: ask for some.")
    if absent := [name for name in channels if name not in left]:
        recording = replace(recording, notes=(*recording.notes, f"Asked for and not there: {', '.join(absent)}."))
    return (
        _leave_out(recording, unwanted, "that were not asked for") if len(left) < len(recording.channels) else recording
    )


def _leave_out(recording: Recording, unwanted: Callable[[Channel], bool], why: str) -> Recording:
    names = _quoted([c for c in recording.channels if unwanted(c)])
    rows = [[row for row, c in enumerate(s.channels) if not unwanted(c)] for s in recording.streams]
    streams = [
        s if len(kept) == s.n_chans else s.pick(kept) for s, kept in zip(recording.streams, rows, strict=True) if kept
    ]
    return replace(
        recording,
        streams=streams,
        history=(*recording.history, f"left out channels {why}: {names}"),
        notes=(*recording.notes, f"Left out, as the recipe asks: {names}."),
    )


def in_units(recording: Recording, units: Mapping[str, str], where: str) -> Recording:
    """Kinds in the units asked for, other voltages in that of their kind (ECG mV, EEG uV), by scale and offset alone.

    The adapters here already bring voltages there; this holds for those that others publish.

    Raises
    ------
    DataError
        If a channel's unit does not convert into the one that was asked for.
    """
    streams: list[Stream] = []
    history: list[str] = []
    for stream in recording.streams:
        n_before = len(history)
        channels, factors = list(stream.channels), np.ones(stream.n_chans)
        for row, channel in enumerate(channels):
            wanted = units.get(channel.kind) or (canonical_unit(channel.kind) if is_voltage(channel.unit) else None)
            if wanted and channel.unit != wanted:
                factors[row] = _factor(channel, wanted, where)
                channels[row] = replace(channel, unit=wanted)
                history.append(f"{channel.kind}: {channel.unit} to {wanted}")
        if len(history) > n_before:
            scale, offset = stream.scale * factors, stream.offset * factors
            stream = replace(stream, channels=tuple(channels), scale=scale, offset=offset)
        streams.append(stream)
    return replace(recording, streams=streams, history=(*recording.history, *dict.fromkeys(history)))


def _factor(channel: Channel, wanted: str, where: str) -> float:
    try:
        return unit_factor(channel.unit, wanted)
    except UsageError:
        raise DataError(
            f"{where}: channel '{channel.source_name}' is in '{channel.unit}', which does not convert into the "
            f"recipe's '{wanted}': leave out unit.{channel.kind}, or {remedy(channel.kind)}."
        ) from None


def _quoted(channels: Sequence[Channel]) -> str:
    return ", ".join(repr(c.source_name) for c in channels)
