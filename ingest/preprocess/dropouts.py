"""Dropouts: stretches where a channel has numbers and no signal: it stands still, or rests at the end of its range.

A lead that is off shows as one or the other, as does an amplifier that is saturated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Stream
from biosig.signal import join_runs, runs_from_mask


def find_dropouts(
    stream: Stream, rows: Sequence[int], still: NDArray[np.int64], clipped: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Runs of equal samples that are too long to be a signal; a channel that never moves is one such run.

    Samples that are known to be missing are not looked at: mostly one and the same number stands for them.

    Parameters
    ----------
    stream : Stream
        Read once, block by block, with a margin in which a run that crosses a joint is seen from both sides.
    rows : sequence of int
        The channels to look at.
    still : ndarray of int, shape (len(rows),)
        A run of at least so many equal samples is not a signal; 0 = only where the whole channel is one.
    clipped : ndarray of int, shape (len(rows),)
        The same for runs at the channel's largest or smallest value; 0 = they are not looked for.

    Returns
    -------
    ndarray of int64, shape (n_runs, 3)
        Rows (channel, start, stop), the channel as in `stream`.
    """
    lowest, highest = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    wanted = np.concatenate((still[still > 0], clipped[clipped > 0]))
    shortest, margin = (max(int(wanted.min()), 2), int(wanted.max())) if len(wanted) else (0, 0)

    def no_signal(runs: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.bool_]:
        i, n = runs[:, 0], runs[:, 2] - runs[:, 1]
        extreme = (values == lowest[i]) | (values == highest[i])
        return ((still[i] > 0) & (n >= still[i])) | ((clipped[i] > 0) & (n >= clipped[i]) & extreme)

    found, found_values = [np.empty((0, 3), np.int64)], [np.empty(0)]  # the channel as in `rows`
    length = stream.block_length()
    for start in range(0, stream.n_times, length):
        stop = min(start + length, stream.n_times)
        first = max(start - margin, 0)
        block = stream.slice(first, min(stop + margin, stream.n_times))
        samples = np.asarray(block.samples)
        if len(rows) < stream.n_chans:
            samples = samples[list(rows)]
        valid = None if _all_valid(block) else block.valid()[list(rows)]
        low, high = extremes(samples, valid)
        lowest, highest = np.minimum(lowest, low), np.maximum(highest, high)
        if shortest:
            runs = _equal_runs(samples, shortest, valid)
            values = samples[runs[:, 0], runs[:, 1]].astype(np.float64)
            kept = no_signal(runs, values)  # at an extreme now: it need not be one in the end
            found.append(runs[kept] + np.array([0, first, first]))
            found_values.append(values[kept])
    runs = np.concatenate(found)
    dead = np.array([(i, 0, stream.n_times) for i in np.flatnonzero(lowest >= highest)], np.int64).reshape(-1, 3)
    runs = np.concatenate((runs[no_signal(runs, np.concatenate(found_values))], dead))
    runs[:, 0] = np.asarray(rows)[runs[:, 0]]
    return join_runs(runs)


def _all_valid(block: Stream) -> bool:
    return block.samples.dtype.kind == "i" and not len(block.invalid)


def extremes(samples: NDArray[Any], valid: NDArray[np.bool_] | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The smallest and the largest valid sample per channel; infinities where there is none."""
    if valid is None and samples.shape[1]:
        return samples.min(axis=1).astype(np.float64), samples.max(axis=1).astype(np.float64)
    lowest, highest = np.full(len(samples), np.inf), np.full(len(samples), -np.inf)
    for row, x in enumerate(samples):
        real = x if valid is None or valid[row].all() else x[valid[row]]
        if real.size:
            lowest[row], highest[row] = real.min(), real.max()
    return lowest, highest


def _equal_runs(samples: NDArray[Any], at_least: int, valid: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Runs (channel, start, stop) of `at_least` or more equal samples in (C, T), all of them valid.

    That many are equal from a sample on if half as many are, and half as many from there: doubling tells it for all
    samples in a few operations.
    """
    same = samples[:, 1:] == samples[:, :-1]
    if valid is not None:
        same &= valid[:, 1:] & valid[:, :-1]
    covered, steps = 1, at_least - 1
    while covered < steps:
        shift = min(covered, steps - covered)
        same = same[:, :-shift] & same[:, shift:]
        covered += shift
    if not same.any():
        return np.empty((0, 3), np.int64)
    return runs_from_mask(same) + np.array([0, 0, covered])
