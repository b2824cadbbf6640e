"""Areas under curves for thousands of resamples at once: sorted once, then summed by a sparse matrix.

The rows of a resample differ in weight, never in order. So the scores are sorted once, every row is put in the cell of
the positive scores that it lies between or is level with, and the weights of each cell are summed for all resamples in
one product. Ties are exact: rows of equal score count as one step. Shape letters: N rows, R resamples, m distinct
scores of positives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from biosig.evaluate.metrics import Floats


def binary_auroc(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    """AUROC of each resample: Mann–Whitney's statistic with weights.

    For each positive, the negatives below it and half of those level with it.

    Parameters
    ----------
    positive : ndarray of bool, shape (N,)
        Label of each row.
    score : ndarray, shape (N,)
        Higher means positive.
    weights : ndarray, shape (R, N)
        Count of each row in each resample.

    Returns
    -------
    ndarray, shape (R,)
        NaN where a resample lacks positives or negatives.
    """
    if 2 * positive.sum() > len(positive):
        positive, score = ~positive, -score  # the same area, and fewer cells
    level, below, up_to, n_negative = _steps(positive, score, weights)
    with np.errstate(invalid="ignore"):
        return (level * (below + up_to)).sum(axis=0) / 2 / (level.sum(axis=0) * n_negative)


def binary_auprc(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    """Average precision of each resample: the precision at each score of a positive, weighted by the positives there.

    Parameters
    ----------
    positive, score, weights
        As in `binary_auroc`.

    Returns
    -------
    ndarray, shape (R,)
        NaN where a resample lacks positives.
    """
    level, below, _, n_negative = _steps(positive, score, weights)
    right = level[::-1].cumsum(axis=0)[::-1]  # (m, R) positives with this score or a higher one
    n_positive = level.sum(axis=0)
    with np.errstate(invalid="ignore"):
        precision = np.where(level > 0, right / (right + n_negative - below), 0)
        return (level * precision).sum(axis=0) / n_positive


def _steps(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Weights at the distinct scores of positives, lowest first.

    Returns
    -------
    level, below, up_to : ndarray, shape (m, R)
        Positives with this score; negatives with a lower one; negatives with this or a lower one.
    n_negative : ndarray, shape (R,)
        All negatives.
    """
    levels, place = np.unique(score[positive], return_inverse=True)
    others = score[~positive]
    cell = np.searchsorted(levels, others, side="left") + np.searchsorted(levels, others, side="right")  # odd: a tie
    level = _summed(place, np.flatnonzero(positive), len(levels), weights)
    negatives = _summed(cell, np.flatnonzero(~positive), 2 * len(levels) + 1, weights).cumsum(axis=0)
    return level, negatives[0:-1:2], negatives[1::2], negatives[-1]


def _summed(cell: NDArray[np.int64], rows: NDArray[np.int64], n_cells: int, weights: Floats) -> Floats:
    """The weights of the rows in each cell, shape (n_cells, R)."""
    cells = csr_array((np.ones(len(rows)), (cell, rows)), shape=(n_cells, weights.shape[1]))
    return cells @ weights.T
