"""The default probe on frozen features, fold by fold; and predictions that know nothing.

Shape letters: N rows, F features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.fitting import Preparation, Recipe, fit_probe
from biosig.downstream.heads import DEFAULTS, fit_path, resolve_head
from biosig.evaluate.metrics import Floats, Kind
from biosig.evaluate.splits import Fold, check_disjoint

DEFAULT_PENALTY = DEFAULTS["cox"]
"""L2, where nothing is there to choose one by."""


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Predictions of rows whose subject the model had not seen.

    Parameters
    ----------
    prediction : ndarray of float64
        Probabilities (N, K), values (N,), or log hazards (N,).
    penalties : list of float
        The L2 penalty chosen in each fold, of several labels one after the other.
    notes : list of str
        What a reader must know about the fit.
    """

    prediction: Floats
    penalties: list[float]
    notes: list[str]


def cross_validated_predictions(
    X: Floats, y: NDArray[Any], subjects: NDArray[Any], folds: list[Fold], kind: Kind
) -> OutOfFold:
    """Fit logistic, ridge or Cox regression on each fold's training part and predict its test part.

    Missing features take the training median, features are standardised with the training mean and deviation, and the
    penalty is chosen by cross-validation inside the training subjects. Classes weigh equally whatever their size; of
    several labels each has a model of its own.

    Parameters
    ----------
    X : ndarray, shape (N, F)
        Features; NaN where one is missing.
    y : ndarray
        Truth, as in `biosig.downstream.targets.LabelledWindows`.
    subjects : ndarray of str, shape (N,)
        Whose each row is.
    folds : list of Fold
        From `biosig.evaluate.splits.group_folds`.
    kind : {"classes", "multilabel", "number", "survival"}
        What the truth is like.

    Raises
    ------
    DataError
        If a subject is on both sides of a fold.
    """
    check_disjoint(subjects, folds)
    recipe = Recipe(resolve_head(None, kind), kind, int(y.max()) + 1 if kind == "classes" else 0)
    prediction = _empty(y, kind)
    penalties: list[float] = []
    notes: set[str] = set()
    for fold in folds:
        fitted = fit_probe(X[None, fold.train], y[fold.train], subjects[fold.train], recipe)
        prediction[fold.test] = fitted(X[None, fold.test])
        penalties += fitted.settings
        notes.update(fitted.notes)
    return OutOfFold(prediction, penalties, sorted(notes))


def chance_predictions(y: NDArray[Any], folds: list[Fold], kind: Kind) -> OutOfFold:
    """What knows nothing, of each fold's training part (`uninformed`)."""
    prediction = _empty(y, kind)
    for fold in folds:
        prediction[fold.test] = uninformed(y[fold.train], len(fold.test), kind)
    return OutOfFold(prediction, [], [])


def uninformed(y_train: NDArray[Any], n_rows: int, kind: Kind) -> Floats:
    """Predictions without looking: equal scores for all classes, a half for labels, the mean, or one hazard for all."""
    if kind == "classes":
        n_classes = int(y_train.max()) + 1
        return np.full((n_rows, n_classes), 1 / n_classes)
    if kind == "multilabel":
        return np.full((n_rows, y_train.shape[1]), 0.5)
    return np.full(n_rows, y_train.mean() if kind == "number" else 0.0)


def fit_predict(X: Floats, y: NDArray[Any], X_test: Floats, penalty: float, kind: Kind) -> Floats:
    """Predictions (n, K) or (n,) of one model at one penalty, for all kinds of truth but several labels."""
    prepare = Preparation.fit(X, None)
    n_classes = int(y.max()) + 1 if kind == "classes" else 0
    (predictor,) = fit_path(resolve_head(None, kind), prepare(X), y, kind, (penalty,), n_classes)
    return predictor(prepare(X_test))


def _empty(y: NDArray[Any], kind: Kind) -> Floats:
    """Room for predictions (N, K) or (N,)."""
    if kind == "classes":
        return np.full((len(y), int(y.max()) + 1), np.nan)
    return np.full(y.shape if kind == "multilabel" else len(y), np.nan)
