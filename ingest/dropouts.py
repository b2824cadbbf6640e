"""Where a channel has numbers and no signal: it stands still, or rests at the end of its range.

A lead that is off shows as one or the other, as does an amplifier that is saturated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Stream
from biosig.signal import join_runs


def find_dropouts(
    stream: Stream, rows: Sequence[int], still: NDArray[np.int64], clipped: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Runs of equal samples that are too long to be a signal; a channel that never moves is one such run.

    Parameters
    ----------
    stream : Stream
        Read once, block by block, with a margin in which a run that crosses a joint is seen from both sides.
    rows : sequence of int
        The channels to look at.
    still : ndarray of int, shape (len(rows),)
        A run of at least so many equal samples is no signal; 0 = only where the whole channel is one.
    clipped : ndarray of int, shape (len(rows),)
        The same for runs at the channel's largest or smallest value; 0 = they are not looked for.

    Returns
    -------
    ndarray of int64, shape (n_runs, 3)
        Rows (channel, start, stop), the channel as in `stream`.
    """
    lowest, highest = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    at_least = np.where(clipped > 0, np.where(still > 0, np.minimum(still, clipped), clipped), still)
    margin = int(max(still.max(initial=0), clipped.max(initial=0)))
    length = stream.block_length()
    found: list[tuple[int, int, int, float]] = []  # (position in `rows`, start, stop, value)
    for start in range(0, stream.n_times, length):
        stop = min(start + length, stream.n_times)
        first = max(start - margin, 0)
        block = stream.slice(first, min(stop + margin, stream.n_times))
        valid = None if block.samples.dtype.kind == "i" and not len(block.invalid) else block.valid()
        for i, row in enumerate(rows):
            x = block.samples[row]
            values = x if valid is None else x[valid[row]]
            if values.size:
                lowest[i], highest[i] = min(lowest[i], values.min()), max(highest[i], values.max())
            if at_least[i]:
                found += [(i, first + a, first + b, float(x[a])) for a, b in _runs(x, int(at_least[i]))]
    dropouts = [(rows[i], 0, stream.n_times) for i in range(len(rows)) if lowest[i] >= highest[i]]
    for i, a, b, value in found:
        extreme = value in (lowest[i], highest[i])
        if (still[i] and b - a >= still[i]) or (clipped[i] and extreme and b - a >= clipped[i]):
            dropouts.append((rows[i], a, b))
    return join_runs(np.array(dropouts, np.int64).reshape(-1, 3))


def _runs(x: NDArray[Any], at_least: int) -> list[tuple[int, int]]:
    """Where `at_least` or more samples in a row are equal, as (start, stop).

    Such a run covers two neighbours of a grid of half its length, by which most channels are cleared at once.
    """
    grid = x[:: max(at_least // 2, 1)]
    if not (grid[1:] == grid[:-1]).any():
        return []
    edges = np.concatenate(([0], np.flatnonzero(x[1:] != x[:-1]) + 1, [len(x)]))
    long = np.flatnonzero(np.diff(edges) >= at_least)
    return list(zip(edges[long].tolist(), edges[long + 1].tolist(), strict=True))
