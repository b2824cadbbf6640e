"""Resampling to another rate: an anti-aliased polyphase filter, and its effect on validity."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from biosig.errors import DataError
from biosig.signal.validity import as_float, bridge_gaps, runs_from_mask

ATTENUATION = 60.0
"""Stop-band attenuation in dB: frequencies above the lower Nyquist frequency come through below 1/1000."""

PASSED = 0.95
"""The cut-off (−6 dB), as a share of the lower Nyquist frequency, where none is asked for."""

LOWEST_CUT = 0.4
"""The lowest cut-off, as such a share: below it the filter would be longer than it is without one."""

_AT_ONCE = 2**18  # numbers that are multiplied together: they stay in a processor's cache


def resample(x: NDArray[Any], sfreq: float, new_sfreq: float, cut: float = PASSED) -> NDArray[Any]:
    """Resample along the last axis to `new_sfreq`, without aliases and without delay.

    A linear-phase Kaiser-window FIR (Kaiser 1974), flat to 90 % of the lower Nyquist frequency and 60 dB down at it
    unless `cut` says otherwise, applied as `scipy.signal.resample_poly` does. The edges see the signal mirrored; NaN
    samples are bridged for the filter and the output is NaN where `resample_valid` says so.

    Parameters
    ----------
    x : ndarray, shape (…, T)
    sfreq, new_sfreq : float
        Rates in Hz, before and after.
    cut : float
        Frequency of −6 dB as a share of the lower Nyquist frequency, `LOWEST_CUT` to `PASSED`: a low-pass
        that costs nothing, where the rate changes. It is flat to 7/8 of that and 60 dB down at 9/8, or at the Nyquist
        frequency.

    Returns
    -------
    ndarray, shape (…, round(T * new_sfreq / sfreq))
        float32 for float32, else float64; sample k lies at k / new_sfreq seconds.

    Raises
    ------
    DataError
        If no ratio of integers up to 1,000 keeps the clock within half a sample over the whole signal.
    """
    x = as_float(x)
    up, down = ratio(sfreq, new_sfreq, x.shape[-1])
    if up == down:
        return x.copy()
    finite = np.isfinite(x)
    all_finite = bool(finite.all())
    y = _polyphase(x if all_finite else bridge_gaps(x), up, down, cut)
    if not all_finite:
        y[~resample_valid(finite, sfreq, new_sfreq)] = np.nan
    return y


def resample_valid(valid: NDArray[np.bool_], sfreq: float, new_sfreq: float) -> NDArray[np.bool_]:
    """Mask of the samples that stay real values when their signal is resampled.

    A new sample is valid only if every source sample closer to it than one period of the lower rate is: that is the
    main lobe of the interpolating kernel; the part of the lobes beyond it is small and damped. So one bad sample
    spoils its neighbours within that period and no others.

    Parameters
    ----------
    valid : ndarray of bool, shape (…, T)
    sfreq, new_sfreq : float
        Rates in Hz, before and after.

    Returns
    -------
    ndarray of bool, shape (…, round(T * new_sfreq / sfreq))
    """
    n_times = valid.shape[-1]
    up, down = ratio(sfreq, new_sfreq, n_times)
    n_new = n_resampled(n_times, up, down)
    resampled = np.ones((*valid.shape[:-1], n_new), bool)
    if not resampled.size:
        return resampled
    lobe = max(up, down)  # times in units of 1 / (sfreq · up): source sample i lies at i·up, new sample k at k·down
    for row, start, stop in runs_from_mask(~valid.reshape(-1, n_times)):
        first, last = (start * up - lobe) // down + 1, -(-((stop - 1) * up + lobe) // down)
        resampled.reshape(-1, n_new)[row, max(first, 0) : max(last, 0)] = False
    return resampled


def ratio(sfreq: float, new_sfreq: float, n_times: int) -> tuple[int, int]:
    """`new_sfreq / sfreq` as (up, down) in lowest terms: new sample k lies at k · down / up source samples.

    Raises
    ------
    DataError
        As `resample` does.
    """
    if not (math.isfinite(sfreq) and math.isfinite(new_sfreq) and sfreq > 0 and new_sfreq > 0):
        raise DataError(f"Sampling rates must be positive numbers of Hz, not {sfreq:g} and {new_sfreq:g}.")
    exact = new_sfreq / sfreq
    nearest = _nearest(exact)
    if nearest == 0:
        raise DataError(
            f"Resampling from {sfreq!r} to {new_sfreq!r} Hz would keep less than one sample of a thousand: check the "
            "sampling rate."
        )
    if abs(float(nearest) - exact) * n_times > 0.5:
        raise DataError(
            f"Resampling from {sfreq!r} to {new_sfreq!r} Hz has no ratio of integers up to 1,000 that keeps time over "
            f"{n_times} samples: choose a rate that has, such as {sfreq * float(nearest):.9g} Hz."
        )
    return nearest.numerator, nearest.denominator


@lru_cache(maxsize=32)
def _nearest(exact: float) -> Fraction:
    return Fraction(exact).limit_denominator(1000)


def reach(up: int, down: int, cut: float = PASSED) -> int:
    """Number of source samples to either side of a moment that the resampler looks at."""
    return len(_low_pass(up, down, cut)) // 2 // up + 1


@lru_cache(maxsize=1024)
def n_resampled(n_times: int, up: int, down: int) -> int:
    """Number of samples that `n_times` of them become."""
    return round(Fraction(n_times * up, down))


def _polyphase(x: NDArray[Any], up: int, down: int, cut: float) -> NDArray[Any]:
    """Interpolate by `up` and keep every `down`-th: each block of new samples is one matrix times its stretch of `x`.

    That takes twice the multiplications of a loop over taps, and BLAS does them some ten times faster.
    """
    matrix, before, step = _block_matrix(up, down, cut, x.dtype.char)
    length, n_out = matrix.shape
    n_times, n_new = x.shape[-1], n_resampled(x.shape[-1], up, down)
    y = np.empty((*x.shape[:-1], n_new), x.dtype)
    if not y.size:
        return y
    n_blocks = -(-n_new // n_out)
    after = max((n_blocks - 1) * step + length - before - n_times, 0)
    source, target = x.reshape(-1, n_times), y.reshape(-1, n_new)
    n_rows = max(_AT_ONCE // (n_blocks * length), 1)
    for row in range(0, len(source), n_rows):
        padded = _mirrored(source[row : row + n_rows], before, after)
        by_row, by_time = padded.strides
        shape = (len(padded), n_blocks, length)
        stretches = np.ndarray(shape, x.dtype, padded, strides=(by_row, step * by_time, by_time))
        blocks = np.ascontiguousarray(stretches).reshape(-1, length) @ matrix
        target[row : row + n_rows] = blocks.reshape(len(padded), -1)[:, :n_new]
    return y


def _mirrored(x: NDArray[Any], before: int, after: int) -> NDArray[Any]:
    """`x` (C, T) with its mirror images about the first and the last sample: `numpy.pad` in a tenth of its time."""
    n_times = x.shape[1]
    padded = np.empty((len(x), before + n_times + after), x.dtype)
    padded[:, before : before + n_times] = x
    period = max(2 * (n_times - 1), 1)
    for first, stop in ((-before, 0), (n_times, n_times + after)):
        place = np.arange(first, stop) % period
        padded[:, before + first : before + stop] = x[:, np.minimum(place, period - place)]
    return padded


@lru_cache(maxsize=32)
def _block_matrix(up: int, down: int, cut: float, dtype: str) -> tuple[NDArray[Any], int, int]:
    """The map from a stretch of source samples to a block of new ones, and two numbers of source samples.

    They are: how far the stretch begins before its block, and how far one block lies behind the other.
    """
    taps = _low_pass(up, down, cut) * up
    half = len(taps) // 2
    before = half // up
    periods = max(round(before / down), 1)  # half as long as the filter, so that most of the matrix is not zero
    new = np.arange(periods * up) * down  # times in units of 1 / (sfreq · up): source sample i lies at i · up
    source = np.arange(-before, (int(new[-1]) + half) // up + 1) * up
    tap = new[None, :] - source[:, None] + half
    inside = (tap >= 0) & (tap < len(taps))
    matrix = np.where(inside, taps[np.where(inside, tap, 0)], 0).astype(dtype)
    return matrix, before, periods * down


@lru_cache(maxsize=32)
def _low_pass(up: int, down: int, cut: float) -> NDArray[np.float64]:
    """The anti-alias filter at `up` times the source rate, an odd number of taps."""
    widest = max(up, down)  # the lower Nyquist frequency is 1 / widest of the filter's own
    transition = min(2 * (1 - cut), cut / 4)
    n_taps, beta = signal.kaiserord(ATTENUATION, transition / widest)
    return signal.firwin(n_taps | 1, cut / widest, window=("kaiser", beta))
