"""Resampling to another rate: an anti-aliased polyphase filter, and what it does to validity."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from biosig.errors import DataError
from biosig.signal.validity import as_float, bridge_gaps

ATTENUATION = 60.0
"""Stop-band attenuation in dB: what lies above the lower Nyquist frequency comes through below 1/1000."""

TRANSITION = 0.1
"""Width of the transition band, as a share of the lower Nyquist frequency; it ends at that frequency."""


def resample(x: NDArray[Any], sfreq: float, new_sfreq: float) -> NDArray[Any]:
    """Resample along the last axis to `new_sfreq`, without aliases and without delay.

    A linear-phase Kaiser-window FIR (Kaiser 1974; `scipy.signal.resample_poly`), flat to 90 % of the lower Nyquist
    frequency and 60 dB down at it. The edges see the signal mirrored; NaN samples are bridged for the filter and the
    output is NaN where `resample_valid` says so.

    Parameters
    ----------
    x : ndarray, shape (…, T)
    sfreq, new_sfreq : float
        Rates in Hz, before and after.

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
    n_times = x.shape[-1]
    up, down = _ratio(sfreq, new_sfreq, n_times)
    n_new = _n_times(n_times, sfreq, new_sfreq)
    if up == down:
        return x.copy()
    if n_new == 0:
        return np.empty((*x.shape[:-1], 0), x.dtype)
    finite = np.isfinite(x)
    all_finite = bool(finite.all())
    filled = x if all_finite else bridge_gaps(x)
    taps = _low_pass(up, down).astype(x.dtype)
    y = signal.resample_poly(filled, up, down, axis=-1, window=taps, padtype="reflect")
    y = np.ascontiguousarray(y[..., :n_new])
    if not all_finite:
        y[~resample_valid(finite, sfreq, new_sfreq)] = np.nan
    return y


def resample_valid(valid: NDArray[np.bool_], sfreq: float, new_sfreq: float) -> NDArray[np.bool_]:
    """Which samples stay real values when their signal is resampled.

    A new sample is valid only if every source sample closer to it than one period of the lower rate is: that is the
    main lobe of the interpolating kernel; what the lobes beyond it bring is small and damped. So one bad sample
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
    up, down = _ratio(sfreq, new_sfreq, n_times)
    n_new = _n_times(n_times, sfreq, new_sfreq)
    centre = np.arange(n_new, dtype=np.int64) * down  # times in units of 1 / (sfreq · up): source sample i lies at i·up
    reach = max(up, down)
    first = np.clip((centre - reach) // up + 1, 0, n_times)
    stop = np.clip(-((-centre - reach) // up), 0, n_times)
    n_invalid = np.zeros((*valid.shape[:-1], n_times + 1), np.int64)
    np.cumsum(~valid, axis=-1, out=n_invalid[..., 1:])
    return n_invalid[..., stop] == n_invalid[..., first]


def _n_times(n_times: int, sfreq: float, new_sfreq: float) -> int:
    return round(n_times * new_sfreq / sfreq)


def _ratio(sfreq: float, new_sfreq: float, n_times: int) -> tuple[int, int]:
    """`new_sfreq / sfreq` as up / down in lowest terms."""
    if not (math.isfinite(sfreq) and math.isfinite(new_sfreq) and sfreq > 0 and new_sfreq > 0):
        raise DataError(f"Sampling rates must be positive numbers of Hz, not {sfreq:g} and {new_sfreq:g}.")
    exact = new_sfreq / sfreq
    ratio = Fraction(new_sfreq / sfreq).limit_denominator(1000)
    if ratio == 0:
        raise DataError(
            f"Resampling from {sfreq!r} to {new_sfreq!r} Hz would keep less than one sample of a thousand: check the "
            "sampling rate."
        )
    if abs(float(ratio) - exact) * n_times > 0.5:
        raise DataError(
            f"Resampling from {sfreq!r} to {new_sfreq!r} Hz has no ratio of integers up to 1,000 that keeps time over "
            f"{n_times} samples: choose a rate that has, such as {sfreq * float(ratio):.9g} Hz."
        )
    return ratio.numerator, ratio.denominator


@lru_cache(maxsize=32)
def _low_pass(up: int, down: int) -> NDArray[np.float64]:
    """The anti-alias filter at `up` times the source rate, an odd number of taps."""
    widest = max(up, down)  # the lower Nyquist frequency is 1 / widest of the filter's own
    n_taps, beta = signal.kaiserord(ATTENUATION, TRANSITION / widest)
    return signal.firwin(n_taps | 1, (1 - TRANSITION / 2) / widest, window=("kaiser", beta))
