"""Extremely randomised trees on hand-made features, with a tenth of the features at each split.

Geurts, Ernst & Wehenkel, Machine Learning 2006; 63:3, by scikit-learn. They need no validation part to stop on, so they
are fitted to the training and validation people. Shape letters: N rows, F features, K classes or labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.impute import SimpleImputer

from biosig.evaluate.metrics import Floats, Kind

SETTINGS: dict[str, Any] = {"n_estimators": 300, "max_features": 0.1, "min_samples_leaf": 2}
"""On PTB-XL's strat_fold 1 to 4 a tenth of the features at a split was at least as good as their square root."""


def fit_forest(X: Floats, y: NDArray[Any], kind: Kind, n_classes: int, seed: int) -> Callable[[Floats], Floats]:
    """Fit trees, and return their prediction function.

    Parameters
    ----------
    X : ndarray, shape (N, F)
        Features, NaN where one is missing: it gets the median of the others.
    y : ndarray
        Class numbers (N,), labels (N, K) with NaN for unknown ones, or values (N,).
    kind : {"classes", "multilabel", "number"}
        Kind of y. Classes have equal weight whatever their size; each of several labels has trees of its own.
    n_classes : int
        Number of classes; not used for other kinds.
    seed : int
        Seed for scikit-learn.

    Returns
    -------
    callable
        Features (n, F) → probabilities (n, K), or values (n,).
    """
    filled = SimpleImputer(strategy="median", keep_empty_features=True).fit(X)
    Z = filled.transform(X)
    if kind == "number":
        regressor = ExtraTreesRegressor(random_state=seed, **SETTINGS).fit(Z, y)
        return lambda X_test: regressor.predict(filled.transform(X_test))
    columns = [y] if kind == "classes" else [np.where(np.isfinite(column), column, -1) for column in y.T]
    fitted = [_classifier(Z[column >= 0], column[column >= 0].astype(np.int64), seed) for column in columns]

    def predict(X_test: Floats) -> Floats:
        found = [_of_all(trees, filled.transform(X_test), n_classes if kind == "classes" else 2) for trees in fitted]
        return found[0] if kind == "classes" else np.stack([each[:, 1] for each in found], axis=1)

    return predict


def _classifier(Z: Floats, y: NDArray[np.int64], seed: int) -> ExtraTreesClassifier | None:
    """Fit the trees of one label; None if no row has a label."""
    if not len(y):
        return None
    return ExtraTreesClassifier(random_state=seed, class_weight="balanced", **SETTINGS).fit(Z, y)


def _of_all(trees: ExtraTreesClassifier | None, Z: Floats, n_classes: int) -> Floats:
    """Probabilities (n, n_classes), 0 for a class that no row had; equal ones without trees."""
    if trees is None:
        return np.full((len(Z), n_classes), 1 / n_classes)
    out = np.zeros((len(Z), n_classes))
    out[:, trees.classes_] = trees.predict_proba(Z)
    return out
