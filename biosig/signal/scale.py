"""How large a signal is, said by one number that a broken lead cannot move."""

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


def channel_scales(values: NDArray[Any]) -> NDArray[np.float64]:
    """What `robust_scale` takes the median of: one amplitude per channel, NaN where a channel is left out.

    Parameters
    ----------
    values : ndarray, shape (C, T)
        Physical values; NaN = invalid.

    Returns
    -------
    ndarray of float64, shape (C,)
    """
    x = as_float(values)
    scales = np.full(len(x), np.nan)
    if x.shape[1] > 1 and np.isfinite(x).all():
        step = max(_AT_ONCE // x.shape[1], 1)
        for row in range(0, len(x), step):
            scales[row : row + step] = _scale_of(x[row : row + step])
    else:
        for row, channel in enumerate(x):
            values = channel[np.isfinite(channel)]
            if values.size > 1:
                scales[row] = _scale_of(values[None])[0]
    scales[scales == 0] = np.nan
    return scales


def _scale_of(x: NDArray[Any]) -> NDArray[Any]:
    return _quantile(np.abs(x - _quantile(x, 0.5)[:, None]), 0.95) / 1.96


def _quantile(x: NDArray[Any], q: float) -> NDArray[Any]:
    """`numpy.quantile` along the last axis of (C, T), T > 1, without its many calls for short signals."""
    place, share = divmod((x.shape[1] - 1) * q, 1)
    below = int(place)
    lower, upper = np.partition(x, (below, below + 1), axis=1)[:, below : below + 2].T
    return lower + x.dtype.type(share) * (upper - lower)


def is_flat(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which channels carry nothing: no two finite samples differ, or there are none.

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
