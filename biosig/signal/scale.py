"""How large a signal is, said by one number that a broken lead cannot move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    scales = []
    for row in values:
        x = row[np.isfinite(row)].astype(np.float64)
        if x.size < 2:
            continue
        scale = float(np.percentile(np.abs(x - np.median(x)), 95)) / 1.96
        if scale > 0:
            scales.append(scale)
    return float(np.median(scales)) if scales else float("nan")


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
