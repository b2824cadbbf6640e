"""Linear models on frozen features, every part of them fitted on training subjects only.

Shape letters: N rows, F features, K classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biosig.errors import UsageError
from biosig.evaluate.metrics import METRICS, Floats
from biosig.evaluate.splits import Fold, check_disjoint, group_folds

PENALTIES = (1e4, 1e3, 1e2, 1e1, 1e0)
"""L2 penalties to choose from, the strongest first, so that a tie goes to the simpler model. C = 1 / penalty."""

DEFAULT_PENALTY = 1e2
"""Used, and said, where the training part has too few subjects to choose."""

INNER_FOLDS = 3


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Predictions of rows whose subject the model had not seen.

    Parameters
    ----------
    prediction : ndarray of float64
        Class probabilities (N, K), or values (N,).
    penalties : list of float
        The L2 penalty chosen in each fold.
    notes : list of str
        What a reader must know about the fit.
    """

    prediction: Floats
    penalties: list[float]
    notes: list[str]


def cross_validated_predictions(
    X: Floats, y: NDArray[Any], subjects: NDArray[Any], folds: list[Fold], n_classes: int = 0
) -> OutOfFold:
    """Fit logistic or ridge regression on each fold's training part and predict its test part.

    Missing features take the training median, features are standardised with the training mean and deviation, and the
    penalty is chosen by cross-validation inside the training subjects. Classes weigh equally whatever their size.

    Parameters
    ----------
    X : ndarray, shape (N, F)
        Features; NaN where one is missing.
    y : ndarray, shape (N,)
        Class numbers, or values.
    subjects : ndarray of str, shape (N,)
        Whose each row is.
    folds : list of Fold
        From `biosig.evaluate.splits.group_folds`.
    n_classes : int
        K; 0 = `y` holds values, for ridge regression.

    Raises
    ------
    DataError
        If a subject is on both sides of a fold.
    """
    check_disjoint(subjects, folds)
    prediction = np.full((len(y), n_classes) if n_classes else len(y), np.nan)
    penalties, notes = [], set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        for fold in folds:
            train = fold.train
            penalty, note = _choose_penalty(X[train], y[train], subjects[train], n_classes)
            notes.update(note)
            prediction[fold.test] = _fit_predict(X[train], y[train], X[fold.test], penalty, n_classes)
            penalties.append(penalty)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        notes.add("The logistic regression did not converge in every fit.")
    return OutOfFold(prediction, penalties, sorted(notes))


def chance_predictions(y: NDArray[Any], folds: list[Fold], n_classes: int = 0) -> OutOfFold:
    """What knows nothing: equal scores for all classes, or the mean of the training part."""
    prediction = np.full((len(y), n_classes) if n_classes else len(y), 1 / n_classes if n_classes else np.nan)
    if not n_classes:
        for fold in folds:
            prediction[fold.test] = y[fold.train].mean()
    return OutOfFold(prediction, [], [])


def _choose_penalty(X: Floats, y: NDArray[Any], subjects: NDArray[Any], n_classes: int) -> tuple[float, list[str]]:
    """The penalty whose inner out-of-fold predictions rank (AUROC) or explain (R²) best, and what to say about it."""
    try:
        inner = group_folds(subjects, INNER_FOLDS, seed=0, y=y if n_classes else None)
    except UsageError:
        return DEFAULT_PENALTY, [
            f"A training part has too few subjects to choose the penalty by inner folds: it is {DEFAULT_PENALTY:g}."
        ]
    score = METRICS["auroc" if n_classes else "r2"].value
    scores = []
    for penalty in PENALTIES:
        held_out = np.full((len(y), n_classes) if n_classes else len(y), np.nan)
        for fold in inner:
            held_out[fold.test] = _fit_predict(X[fold.train], y[fold.train], X[fold.test], penalty, n_classes)
        scores.append(score(y, held_out))
    return PENALTIES[int(np.argmax(scores))], []


def _fit_predict(X: Floats, y: NDArray[Any], X_test: Floats, penalty: float, n_classes: int) -> Floats:
    model = _pipeline(penalty, n_classes).fit(X, y)
    return model.predict_proba(X_test) if n_classes else model.predict(X_test)


def _pipeline(penalty: float, n_classes: int) -> Any:
    last: BaseEstimator = (
        LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=2000) if n_classes else Ridge(alpha=penalty)
    )
    # A feature that no training row has becomes a constant, so that every fold has the same columns.
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), last)
