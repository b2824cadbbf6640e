"""Scores of one class out of several: from integers `y` and one score column per class.

Shape letters: N rows, K classes, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.evaluate.metrics import METRICS, Floats, Metric, Reference, Resampled, _references, unweighted
from biosig.evaluate.probabilities import binary_brier, binary_ece
from biosig.evaluate.roc import binary_auprc, binary_auroc


def balanced_accuracy(y: NDArray[Any], scores: Floats, weights: Floats) -> Floats:
    """Mean recall over the classes, the class with the largest score taken as the prediction.

    Parameters
    ----------
    y : ndarray of int, shape (N,)
        Class of each row.
    scores : ndarray, shape (N, K)
        One column per class.
    weights : ndarray, shape (R, N)
        Count of each row in each resample.

    Returns
    -------
    ndarray, shape (R,)
        NaN where a resample lacks a class.
    """
    right, actual, _ = _counts(y, scores, weights)
    with np.errstate(invalid="ignore"):
        return np.mean(right / actual, axis=1)


def f1(y: NDArray[Any], scores: Floats, weights: Floats) -> Floats:
    """Mean over all classes (both of two) of the harmonic mean of recall and precision; see `balanced_accuracy`."""
    right, actual, given = _counts(y, scores, weights)
    with np.errstate(invalid="ignore"):
        return np.mean(np.where(actual > 0, 2 * right / (actual + given), np.nan), axis=1)


def kappa(y: NDArray[Any], scores: Floats, weights: Floats) -> Floats:
    """Agreement beyond chance (Cohen, Educational and Psychological Measurement 1960; 20:37).

    Parameters and returns as of `balanced_accuracy`, but NaN where a resample has rows of one class only.
    """
    right, actual, given = _counts(y, scores, weights)
    n = weights.sum(axis=1)
    by_chance = (actual * given).sum(axis=1) / n**2
    several_classes = (actual > 0).sum(axis=1) > 1
    return np.divide(
        right.sum(axis=1) / n - by_chance, 1 - by_chance, out=np.full(len(n), np.nan), where=several_classes
    )


def brier(y: NDArray[Any], scores: Floats, weights: Floats) -> Floats:
    """Mean squared distance of probabilities to labels: of two classes that of the second, else the sum over all.

    Parameters as of `balanced_accuracy`.
    """
    return np.sum([binary_brier(y == k, scores[:, k], weights) for k in _scored(scores)], axis=0)


def _counts(y: NDArray[Any], scores: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Numbers of rows that have a class and are given it, that have it, and that are given it, (R, K) each."""
    classes = np.arange(scores.shape[1])
    actual, given = y[:, None] == classes, scores.argmax(axis=1)[:, None] == classes  # (N, K)
    return weights @ (actual & given).astype(float), weights @ actual.astype(float), weights @ given.astype(float)


def _scored(scores: Floats) -> list[int]:
    return [1] if scores.shape[1] == 2 else list(range(scores.shape[1]))


def _one_against_rest(score: Callable[[NDArray[np.bool_], Floats, Floats], Floats]) -> Resampled:
    """The mean of a score of each class against the rest; of two classes that of the second."""

    def resampled(y: NDArray[Any], scores: Floats, weights: Floats) -> Floats:
        return np.mean([score(y == k, scores[:, k], weights) for k in _scored(scores)], axis=0)

    return resampled


def _value(resampled: Resampled) -> Callable[[NDArray[Any], Floats], float]:
    def value(y: NDArray[Any], scores: Floats) -> float:
        absent = sorted(set(range(scores.shape[1])) - set(np.unique(y).tolist()))
        if absent:
            raise DataError(
                f"Class {absent[0]} of {scores.shape[1]} has no row among {len(y)}: a score needs rows of every class."
            )
        return unweighted(resampled, y, scores)

    return value


def _register(name: str, title: str, resampled: Resampled, reference: Reference, **properties: Any) -> None:
    metric = Metric(name, "classes", _value(resampled), resampled, title=title, reference=reference, **properties)
    METRICS.register(metric)


_sklearn, _decided, _over_classes = _references.by_sklearn, _references.of_decisions, _references.over_classes
_register(
    "balanced_accuracy",
    "balanced accuracy",
    balanced_accuracy,
    _decided(_sklearn("balanced_accuracy_score")),
    bounds=(0.0, 1.0),
)
_register(
    "auroc",
    "AUROC",
    _one_against_rest(binary_auroc),
    _over_classes(_sklearn("roc_auc_score")),
    bounds=(0.0, 1.0),
    chance=0.5,
)
_register(
    "auprc",
    "AUPRC",
    _one_against_rest(binary_auprc),
    _over_classes(_sklearn("average_precision_score")),
    bounds=(0.0, 1.0),
)
_register("f1", "macro F1", f1, _decided(_sklearn("f1_score", average="macro")), bounds=(0.0, 1.0))
_register("kappa", "Cohen's kappa", kappa, _decided(_sklearn("cohen_kappa_score")), bounds=(-1.0, 1.0), chance=0.0)
_register(
    "brier",
    "Brier score",
    brier,
    _references.brier,
    higher_is_better=False,
    bounds=(0.0, 2.0),
    rates_probabilities=True,
)
_register(
    "ece",
    "calibration error (ECE)",
    _one_against_rest(binary_ece),
    _over_classes(_references.calibration_error),
    higher_is_better=False,
    bounds=(0.0, 1.0),
    rates_probabilities=True,
)
