"""Permutation test: the score that the pipeline reaches with permuted labels, which carry no information.

Subjects take each other's labels, so that a label that is the same throughout a subject stays so, and within a subject
they are shuffled over recordings (over windows, where one recording has several labels). A ridge regression with one
penalty replaces the probe: its closed form fits all permutations at once. Shape letters: N windows, U labelled units,
F features, J columns of labels, R permutations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.audit.context import AuditContext
from biosig.audit.result import Finding
from biosig.downstream.probe.fit import FeatureScaler
from biosig.evaluate.metrics import Floats, Kind

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class PermutationNull:
    """A score beside those of permuted labels.

    Parameters
    ----------
    true : float
        With the labels as they are.
    permuted : ndarray, shape (R,)
        With permuted ones.
    """

    true: float
    permuted: Floats

    @property
    def p(self) -> float:
        """The probability of this score or a better one under permuted labels."""
        return float((1 + (self.permuted >= self.true).sum()) / (1 + len(self.permuted)))


def permutation(context: AuditContext) -> Iterator[Finding]:
    """Check whether the score is beyond those of permuted labels, and these are at chance."""
    null = null_scores(context, context.vectors)
    low, high = (float(edge) for edge in np.percentile(null.permuted, (2.5, 97.5)))
    beyond = (
        f"{context.metric_title} is {null.true:.2f} with the true labels and {low:.2f} to {high:.2f} with permuted ones"
    )
    yield Finding(
        "permuted labels: p",
        null.p,
        "< 0.05",
        "ok" if null.p < 0.05 else "warn",
        f"{beyond} (p = {null.p:.3g}): " + ("it is no accident." if null.p < 0.05 else "it may well be an accident."),
    )
    mean, biased = float(null.permuted.mean()), low > context.chance
    yield Finding(
        "permuted labels: score",
        mean,
        f"{context.chance:.2f}" if context.chance else "≤ 0.00",
        "fail" if biased else "ok",
        f"With permuted labels {context.metric_title} is {mean:.2f} on average"
        + (": the task leaks its labels." if biased else ", so the task does not leak its labels."),
        low,
        high,
    )


def null_scores(context: AuditContext, features: NDArray[Any]) -> PermutationNull:
    """The score of features (N, F), and their scores with permuted labels."""
    y, unit, first = context.task.labelled.y, *_units(context)
    person = np.unique(context.task.people[first], return_inverse=True)[1]
    rng = np.random.default_rng(context.config.seed)
    orders = [np.arange(len(first)), *(permuted(person, rng) for _ in range(context.config.n_permutations))]
    scores = _scores(context, features, [y[first][order] for order in orders], unit)
    return PermutationNull(float(scores[0]), scores[1:][np.isfinite(scores[1:])])


def permuted(person: Rows, rng: np.random.Generator) -> Rows:
    """For each unit (U,) of a `person`, the unit that gives it its label: of another subject, in any order."""
    blocks = np.split(np.argsort(person, kind="stable"), np.cumsum(np.bincount(person))[:-1])
    taken = np.empty(len(person), np.int64)
    for block, donor in zip(blocks, rng.permutation(len(blocks)), strict=True):
        taken[block] = np.resize(rng.permutation(blocks[donor]), len(block))
    return taken


def _units(context: AuditContext) -> tuple[Rows, Rows]:
    """The labelled unit of each window (N,), and the first window of each unit: recordings, or else windows."""
    y, windows = context.task.labelled.y, context.task.labelled.windows
    _, first, unit = np.unique(windows.recording, return_index=True, return_inverse=True)
    if (y[first][unit] == y).all():
        return unit, first
    return np.arange(len(y)), np.arange(len(y))


def _scores(context: AuditContext, features: NDArray[Any], labels: list[NDArray[Any]], unit: Rows) -> Floats:
    """The score of each of `labels` (U, …), by ridge regressions that learn it from features (N, F) of other people."""
    columns = [regressands(y, context.kind)[unit] for y in labels]  # [N, J] each
    n_columns = columns[0].shape[1]
    predicted = np.full((len(unit), len(columns) * n_columns), np.nan)
    for fold in context.folds:
        predicted[fold.test] = _ridge(features[fold.train], np.hstack(columns)[fold.train], features[fold.test])
    tested = np.flatnonzero(np.isfinite(predicted[:, 0]))
    rows, place = np.unique(unit[tested], return_inverse=True)
    scores = []
    for number, y in enumerate(labels):
        own = predicted[tested][:, number * n_columns : (number + 1) * n_columns]
        sums = np.stack([np.bincount(place, column) for column in own.T], axis=1) / np.bincount(place)[:, None]
        prediction = sums if context.kind in ("classes", "multilabel") else sums[:, 0]
        scores.append(context.metric.resampled(y[rows], prediction, np.ones((1, len(rows))))[0])
    return np.array(scores)


def regressands(y: NDArray[Any], kind: Kind) -> Floats:
    """Regression targets (U, J): classes as 0 and 1, values, and for times the null model's residuals.

    The residuals are events less the cumulative hazard by Nelson and Aalen (martingale residuals; Therneau et al.,
    Biometrika 1990; 77:147): an early event gives the highest value.
    """
    if kind == "classes":
        return np.eye(int(y.max()) + 1)[y]
    if kind == "survival":
        time, event = y.T
        order = np.argsort(time, kind="stable")
        at_risk = len(time) - np.searchsorted(time[order], time[order], side="left")
        hazard = np.cumsum(event[order] / at_risk)
        last = np.searchsorted(time[order], time, side="right") - 1
        return (event - hazard[last])[:, None]
    return np.asarray(y, np.float64).reshape(len(y), -1)


def _ridge(X: NDArray[Any], Y: Floats, X_test: NDArray[Any]) -> Floats:
    """Predictions of every column, the penalty being the mean of the features' squared singular values."""
    prepare = FeatureScaler.fit(X, None)
    Z, Z_test = prepare(X), prepare(X_test)
    U, s, Vt = np.linalg.svd(Z, full_matrices=False)
    shrunk = s / (s**2 + np.mean(s**2) + 1e-12)
    mean = Y.mean(axis=0)
    return (Z_test @ Vt.T * shrunk) @ (U.T @ (Y - mean)) + mean
