"""Perturbations of a window, to see if the score depends on it. Shape letters: C channels, T samples, B frequencies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from biosig.audit.changed import Change
from biosig.audit.signal_measures import LINE_FREQUENCIES, SEGMENT, power_spectrum, slopes
from biosig.downstream.data.degradations import scale_of
from biosig.recording import MODALITIES, Recording, Stream
from biosig.signal import bridge_gaps, is_flat, notch

Values = NDArray[np.float32]


def reordered(window: Recording, rng: np.random.Generator) -> Recording:
    """The channels of each stream in another order; each keeps its name and place."""
    return replace(window, streams=[stream.pick(rng.permutation(stream.n_chans).tolist()) for stream in window.streams])


def flipped(window: Recording, rng: np.random.Generator) -> Recording:  # noqa: ARG001
    """Every channel upside down, as a device that is worn the wrong way round."""
    return _with_values(window, lambda values, _: -values)


def notched(window: Recording, rng: np.random.Generator) -> Recording:  # noqa: ARG001
    """Remove both line frequencies and their multiples."""
    return _with_values(window, _notched)


def equal_gain(typical: Mapping[str, float]) -> Change:
    """Bring every recording to one robust scale of each kind, in its unit, so that amplitude carries no information."""

    def change(window: Recording, rng: np.random.Generator) -> Recording:  # noqa: ARG001
        factors = {kind: scale / scale_of(window, kind) for kind, scale in typical.items()}
        streams = []
        for stream in window.streams:
            factor = np.array([factors.get(channel.kind, 1.0) for channel in stream.channels])
            factor[~np.isfinite(factor)] = 1.0  # a window that has no scale has nothing to equalise
            streams.append(replace(stream, scale=stream.scale * factor, offset=stream.offset * factor))
        return replace(window, streams=streams, robust_scale={**window.robust_scale, **typical})

    return change


def flattened(common: Mapping[str, float] | None = None) -> Change:
    """The falling 1/f spectrum made flat, phases and each channel's amplitude kept.

    Each channel loses its own slope, so that windows cannot differ by it. With `common`, all channels of a kind are
    tilted by one exponent: an input as unusual for a model, which keeps the differences. Only the loss of the first
    beyond that of the second is due to the slope.
    """

    def change(window: Recording, rng: np.random.Generator) -> Recording:  # noqa: ARG001
        return _with_values(window, lambda values, stream: _flat_spectrum(values, stream, common))

    return change


def noisy(decibels: float) -> Change:
    """White noise on every channel, at this ratio of signal to noise."""

    def change(window: Recording, rng: np.random.Generator) -> Recording:
        def add(values: Values, _: Stream) -> Values:
            size = np.nanstd(values, axis=1, keepdims=True) * 10 ** (-decibels / 20)
            return values + (size * rng.standard_normal(values.shape)).astype(np.float32)

        return _with_values(window, add)

    return change


def with_fewer_leads(share: float) -> Change:
    """A random share of the channels of each kind that a model can read, at least one."""

    def change(window: Recording, rng: np.random.Generator) -> Recording:
        kinds = [channel.kind for channel in window.channels]
        kept = np.ones(len(kinds), bool)
        for kind in MODALITIES:
            rows = np.flatnonzero(np.array(kinds) == kind)
            kept[rng.permutation(rows)[max(math.ceil(share * len(rows)), 1) :]] = False
        streams, first = [], 0
        for stream in window.streams:
            rows = np.flatnonzero(kept[first : first + stream.n_chans])
            first += stream.n_chans
            if len(rows):
                streams.append(stream.pick(rows.tolist()))
        return replace(window, streams=streams)

    return change


def _with_values(window: Recording, function: Callable[[Values, Stream], Values]) -> Recording:
    """The window with a function of each stream's physical values (C, T) in their place; the others' are left alone."""
    streams = []
    for stream in window.streams:
        if stream.n_times > 1 and any(channel.kind in MODALITIES for channel in stream.channels):
            values = stream.physical()
            moves = ~is_flat(values)
            values[moves] = function(values[moves], stream.pick(np.flatnonzero(moves).tolist()))
            one, none = np.ones(stream.n_chans), np.empty((0, 3), np.int64)
            stream = replace(stream, samples=values, scale=one, offset=0 * one, invalid=none)
        streams.append(stream)
    return replace(window, streams=streams)


def _notched(values: Values, stream: Stream) -> Values:
    for line in LINE_FREQUENCIES:
        if line < stream.sfreq / 2:
            values = notch(values, stream.sfreq, line)
    return values


def _flat_spectrum(values: Values, stream: Stream, common: Mapping[str, float] | None) -> Values:
    n_times = values.shape[1]
    if not len(values) or n_times < SEGMENT * stream.sfreq:
        return values
    if common is None:
        exponent = slopes(*power_spectrum(values, stream.sfreq))  # (C,)
    else:
        exponent = np.array([common.get(channel.kind, 0.0) for channel in stream.channels])
    real = np.isfinite(values)
    whole = bridge_gaps(values.astype(np.float64))
    whole -= whole.mean(axis=1, keepdims=True)
    freqs = np.fft.rfftfreq(n_times, 1 / stream.sfreq)
    tilt = np.maximum(freqs, 1.0) ** (exponent[:, None] / 2)  # (C, B); below 1 Hz there is drift, which stays drift
    flat = np.fft.irfft(np.fft.rfft(whole) * tilt, n_times)
    flat *= whole.std(axis=1, keepdims=True) / np.maximum(flat.std(axis=1, keepdims=True), 1e-30)
    return np.where(real, flat, np.nan).astype(np.float32)
