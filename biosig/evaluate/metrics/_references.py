"""References that metrics are tested against: scikit-learn's functions, and definitions as plain loops.

Each takes labels, prediction and the weight of each row, (N,), and gives the score of that one resample. Shape letters:
N rows, K classes or labels.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.evaluate.metrics import Floats, Reference
from biosig.evaluate.probabilities import equal_mass_bins


def by_sklearn(name: str, **options: Any) -> Reference:
    """The function of that name in `sklearn.metrics`, on the rows with a weight."""

    def reference(y: NDArray[Any], prediction: Floats, weights: Floats) -> float:
        drawn = weights > 0
        score = getattr(importlib.import_module("sklearn.metrics"), name)
        return float(score(y[drawn], prediction[drawn], sample_weight=weights[drawn], **options))

    return reference


def of_decisions(score: Reference) -> Reference:
    """A score of the class with the largest probability."""
    return lambda y, scores, weights: score(y, scores.argmax(axis=1), weights)


def of_answers(score: Reference) -> Reference:
    """A score of yes above 0.5."""
    return lambda y, scores, weights: score(y, (scores > 0.5).astype(np.float64), weights)


def over_classes(score: Reference) -> Reference:
    """The mean of the scores of each class against the rest; of two classes the score of the second."""

    def reference(y: NDArray[Any], scores: Floats, weights: Floats) -> float:
        columns = [1] if scores.shape[1] == 2 else range(scores.shape[1])
        return float(np.mean([score(y == k, scores[:, k], weights) for k in columns]))

    return reference


def over_labels(score: Reference) -> Reference:
    """The mean of the scores of each label, on the rows in which it is known."""

    def reference(y: NDArray[Any], scores: Floats, weights: Floats) -> float:
        known = np.isfinite(y)
        each = [score(y[rows, k], scores[rows, k], weights[rows]) for k, rows in enumerate(known.T)]
        return float(np.mean(each))

    return reference


def brier(y: NDArray[Any], scores: Floats, weights: Floats) -> float:
    """Squared distance to the labels, summed over the classes; of two classes that of the second."""
    if scores.shape[1] == 2:
        return by_sklearn("brier_score_loss")(y, scores[:, 1], weights)
    one_hot = np.eye(scores.shape[1])[y]
    return float(np.average(((scores - one_hot) ** 2).sum(axis=1), weights=weights))


def calibration_error(y: NDArray[Any], score: Floats, weights: Floats) -> float:
    """Distance of mean probability and frequency, averaged over bins of the data as they are."""
    bins, error = equal_mass_bins(score), 0.0
    for b in np.unique(bins):
        rows = bins == b
        if share := weights[rows].sum() / weights.sum():
            error += share * abs(
                np.average(y[rows], weights=weights[rows]) - np.average(score[rows], weights=weights[rows])
            )
    return float(error)


def challenge_counts(beta: float, form: str) -> Reference:
    """F-beta or G-beta of the PhysioNet/CinC Challenge 2020, as a loop over labels and recordings."""

    def reference(y: Floats, scores: Floats, weights: Floats) -> float:
        each = []
        for k in range(y.shape[1]):
            right = false = missed = 0.0
            for row, given, weight in zip(y, scores[:, k] > 0.5, weights, strict=True):
                share = weight / max(np.nansum(row), 1)
                right += share * (row[k] == 1 and given)
                false += share * (row[k] == 0 and given)
                missed += share * (row[k] == 1 and not given)
            if form == "f":
                each.append((1 + beta**2) * right / ((1 + beta**2) * right + false + beta**2 * missed))
            else:
                each.append(right / (right + false + beta * missed))
        return float(np.mean(each))

    return reference


def correlation(y: Floats, prediction: Floats, weights: Floats) -> float:
    """Pearson's correlation from NumPy's weighted covariance."""
    covariance = np.cov(y, prediction, aweights=weights)
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def concordance(power: int) -> Reference:
    """Share of pairs whose risks are in order, each divided by the chance of being observed to the power `power`."""

    def reference(y: Floats, risk: Floats, weights: Floats) -> float:
        right = pairs = 0.0
        for i in np.flatnonzero((y[:, 1] > 0) & (weights > 0)):
            after = (y[:, 0] > y[i, 0]) | ((y[:, 0] == y[i, 0]) & (y[:, 1] == 0))
            in_order = (risk[i] > risk[after]) + 0.5 * (risk[i] == risk[after])
            share = weights[i] / (_observed(y, weights, y[i, 0]) ** power if power else 1.0)
            pairs += share * weights[after].sum()
            right += share * (weights[after] * in_order).sum()
        return right / pairs

    return reference


def dynamic_auroc(y: Floats, risk: Floats, weights: Floats) -> float:
    """AUROC of events by a horizon against times beyond it, at the quartiles of the data's event times."""
    each = []
    for horizon in np.percentile(y[y[:, 1] > 0, 0], (25, 50, 75)):
        had = np.flatnonzero((y[:, 1] > 0) & (y[:, 0] <= horizon) & (weights > 0))
        beyond = np.flatnonzero((y[:, 0] > horizon) & (weights > 0))
        inverse = np.array([1 / _observed(y, weights, time) for time in y[had, 0]])
        case = np.concatenate((np.ones(len(had)), np.zeros(len(beyond))))
        row_weights = np.concatenate((weights[had] * inverse, weights[beyond]))
        each.append(by_sklearn("roc_auc_score")(case, risk[np.concatenate((had, beyond))], row_weights))
    return float(np.mean(each))


def _observed(y: Floats, weights: Floats, time: float) -> float:
    """Kaplan and Meier's chance of not being lost before a time: an event at the time of a loss comes first."""
    chance = 1.0
    for loss in np.unique(y[(y[:, 1] == 0) & (y[:, 0] < time), 0]):
        lost = weights[(y[:, 0] == loss) & (y[:, 1] == 0)].sum()
        at_risk = weights[y[:, 0] > loss].sum() + lost
        chance *= 1 - lost / at_risk if at_risk else 1.0
    return chance


def exact_match(y: Floats, scores: Floats, weights: Floats) -> float:
    """Share of questions answered with all that is right and nothing else, as a loop over questions."""
    right = []
    for labels, probabilities in zip(y, scores, strict=True):
        open_to = np.flatnonzero(np.isfinite(labels))
        given = {k for k in open_to if probabilities[k] > 0.5} or {max(open_to, key=lambda k: probabilities[k])}
        right.append(given == {k for k in open_to if labels[k] == 1})
    return float(np.average(right, weights=weights))
