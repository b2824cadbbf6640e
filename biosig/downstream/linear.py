"""Linear models on frozen features, every part of them fitted on training subjects only.

Shape letters: N rows, F features, K classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biosig.downstream.cox import cox_regression
from biosig.downstream.targets import strata
from biosig.errors import UsageError
from biosig.evaluate.catalogue import METRICS
from biosig.evaluate.metrics import Floats, Kind
from biosig.evaluate.splits import Fold, check_disjoint, group_folds

PENALTIES = (1e4, 1e3, 1e2, 1e1, 1e0)
"""L2 penalties to choose from, the strongest first, so that a tie goes to the simpler model. C = 1 / penalty."""

DEFAULT_PENALTY = 1e2
"""Used, and said, where the training part has too few subjects to choose."""

INNER_FOLDS = 3

_CHOOSE_BY: dict[Kind, str] = {"classes": "auroc", "number": "r2", "survival": "c_index"}


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
    if kind == "multilabel":
        return _each_label(X, y, subjects, folds)
    prediction = _empty(y, kind)
    penalties, notes = [], set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        for fold in folds:
            train = fold.train
            penalty, note = _choose_penalty(X[train], y[train], subjects[train], kind)
            notes.update(note)
            prediction[fold.test] = fit_predict(X[train], y[train], X[fold.test], penalty, kind)
            penalties.append(penalty)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        notes.add("The logistic regression did not converge in every fit.")
    return OutOfFold(prediction, penalties, sorted(notes))


def _each_label(X: Floats, y: Floats, subjects: NDArray[Any], folds: list[Fold]) -> OutOfFold:
    """One logistic regression per label, fitted where the label is known."""
    fitted = []
    for column in y.T:
        known = np.isfinite(column)
        within = [Fold(fold.train[known[fold.train]], fold.test) for fold in folds]
        truth = np.where(known, column, 0).astype(np.int64)  # of rows that are only predicted, never looked at
        fitted.append(cross_validated_predictions(X, truth, subjects, within, "classes"))
    return OutOfFold(
        np.stack([label.prediction[:, 1] for label in fitted], axis=1),
        [penalty for label in fitted for penalty in label.penalties],
        sorted({note for label in fitted for note in label.notes}),
    )


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


def _empty(y: NDArray[Any], kind: Kind) -> Floats:
    """Room for predictions (N, K) or (N,)."""
    if kind == "classes":
        return np.full((len(y), int(y.max()) + 1), np.nan)
    return np.full(y.shape if kind == "multilabel" else len(y), np.nan)


def _choose_penalty(X: Floats, y: NDArray[Any], subjects: NDArray[Any], kind: Kind) -> tuple[float, list[str]]:
    """The penalty whose inner out-of-fold predictions rank or explain best, and what to say about it."""
    try:
        inner = group_folds(subjects, INNER_FOLDS, seed=0, y=strata(y, kind))
    except UsageError:
        return DEFAULT_PENALTY, [
            f"A training part has too few subjects to choose the penalty by inner folds: it is {DEFAULT_PENALTY:g}."
        ]
    score = METRICS[_CHOOSE_BY[kind]].value
    scores = []
    for penalty in PENALTIES:
        held_out = _empty(y, kind)
        for fold in inner:
            held_out[fold.test] = fit_predict(X[fold.train], y[fold.train], X[fold.test], penalty, kind)
        scores.append(score(y, held_out))
    return PENALTIES[int(np.argmax(scores))], []


def fit_predict(X: Floats, y: NDArray[Any], X_test: Floats, penalty: float, kind: Kind) -> Floats:
    """Predictions (n, K) or (n,) of one model, for all kinds of truth but several labels."""
    prepare = _preparation()
    if kind == "survival":
        Z = prepare.fit_transform(X)
        weights = cox_regression(Z, y[:, 0], y[:, 1], penalty / max(y[:, 1].sum(), 1))
        return prepare.transform(X_test) @ weights
    if kind == "number":
        return make_pipeline(prepare, Ridge(alpha=penalty)).fit(X, y).predict(X_test)
    logistic = LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=2000)
    return make_pipeline(prepare, logistic).fit(X, y).predict_proba(X_test)


def _preparation() -> Any:
    # A feature that no training row has becomes a constant, so that every fold has the same columns.
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
