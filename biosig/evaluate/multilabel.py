"""Scores of several yes-or-no labels at once: the mean over labels, and each label by itself.

A label that is not known in a row is NaN there, and the row does not count for it. Shape letters: N rows, K labels, R
resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from biosig.errors import DataError
from biosig.evaluate.metrics import Floats, Metric, binary_auroc


def macro_auroc(y: Floats, scores: Floats) -> float:
    """Mean over labels of the area under the ROC curve.

    Parameters
    ----------
    y : ndarray, shape (N, K)
        0, 1, or NaN where a label is not known.
    scores : ndarray, shape (N, K)
        Higher means yes.

    Raises
    ------
    DataError
        If a label has no row with it, or none without.
    """
    return _macro(roc_auc_score, y, scores)


def macro_auprc(y: Floats, scores: Floats) -> float:
    """Mean over labels of the average precision; parameters and errors as of `macro_auroc`."""
    return _macro(average_precision_score, y, scores)


def _macro(score: Callable[..., float], y: Floats, scores: Floats) -> float:
    each = []
    for k in range(y.shape[1]):
        known = np.isfinite(y[:, k])
        positive = y[known, k] > 0
        if not 0 < positive.sum() < len(positive):
            raise DataError(
                f"{int(positive.sum())} of {len(positive)} rows have label {k} of {y.shape[1]}: a score needs rows "
                "with and without each label."
            )
        each.append(score(positive, scores[known, k]))
    return float(np.mean(each))


def binary_auprc(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    """Average precision of each resample, rows of equal score entering together.

    Parameters
    ----------
    positive : ndarray of bool, shape (N,)
        Truth.
    score : ndarray, shape (N,)
        Higher means positive.
    weights : ndarray, shape (R, N)
        How often each row is in each resample.

    Returns
    -------
    ndarray, shape (R,)
        NaN where a resample lacks positives.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # the last row of each distinct score
    drawn = weights[:, order]  # (R, N)
    n_all = np.cumsum(drawn, axis=1)[:, ends]
    n_positive = np.cumsum(drawn * positive[order], axis=1)[:, ends]
    gained = np.diff(n_positive, axis=1, prepend=0)
    with np.errstate(invalid="ignore"):
        precision = np.where(gained > 0, n_positive / np.maximum(n_all, 1), 0)
        return (gained * precision).sum(axis=1) / n_positive[:, -1]


def _resampled(score: Callable[..., Floats]) -> Callable[[NDArray[Any], Floats, Floats], Floats]:
    def resampled(y: NDArray[Any], scores: Floats, weights: Floats) -> Floats:
        each = []
        for k in range(y.shape[1]):
            known = np.isfinite(y[:, k])
            each.append(score(y[known, k] > 0, scores[known, k], weights[:, known]))
        return np.mean(each, axis=0)

    return resampled


METRICS = (
    Metric("macro_auroc", "multilabel", macro_auroc, _resampled(binary_auroc)),
    Metric("macro_auprc", "multilabel", macro_auprc, _resampled(binary_auprc)),
)
