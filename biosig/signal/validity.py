"""Validity of samples: runs, masks, and the bridge over gaps that lets a filter pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def runs_from_mask(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Runs of True as rows (channel, start, stop), stop excluded, sorted by channel and start.

    Parameters
    ----------
    mask : ndarray of bool, shape (C, T)

    Returns
    -------
    ndarray of int64, shape (n_runs, 3)
    """
    n_chans, n_times = mask.shape
    padded = np.zeros((n_chans, n_times + 2), bool)
    padded[:, 1:-1] = mask
    edges = np.flatnonzero(padded[:, 1:] != padded[:, :-1])  # starts and stops in turn
    channels, times = np.divmod(edges, n_times + 1)
    return np.column_stack((channels[::2], times[::2], times[1::2])).astype(np.int64)


def mask_from_runs(runs: NDArray[np.int64], shape: Sequence[int]) -> NDArray[np.bool_]:
    """The mask, shape (C, T), that is True inside the runs (channel, start, stop)."""
    mask = np.zeros(tuple(shape), bool)
    for channel, start, stop in np.asarray(runs, np.int64).reshape(-1, 3):
        mask[channel, start:stop] = True
    return mask


def join_runs(runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Runs (channel, start, stop) in any order, sorted; those that touch or overlap become one."""
    runs = np.asarray(runs, np.int64).reshape(-1, 3)
    if not len(runs):
        return runs
    runs = runs[np.lexsort((runs[:, 1], runs[:, 0]))]
    shift = runs[:, 0] * (runs[:, 2].max() + 1)  # channels one behind the other on one line
    starts, stops = runs[:, 1] + shift, np.maximum.accumulate(runs[:, 2] + shift)
    apart = np.flatnonzero(starts[1:] > stops[:-1]) + 1
    first, last = np.r_[0, apart], np.r_[apart, len(runs)] - 1
    return np.column_stack((runs[first, 0], runs[first, 1], stops[last] - shift[last]))


def bridge_gaps(x: NDArray[Any], longest: int | None = None) -> NDArray[Any]:
    """A copy with non-finite samples replaced by a straight line between their neighbours in time.

    Before the first and after the last finite sample the nearest one is held; a row without any becomes zeros. It
    exists so that a filter can pass; the caller marks the gaps again afterwards.

    Parameters
    ----------
    x : ndarray, shape (…, T)
    longest : int, optional
        In a gap of more samples than this, both neighbours are held up to its middle: the fill then depends on
        samples near by alone, so that a long signal can be processed in parts.
    """
    filled = np.array(x)
    for row in filled.reshape(-1, x.shape[-1]):
        missing = ~np.isfinite(row)
        if not missing.any():
            continue
        _, starts, stops = runs_from_mask(missing[None]).T
        beside = np.unique(np.concatenate((starts[starts > 0] - 1, stops[stops < len(row)])))
        gaps = np.flatnonzero(missing)
        row[gaps] = np.interp(gaps, beside, row[beside]) if len(beside) else 0.0
        if longest is not None:
            inner = (stops - starts > longest) & (starts > 0) & (stops < len(row))
            for start, stop in zip(starts[inner], stops[inner], strict=True):
                middle = (start + stop) // 2
                row[start:middle], row[middle:stop] = row[start - 1], row[stop]
    return filled


def as_float(x: NDArray[Any]) -> NDArray[Any]:
    """`x` itself if it is float32 or float64, else its values as float64."""
    x = np.asarray(x)
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)
