"""Robust scale: the size of a signal as one number that a broken lead cannot move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.signal.validity import as_float

_AT_ONCE = 2**18  # samples that are measured together: their copies stay in a processor's cache


def robust_scale(values: NDArray[Any]) -> float:
    """One amplitude for all channels of a kind: the typical channel's, so that ratios between leads survive.

    Per channel the 95th percentile of the distance from the median, divided by 1.96: the standard deviation where
    the signal is Gaussian noise, and still about the QRS where it is an ECG, which is at rest most of the time. Then
    the median over channels. Flat channels, channels without a value and channels at rest for 95 % of the time are
    left out.

    Parameters
    ----------
    values : ndarray, shape (C, T)
        Physical values; NaN = invalid.

    Returns
    -------
    float
        In the unit of `values`; NaN if no channel is usable.
    """
    scales = channel_scales(values)
    usable = scales[np.isfinite(scales)]
    return float(np.median(usable)) if usable.size else float("nan")


def channel_scales(values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Amplitude of each channel, of which `robust_scale` takes the median; NaN where a channel is left out.

    Parameters
    ----------
    values : ndarray, shape (C, T)
        Physical values, or a recorder's counts (int16), whose scale is in counts.
    valid : ndarray of bool, shape (C, T), optional
        True for real values; default those that are finite.

    Returns
    -------
    ndarray of float64, shape (C,)
    """
    values = np.asarray(values)
    are_counts = values.dtype == np.int16
    x, scale_of = (values, _scale_of_counts) if are_counts else (as_float(values), _scale_of)
    if valid is None and not are_counts:
        valid = np.isfinite(x)
    scales = np.full(len(x), np.nan)
    if x.shape[1] > 1 and (valid is None or valid.all()):
        step = max(_AT_ONCE // x.shape[1], 1)
        for row in range(0, len(x), step):
            scales[row : row + step] = scale_of(x[row : row + step])
    elif valid is not None:
        for row, (channel, is_real) in enumerate(zip(x, valid, strict=True)):
            real = channel[is_real]
            if real.size > 1:
                scales[row] = scale_of(real[None])[0]
    scales[scales == 0] = np.nan
    return scales


def _scale_of(x: NDArray[Any]) -> NDArray[Any]:
    return _quantile(np.abs(x - _quantile(x, 0.5)[:, None]), 0.95) / 1.96


def _scale_of_counts(x: NDArray[np.int16]) -> NDArray[np.float64]:
    """`_scale_of` for integers, in a third of its time: NumPy's stable sort of 16 bits counts and does not compare.

    The k values nearest to the median are neighbours in the sorted row. So the k-th smallest distance is that of the
    farther end of some run of k values, and the smallest of these over all runs.
    """
    x = np.sort(x, axis=1, kind="stable")
    below, share = _place(x.shape[1], 0.5)
    middle = x[:, below] + share * (x[:, below + 1].astype(np.float64) - x[:, below])
    below, share = _place(x.shape[1], 0.95)
    first, last = np.abs(x[:, : x.shape[1] - below] - middle[:, None]), np.abs(x[:, below:] - middle[:, None])
    lower = np.maximum(first, last).min(axis=1)
    upper = np.maximum(first[:, :-1], last[:, 1:]).min(axis=1)
    return np.asarray((lower + share * (upper - lower)) / 1.96)


def _quantile(x: NDArray[Any], q: float) -> NDArray[Any]:
    """`numpy.quantile` along the last axis of (C, T), T > 1, without its many calls for short signals."""
    below, share = _place(x.shape[1], q)
    lower, upper = np.partition(x, (below, below + 1), axis=1)[:, below : below + 2].T
    return lower + x.dtype.type(share) * (upper - lower)


def _place(n: int, q: float) -> tuple[int, float]:
    """Between which of `n` sorted values the quantile lies: the number of the lower, and the share of the way."""
    place, share = divmod((n - 1) * q, 1)
    return int(place), share


def is_flat(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Mask of channels that carry nothing: no two finite samples differ, or there are none.

    Parameters
    ----------
    values : ndarray, shape (C, T)

    Returns
    -------
    ndarray of bool, shape (C,)
    """
    finite = np.isfinite(values)
    lowest = np.min(values, axis=-1, initial=np.inf, where=finite)
    highest = np.max(values, axis=-1, initial=-np.inf, where=finite)
    return np.asarray(highest <= lowest)
