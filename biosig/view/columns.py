"""Pixel columns: first, least, greatest and last sample of each, with edges tied to the recording's own time.

Column `j` of a page with `step` seconds a pixel holds the samples at times from j·step to (j + 1)·step, whatever the
page starts with; so a peak keeps its height while the page moves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def edges(first: int, n: int, step: float, sfreq: float, onset: float) -> NDArray[np.int64]:
    """First samples of columns `first` to `first + n`, the last one's end included, shape (n + 1,)."""
    times = np.arange(first, first + n + 1) * step
    return np.ceil((times - onset) * sfreq - 1e-6).astype(np.int64)


def reduce(x: NDArray[np.floating], cuts: NDArray[np.int64]) -> NDArray[np.float32]:
    """First, least, greatest and last value of each column, shape (4, R, n); NaN where a column has none.

    Parameters
    ----------
    x : ndarray, shape (R, T)
        Values, NaN where a sample is not real.
    cuts : ndarray of int, shape (n + 1,)
        First sample of each column within `x`, and the end; from 0 to T.
    """
    n = len(cuts) - 1
    out = np.full((4, len(x), n), np.nan, np.float32)
    held = cuts[1:] > cuts[:-1]
    if not held.any() or not len(x):
        return out
    starts, stops = cuts[:-1][held], cuts[1:][held]
    part = x[:, : stops[-1]]
    out[0][:, held] = part[:, starts]
    out[1][:, held] = np.fmin.reduceat(part, starts, axis=1)
    out[2][:, held] = np.fmax.reduceat(part, starts, axis=1)
    out[3][:, held] = part[:, stops - 1]
    return out
