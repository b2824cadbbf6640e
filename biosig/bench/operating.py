"""Operating points: sensitivity at 95 % specificity.

Shape letters: N scored rows, K classes or labels, R resamples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.results.scores import MethodPredictions
from biosig.evaluate.intervals import BootstrapInterval, bootstrap_counts
from biosig.evaluate.metrics import Floats

SPECIFICITY = 0.95


def sensitivity(y: NDArray[Any], scores: Floats, weights: Floats | None = None) -> float:
    """Share of the positives above the threshold that `SPECIFICITY` of the negatives do not pass.

    Parameters
    ----------
    y : ndarray, shape (N,)
        1 or 0.
    scores : ndarray, shape (N,)
        Higher = more likely 1.
    weights : ndarray, shape (N,), optional
        Weight of each row.

    Returns
    -------
    float
        NaN where there are only positives, or only negatives.
    """
    weights = np.ones(len(y)) if weights is None else weights
    negative, positive = (y == 0) & (weights > 0), (y == 1) & (weights > 0)
    if not negative.any() or not positive.any():
        return float("nan")
    order = np.argsort(scores[negative], kind="stable")
    passed = np.cumsum(weights[negative][order]) / weights[negative].sum()
    threshold = scores[negative][order][np.searchsorted(passed, SPECIFICITY - 1e-12)]
    return float(np.average(scores[positive] > threshold, weights=weights[positive]))


def sensitivities(
    predictions: MethodPredictions, names: tuple[str, ...], n_resamples: int, seed: int
) -> dict[str, BootstrapInterval]:
    """`sensitivity` of each class or label, and their mean, with intervals over people.

    Parameters
    ----------
    predictions : MethodPredictions
        Predictions of classes or labels, of which the mean over draws is scored.
    names : tuple of str
        Names of the classes or labels; of two classes only the second is scored.
    n_resamples, seed : int
        Of the bootstrap.
    """
    values = predictions.values.mean(axis=-1)  # (N, K)
    labels = predictions.truth if predictions.truth.ndim == 2 else np.eye(values.shape[1])[predictions.truth]
    columns = [1] if predictions.truth.ndim == 1 and values.shape[1] == 2 else list(range(values.shape[1]))
    people, person = np.unique(predictions.subjects, return_inverse=True)
    drawn = bootstrap_counts(len(people), n_resamples, seed)
    found: dict[str, BootstrapInterval] = {}
    each = []
    for k in columns:
        known = np.isfinite(labels[:, k])
        y, scores, known_person = labels[known, k], values[known, k], person[known]
        resampled = np.array([sensitivity(y, scores, row[known_person].astype(float)) for row in drawn])
        each.append((sensitivity(y, scores), resampled))
        found[names[k]] = BootstrapInterval.of(each[-1][0], resampled, len(people))
    if len(columns) > 1:
        mean = float(np.mean([value for value, _ in each]))
        found["mean"] = BootstrapInterval.of(mean, np.mean([resampled for _, resampled in each], axis=0), len(people))
    return found
