"""Samples that no sensor gives: a spike of 1e30 mV, a value beyond float32. They are invalid, and a note says so.

Plausibility of the unit looks at the bulk of a signal (`biosig.signal.check_plausible`), which one sample does not
move. Here each sample is looked at, by one of two limits:

- A physical one, where kind and unit tell it. No amplifier of surface potentials takes in more than 1 V: ADS1299,
  BioSemi and DC-coupled EEG end at 0.19 to 0.9 V at the gains that are used, ECG front ends below. No transducer of
  blood pressure survives 1 MPa (7,500 mmHg), and no accelerometer that is worn goes beyond 100,000 m/s² (10,000 g).
- Else a relative one: a million times as far from the median as 95 % of the channel's samples, which is more than a
  converter of 20 bits spans, and in a channel that hardly ever moves, beyond 32 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from biosig.lazy_samples import LazySamples
from biosig.recording import Channel, Recording, Stream
from biosig.signal import join_runs, runs_from_mask
from biosig.signal.units import si_size

_VOLTAGES = ("ecg", "eeg", "eog", "emg", "ref")
_LARGEST = {"voltage": 1.0, "pressure": 1e6, "acceleration": 1e5}
"""In V, Pa and m/s²."""
_FAR = 1e6
_COUNTS = 2.0**32
_LOOKED_AT = 2**14
"""Samples of a channel that tell its bulk."""
_NAMED = 4


@dataclass(slots=True)
class _Bulk:
    """The range of each channel, and where most of its samples are, (C,) each."""

    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    median: NDArray[np.float64]
    spread: NDArray[np.float64]
    """The distance to the median that 95 % of the samples keep; half of them keep `typical`."""
    typical: NDArray[np.float64]


def mark_extremes(recording: Recording) -> Recording:
    """The recording with the samples that no sensor gives in its streams' `invalid`, and notes that tell which.

    If most samples of most channels of a kind are beyond the limit, nothing is marked: their unit is wrong, which
    `biosig.signal.check_plausible` refuses, and a note says so. Trigger channels hold codes and are not looked at.
    `content_hash` stays that of the samples as they were read. A recording without such samples is returned as it is.

    Parameters
    ----------
    recording : Recording
        Samples that are left in their file are read, block by block, only where they could hold such values.
    """
    streams, notes = [], []
    for stream in recording.streams:
        marked, mark_notes = _marked(stream)
        streams.append(marked)
        notes += mark_notes
    return replace(recording, streams=streams, notes=(*recording.notes, *notes)) if notes else recording


def _marked(stream: Stream) -> tuple[Stream, list[str]]:
    largest = np.array([_largest(channel) for channel in stream.channels])
    if not stream.n_times or not _may_hold(stream, largest).any():
        return stream, []
    bulk = _bulk(stream, largest)
    limits = _limits(stream, largest, bulk)
    with np.errstate(invalid="ignore"):
        beyond = np.maximum(bulk.highest - bulk.median, bulk.median - bulk.lowest) > limits
    mistaken, notes = _wrong_units(stream.channels, beyond & (bulk.typical > limits), largest)
    beyond[mistaken] = False
    rows = np.flatnonzero(beyond).tolist()
    if not rows:
        return stream, notes
    runs, descriptions = _find(stream, rows, bulk.median, limits)
    if not descriptions:
        return stream, notes
    more = f" and of {len(descriptions) - _NAMED} more channels" if len(descriptions) > _NAMED else ""
    notes.append(f"No sensor gives these values, so they are invalid: {', '.join(descriptions[:_NAMED])}{more}.")
    return replace(stream, invalid=join_runs(np.concatenate((stream.invalid, runs)))), notes


def _largest(channel: Channel) -> float:
    """The largest physical value, in the channel's unit; NaN where none is known."""
    if channel.kind == "stim":
        return float(np.finfo(np.float64).max)
    quantity, size = si_size(channel.unit)
    if quantity == "voltage" and channel.kind not in _VOLTAGES:  # an auxiliary input has a range of its own
        return np.nan
    return _LARGEST[quantity] / size if quantity in _LARGEST else np.nan


def _may_hold(stream: Stream, largest: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask of channels whose numbers could be beyond a limit, as far as is known without reading them, shape (C,)."""
    floats = stream.samples.dtype.kind == "f"
    held = stream.samples.reach if isinstance(stream.samples, LazySamples) else None
    if held is None:
        held = np.inf if floats else float(np.iinfo(stream.samples.dtype).max) + 1
    with np.errstate(over="ignore", invalid="ignore"):
        reached = np.abs(stream.scale) * held + np.abs(stream.offset)
    return np.where(np.isnan(largest), floats or held > _FAR, reached > largest)


def _bulk(stream: Stream, largest: NDArray[np.float64]) -> _Bulk:
    """One pass over the samples, in the channels' units; all but the range is 0 of channels within `largest`."""
    stride = max(stream.n_times // _LOOKED_AT, 1)
    lowest, highest = np.full(stream.n_chans, np.inf), np.full(stream.n_chans, -np.inf)
    picked, start = [], 0
    for block in stream.blocks():
        samples = np.asarray(block.samples)
        lowest = np.fmin(lowest, np.fmin.reduce(samples, axis=1))
        highest = np.fmax(highest, np.fmax.reduce(samples, axis=1))
        times = slice(-start % stride, None, stride)
        few = samples[:, times].astype(np.float64)
        if samples.dtype.kind == "f" or len(block.invalid):
            few[~block.valid()[:, times]] = np.nan
        picked.append(few)
        start += block.n_times
    ends = np.sort(_values(stream, np.column_stack((lowest, highest))), axis=1)
    median, spread, typical = np.zeros((3, stream.n_chans))
    rows = np.flatnonzero(~(np.abs(ends).max(axis=1) <= largest))
    few = _values(stream, np.concatenate(picked, axis=1))[rows]
    for row, x in zip(rows, few, strict=True):
        if (x := x[np.isfinite(x)]).size:
            median[row] = np.median(x)
            typical[row], spread[row] = np.percentile(np.abs(x - median[row]), (50, 95))
    return _Bulk(ends[:, 0], ends[:, 1], median, spread, typical)


def _values(stream: Stream, samples: NDArray[np.generic]) -> NDArray[np.float64]:
    """`samples` (C, T) in the channels' units, in double precision, which holds what float32 does not."""
    values = samples.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        values *= stream.scale[:, None]
        values += stream.offset[:, None]
    return values


def _limits(stream: Stream, largest: NDArray[np.float64], bulk: _Bulk) -> NDArray[np.float64]:
    """Largest distance of a sample from its channel's median, shape (C,)."""
    step = np.abs(stream.scale) if stream.samples.dtype.kind == "i" else np.zeros(stream.n_chans)
    size = np.maximum(bulk.spread, step)
    size = np.where(size > 0, size, np.abs(bulk.median))
    relative = np.where(size > 0, _FAR * size, _COUNTS)
    return np.where(np.isnan(largest), relative, largest)


def _wrong_units(
    channels: Sequence[Channel], beyond: NDArray[np.bool_], largest: NDArray[np.float64]
) -> tuple[list[int], list[str]]:
    """Channels whose bulk is beyond the limit as that of most of their kind is, and notes on them."""
    rows, notes = [], []
    for kind in dict.fromkeys(channels[row].kind for row in np.flatnonzero(beyond).tolist()):
        of_kind = [row for row, channel in enumerate(channels) if channel.kind == kind]
        far = [row for row in of_kind if beyond[row]]
        if 2 * len(far) > len(of_kind):
            rows += far
            first = channels[far[0]]
            notes.append(
                f"{len(far)} of {len(of_kind)} {kind} channels are mostly beyond {largest[far[0]]:g} {first.unit}, "
                f"which no sensor gives ('{first.source_name}' is the first): their unit is wrong."
            )
    return rows, notes


def _find(
    stream: Stream, rows: list[int], median: NDArray[np.float64], limits: NDArray[np.float64]
) -> tuple[NDArray[np.int64], list[str]]:
    """Runs (channel, start, stop) of valid samples of `rows` beyond the limits, and each channel's first in words."""
    runs: list[NDArray[np.int64]] = []
    first: dict[int, str] = {}
    count = dict.fromkeys(rows, 0)
    start = 0
    for block in stream.pick(rows).blocks():
        samples = np.asarray(block.samples)
        values = _values(block, samples)
        known = block.valid() | np.isinf(values)  # no reader marks infinite values
        with np.errstate(invalid="ignore"):
            mask = known & (np.abs(values - median[rows, None]) > limits[rows, None])
            mask &= np.abs(values) > limits[rows, None]
        for i in np.flatnonzero(mask.any(axis=1)).tolist():
            at = int(np.argmax(mask[i]))
            count[rows[i]] += int(mask[i].sum())
            channel = stream.channels[rows[i]]
            when = stream.onset + (start + at) / stream.sfreq
            value = f"{values[i, at]:.3g} {channel.unit}".strip() if np.isfinite(values[i, at]) else "infinite"
            first.setdefault(rows[i], f"of '{channel.source_name}' from {when:.6g} s ({value})")
        found = runs_from_mask(mask)
        found[:, 0] = np.array(rows)[found[:, 0]]
        runs.append(found + np.array([0, start, start]))
        start += block.n_times
    descriptions = [f"{count[row]} sample{'s' * (count[row] > 1)} {text}" for row, text in first.items()]
    return np.concatenate(runs), descriptions
