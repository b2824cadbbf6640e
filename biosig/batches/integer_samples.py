"""Normalisation of int16 samples straight from their counts, for streams that only need to be scaled."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from biosig.batches.channel_layout import ChannelLayout
from biosig.batches.input_contract import InputContract
from biosig.recording import Stream


def is_plain(stream: Stream, contract: InputContract) -> bool:
    """True if the stream holds integers at the contract's rate that only need to be scaled."""
    as_wanted = stream.sfreq == contract.sfreq and contract.band is None and contract.normalisation == "robust"
    as_wanted = as_wanted and contract.cleaning == "none" and contract.frame == "head"
    return as_wanted and stream.samples.dtype == np.int16 and stream.n_times > 0


def normalise_integers(
    stream: Stream, members: ChannelLayout, scale: float, clip: float, out: NDArray[np.float32]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Normalise a plain stream straight from its integers into `out`, as `prepare` does with physical values.

    Training reads few other streams. Gives which samples are real (C, T), and the mean that was subtracted (C,).
    """
    if len(members.rows) < stream.n_chans:
        stream = stream.pick(members.rows)
    samples = np.asarray(stream.samples)
    out[...] = samples
    lowest, highest, mean = survey_integers(samples, out)
    valid = np.ones(out.shape, bool)
    if len(stream.invalid):
        valid = stream.valid()
        for row in set(stream.invalid[:, 0].tolist()):
            real = out[row, valid[row]]
            lowest[row], highest[row], mean[row] = (real.min(), real.max(), real.mean()) if real.size else (0, 0, 0)
    gain = stream.scale * members.factor
    moves = scale_integers(out, lowest, highest, mean, gain * members.sign / scale, clip)
    mean = mean * gain + stream.offset * members.factor
    moves &= np.isfinite(mean)
    if not moves.all():
        out[~moves], valid[~moves], mean[~moves] = 0, False, 0
    if len(stream.invalid):
        out[~valid] = 0
    return valid, mean.astype(np.float32)


def survey_integers(
    samples: NDArray[np.int16], values: NDArray[np.float32]
) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.float64]]:
    """Smallest, largest and mean of each row of counts (R, T), which `values` are too."""
    n_times = samples.shape[1]
    length = _exact_length(n_times)
    if length >= 64:  # a matrix product is the quickest sum, and exact for so few integers of 16 bits
        parts = values.reshape(-1, length) @ np.ones(length, np.float32)
        total = parts.reshape(len(samples), -1).sum(axis=1, dtype=np.float64)
    else:
        total = samples.sum(axis=1, dtype=np.int64).astype(np.float64)
    return samples.min(axis=1), samples.max(axis=1), total / n_times


@lru_cache(maxsize=1024)
def _exact_length(n_times: int) -> int:
    """The longest even part of `n_times` whose sum of int16 float32 holds exactly, 512 at most."""
    return next(length for length in range(min(512, max(n_times, 1)), 0, -1) if n_times % length == 0)


def scale_integers(
    values: NDArray[np.float32],
    lowest: NDArray[np.int16],
    highest: NDArray[np.int16],
    mean: NDArray[np.float64],
    step: NDArray[np.float64],
    clip: float,
) -> NDArray[np.bool_]:
    """Turn counts (R, T) into clipped multiples of the scale, in place; gives which rows move, shape (R,)."""
    largest = np.maximum(highest - mean, mean - lowest) * np.abs(step)
    values -= mean.astype(np.float32)[:, None]
    values *= step.astype(np.float32)[:, None]
    for row in np.flatnonzero(~(largest <= clip)):
        np.clip(values[row], -clip, clip, out=values[row])
    return (highest > lowest) & (largest > 0) & np.isfinite(largest)
