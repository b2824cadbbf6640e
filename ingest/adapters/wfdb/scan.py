"""One pass over samples, a block at a time: missing samples, the range of the others, and sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from biosig.lazy_samples import LazySamples
from biosig.recording import BLOCK_BYTES
from biosig.signal import runs_from_mask

Samples = TypeVar("Samples", bound=Any)
_INT16 = np.iinfo(np.int16)
_LARGEST = {np.dtype(kind): np.iinfo(kind).max for kind in (np.int16, np.int32, np.int64)}
_NO_CODE = -(2**63)


@dataclass(frozen=True, slots=True)
class SampleScan:
    """Results of a pass over integers of shape (C, T).

    Parameters
    ----------
    invalid : ndarray of int64, shape (n_runs, 3)
        Runs (channel, start, stop) of missing samples.
    lowest, highest : ndarray of int64, shape (C,)
        Range of the others; (1, 0) where there are none.
    sums : ndarray of int64, shape (C,)
        Of all samples.
    narrow : bool
        True if 16 bits hold them all.
    """

    invalid: NDArray[np.int64]
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]
    sums: NDArray[np.int64]
    narrow: bool

    def fit(self, samples: Samples) -> Samples:
        """`samples` with the narrower of int16 and int32 that holds them."""
        if self.narrow and isinstance(samples, LazySamples):
            samples.dtype = np.dtype(np.int16)
        elif self.narrow:
            return samples.astype(np.int16, copy=False)
        return samples


def survey(samples: NDArray[Any] | LazySamples, missing: Sequence[int | None]) -> SampleScan:
    """Pass over int16 or int32 samples of shape (C, T).

    Parameters
    ----------
    samples : ndarray or LazySamples
    missing : sequence of (int or None)
        Per channel the value that stands for a missing sample, which no sample is below.
    """
    n_chans, n_times = samples.shape
    lowest = np.full(n_chans, _LARGEST[np.dtype(np.int64)])
    highest = np.full(n_chans, _NO_CODE)
    sums = np.zeros(n_chans, np.int64)
    runs = []
    any_missing = np.zeros(n_chans, bool)
    codes = np.array([_NO_CODE if code is None else code for code in missing])  # (C,)
    length = max(BLOCK_BYTES // (n_chans * samples.itemsize), 1)
    for start in range(0, n_times, length):
        block = samples[:, start : start + length]
        low = block.min(axis=1).astype(np.int64)
        rows = np.flatnonzero(low == codes)
        if rows.size:
            part = block[rows]
            gone = part == codes[rows, None].astype(block.dtype)
            found = runs_from_mask(gone)
            runs.append(np.column_stack((rows[found[:, 0]], found[:, 1:] + start)))
            low[rows] = np.where(gone, _LARGEST[block.dtype], part).min(axis=1)
            any_missing[rows] = True
        np.minimum(lowest, low, out=lowest)
        np.maximum(highest, block.max(axis=1), out=highest)
        sums += block.sum(axis=1, dtype=np.int64)
    least = int(np.where(any_missing, codes, lowest).min(initial=0))
    none = any_missing & (highest == codes)
    lowest[none], highest[none] = 1, 0
    narrow = least >= _INT16.min and int(highest.max(initial=0)) <= _INT16.max
    return SampleScan(joined_runs(runs), lowest, highest, sums, narrow)


def joined_runs(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Runs (channel, start, stop) of several parts, none of which overlap, sorted; those that touch become one."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return np.empty((0, 3), np.int64)
    runs = np.concatenate(parts)
    runs = runs[np.lexsort((runs[:, 1], runs[:, 0]))]
    touch = (runs[1:, 0] == runs[:-1, 0]) & (runs[1:, 1] == runs[:-1, 2])
    starts = np.concatenate([[True], ~touch])
    stops = np.concatenate([~touch, [True]])
    return np.column_stack((runs[starts, :2], runs[stops, 2]))
