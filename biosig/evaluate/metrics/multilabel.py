"""Scores of several yes-or-no labels at once: the mean over labels.

A label that is not known in a row is NaN there, and the row does not count for it. Where a score needs an answer, it is
yes above 0.5, so calibrate first (`biosig.evaluate.calibration`). Shape letters: N rows, K labels, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.evaluate.metrics import METRICS, Floats, Metric, Reference, Resampled, _references, unweighted
from biosig.evaluate.probabilities import binary_brier, binary_ece
from biosig.evaluate.roc import binary_auprc, binary_auroc

BETA = 2.0
"""Weight of a missed diagnosis relative to a false one."""


def binary_f1(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    """Harmonic mean of recall and precision of yes above 0.5; parameters and returns as of `binary_auroc`."""
    given = (score > 0.5).astype(float)
    right, actual = weights @ (given * positive), weights @ positive.astype(float)
    with np.errstate(invalid="ignore"):
        return np.where(actual > 0, 2 * right / (actual + weights @ given), np.nan)


def f_beta(y: Floats, scores: Floats, weights: Floats) -> Floats:
    """Mean over labels of F₂, a row counting for each label by one over the number of labels that it has.

    As in the PhysioNet/CinC Challenge 2020 and for PTB-XL (Strodthoff et al., IEEE JBHI 2021; 25:1519, section III.A).

    Parameters
    ----------
    y : ndarray, shape (N, K)
        0, 1, or NaN where a label is not known.
    scores : ndarray, shape (N, K)
        Probabilities.
    weights : ndarray, shape (R, N)
        Count of each row in each resample.

    Returns
    -------
    ndarray, shape (R,)
        NaN where a label is in no row of a resample.
    """
    right, false, missed = _shared_counts(y, scores, weights)
    with np.errstate(invalid="ignore"):
        each = (1 + BETA**2) * right / ((1 + BETA**2) * right + false + BETA**2 * missed)
        return np.where(right + missed > 0, each, np.nan).mean(axis=1)


def g_beta(y: Floats, scores: Floats, weights: Floats) -> Floats:
    """Mean over labels of G₂, the share of right answers among right, false and doubly counted missed; as `f_beta`."""
    right, false, missed = _shared_counts(y, scores, weights)
    with np.errstate(invalid="ignore"):
        return np.where(right + missed > 0, right / (right + false + BETA * missed), np.nan).mean(axis=1)


def _shared_counts(y: Floats, scores: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Right, false and missed yeses of each label, (R, K) each."""
    yes, no, given = y == 1, y == 0, scores > 0.5
    share = 1 / np.maximum(yes.sum(axis=1, keepdims=True), 1)  # (N, 1)
    return weights @ (share * (yes & given)), weights @ (share * (no & given)), weights @ (share * (yes & ~given))


def _mean_over_labels(score: Callable[[NDArray[np.bool_], Floats, Floats], Floats]) -> Resampled:
    def resampled(y: Floats, scores: Floats, weights: Floats) -> Floats:
        each = []
        for k in range(y.shape[1]):
            known = np.isfinite(y[:, k])
            known_weights = weights if known.all() else weights.T[known].T
            each.append(score(y[known, k] > 0, scores[known, k], known_weights))
        return np.mean(each, axis=0)

    return resampled


def _value(resampled: Resampled, y: NDArray[Any], scores: Floats) -> float:
    n_known, n_yes = np.isfinite(y).sum(axis=0), (y > 0).sum(axis=0)
    for k in np.flatnonzero((n_yes == 0) | (n_yes == n_known)):
        raise DataError(
            f"{n_yes[k]} of {n_known[k]} rows have label {k} of {y.shape[1]}: a score needs rows with and without "
            "each label."
        )
    return unweighted(resampled, y, scores)


def _register(name: str, title: str, resampled: Resampled, reference: Reference, **properties: Any) -> None:
    value = partial(_value, resampled)
    METRICS.register(Metric(name, "multilabel", value, resampled, title=title, reference=reference, **properties))


_sklearn, _over_labels = _references.by_sklearn, _references.over_labels
_register(
    "macro_auroc",
    "macro AUROC",
    _mean_over_labels(binary_auroc),
    _over_labels(_sklearn("roc_auc_score")),
    bounds=(0.0, 1.0),
    chance=0.5,
)
_register(
    "macro_auprc",
    "macro AUPRC",
    _mean_over_labels(binary_auprc),
    _over_labels(_sklearn("average_precision_score")),
    bounds=(0.0, 1.0),
)
_register(
    "macro_f1",
    "macro F1",
    _mean_over_labels(binary_f1),
    _over_labels(_references.of_answers(_sklearn("f1_score"))),
    bounds=(0.0, 1.0),
)
_register("macro_f2", "F2 (CinC 2020)", f_beta, _references.challenge_counts(BETA, "f"), bounds=(0.0, 1.0))
_register("macro_g2", "G2 (CinC 2020)", g_beta, _references.challenge_counts(BETA, "g"), bounds=(0.0, 1.0))
_register(
    "macro_brier",
    "macro Brier score",
    _mean_over_labels(binary_brier),
    _over_labels(_sklearn("brier_score_loss")),
    higher_is_better=False,
    bounds=(0.0, 1.0),
    rates_probabilities=True,
)
_register(
    "macro_ece",
    "macro calibration error (ECE)",
    _mean_over_labels(binary_ece),
    _over_labels(_references.calibration_error),
    higher_is_better=False,
    bounds=(0.0, 1.0),
    rates_probabilities=True,
)
