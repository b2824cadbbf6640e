"""Scores of predictions, each in two forms: the plain one, and one for thousands of weighted resamples at once.

A class problem is scored from integers `y` and one score column per class; a number problem from two float vectors;
see `biosig.evaluate.multilabel` and `biosig.evaluate.survival` for the other kinds. The resampled form takes each row's
multiplicity in each resample, so that a bootstrap needs no loop (`biosig.evaluate.intervals`). Shape letters: N rows, K
classes, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, r2_score, roc_auc_score

from biosig.errors import DataError

Floats = NDArray[np.float64]
Kind = Literal["classes", "multilabel", "number", "survival", "answers"]
"""What the truth of N rows is like: (N,) class numbers; (N, K) 0 or 1; (N,) values; (N, 2) time and event; (N, K) 0, 1
or NaN, of answers that are right, wrong or not to choose from."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A score and its resampled form.

    Parameters
    ----------
    name : str
        As it stands in a result table.
    kind : {"classes", "multilabel", "number", "survival", "answers"}
        What it scores. `prediction` is (N, K) scores for "classes", "multilabel" and "answers", (N,) values for
        "number", (N,) risks for "survival".
    value : callable
        (y, prediction) → float.
    resampled : callable
        (y, prediction, weights (R, N)) → (R,); NaN where a resample lacks a class or has no variance.
    """

    name: str
    kind: Kind
    value: Callable[[NDArray[Any], Floats], float]
    resampled: Callable[[NDArray[Any], Floats, Floats], Floats]


def balanced_accuracy(y: NDArray[Any], scores: Floats) -> float:
    """Mean recall over the classes, the class with the largest score taken as the prediction.

    Parameters
    ----------
    y : ndarray of int, shape (N,)
        Class of each row.
    scores : ndarray, shape (N, K)
        One column per class.

    Raises
    ------
    DataError
        If a class has no row.
    """
    _check_classes(y, scores)
    return float(balanced_accuracy_score(y, scores.argmax(1)))


def auroc(y: NDArray[Any], scores: Floats) -> float:
    """Area under the ROC curve; with three classes and more the macro mean of each class against the rest.

    Parameters
    ----------
    y : ndarray of int, shape (N,)
        Class of each row.
    scores : ndarray, shape (N, K)
        One column per class; of two columns the second is used.

    Raises
    ------
    DataError
        If a class has no row.
    """
    _check_classes(y, scores)
    return float(np.mean([roc_auc_score(y == k, scores[:, k]) for k in _scored_classes(scores)]))


def _check_classes(y: NDArray[Any], scores: Floats) -> None:
    absent = sorted(set(range(scores.shape[1])) - set(np.unique(y).tolist()))
    if absent:
        raise DataError(
            f"Class {absent[0]} of {scores.shape[1]} has no row among {len(y)}: such a score needs rows of every class."
        )


def _scored_classes(scores: Floats) -> list[int]:
    return [1] if scores.shape[1] == 2 else list(range(scores.shape[1]))


def _balanced_accuracy_resampled(y: NDArray[Any], scores: Floats, weights: Floats) -> Floats:
    correct = scores.argmax(1) == y
    with np.errstate(invalid="ignore"):
        recalls = [
            (weights @ (correct & (y == k)).astype(float)) / (weights @ (y == k).astype(float))
            for k in range(scores.shape[1])
        ]
    return np.mean(recalls, axis=0)


def _auroc_resampled(y: NDArray[Any], scores: Floats, weights: Floats) -> Floats:
    return np.mean([binary_auroc(y == k, scores[:, k], weights) for k in _scored_classes(scores)], axis=0)


def binary_auroc(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    """AUROC of each resample: Mann–Whitney's statistic with weights.

    For each positive, the negatives below it and half of those level with it.

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
        NaN where a resample lacks positives or negatives.
    """
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(score[negatives], kind="stable")]
    positives = np.flatnonzero(positive)
    below = np.searchsorted(score[negatives], score[positives], side="left")
    up_to = np.searchsorted(score[negatives], score[positives], side="right")
    cumulative = np.zeros((len(weights), len(negatives) + 1))
    np.cumsum(weights[:, negatives], axis=1, out=cumulative[:, 1:])  # [R, negatives + 1]
    of_positive = weights[:, positives]  # [R, positives]
    wins = np.einsum("rp,rp->r", of_positive, cumulative[:, below] + cumulative[:, up_to]) / 2
    with np.errstate(invalid="ignore"):
        return wins / (of_positive.sum(1) * cumulative[:, -1])


def _mae(y: NDArray[Any], prediction: Floats) -> float:
    return float(mean_absolute_error(y, prediction))


def _mae_resampled(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    return weights @ np.abs(y - prediction) / weights.sum(1)


def _r2(y: NDArray[Any], prediction: Floats) -> float:
    return float(r2_score(y, prediction))


def _r2_resampled(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    centred = y - y.mean()
    total = weights @ centred**2 - (weights @ centred) ** 2 / weights.sum(1)
    total = np.where(total > 1e-12 * (centred**2).sum(), total, np.nan)
    return 1 - weights @ (y - prediction) ** 2 / total


METRICS = (
    Metric("balanced_accuracy", "classes", balanced_accuracy, _balanced_accuracy_resampled),
    Metric("auroc", "classes", auroc, _auroc_resampled),
    Metric("mae", "number", _mae, _mae_resampled),
    Metric("r2", "number", _r2, _r2_resampled),
)
