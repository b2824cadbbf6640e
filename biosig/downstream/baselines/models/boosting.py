"""Gradient-boosted trees on hand-made features.

Histogram-based boosting as in LightGBM (Ke 2017), by scikit-learn; missing features go to the side of a split that fits
the training part best. The validation part stops the training. Shape letters: N rows, F features, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from biosig.errors import UsageError
from biosig.evaluate.metrics import Floats, Kind

MAX_TREES, PATIENCE = 300, 20
SETTINGS: dict[str, Any] = {
    "learning_rate": 0.05,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 10,
    "max_iter": MAX_TREES,
    "early_stopping": True,
    "n_iter_no_change": PATIENCE,
}


def boosted_predictions(
    train: tuple[Floats, NDArray[Any]],
    validation: tuple[Floats, NDArray[Any]],
    X_test: Floats,
    kind: Kind,
    seed: int,
) -> Floats:
    """Fit trees on the training part and predict the test part.

    Parameters
    ----------
    train, validation : tuple of ndarray
        Features (N, F) with NaN where one is missing, and labels as in
        `biosig.downstream.data.label_windows.LabelledWindows`.
    X_test : ndarray, shape (n, F)
        Features of the rows to predict.
    kind : {"classes", "multilabel", "number"}
        Kind of the labels; each of several labels has trees of its own.
    seed : int
        Seed for scikit-learn.

    Returns
    -------
    ndarray
        Probabilities (n, K), or values (n,).

    Raises
    ------
    UsageError
        For times to an event, which these trees cannot fit.
    """
    if kind == "survival":
        raise UsageError("Boosted trees cannot fit censored times: use a linear Cox model on the features.")
    if kind == "number":
        regressor = HistGradientBoostingRegressor(random_state=seed, **SETTINGS)
        X, X_validation, X_test = measured(train[0], validation[0], X_test)
        return regressor.fit(X, train[1], X_val=X_validation, y_val=validation[1]).predict(X_test)
    if kind == "classes":
        return _probabilities(train, validation, X_test, seed, "balanced")
    (X, y), (X_validation, y_validation) = train, validation
    columns = []
    for k in range(y.shape[1]):
        known, chooses = np.isfinite(y[:, k]), np.isfinite(y_validation[:, k])
        label_rows = (X[known], y[known, k] > 0), (X_validation[chooses], y_validation[chooses, k] > 0)
        columns.append(_probabilities(*label_rows, X_test, seed)[:, 1])
    return np.stack(columns, axis=1)


def _probabilities(
    train: tuple[Floats, NDArray[Any]],
    validation: tuple[Floats, NDArray[Any]],
    X_test: Floats,
    seed: int,
    class_weight: str | None = None,
) -> Floats:
    trees = HistGradientBoostingClassifier(random_state=seed, class_weight=class_weight, **SETTINGS)
    X, X_validation, X_test = measured(train[0], validation[0], X_test)
    return trees.fit(X, train[1], X_val=X_validation, y_val=validation[1]).predict_proba(X_test)


def measured(X_train: Floats, *others: Floats) -> list[Floats]:
    """Replace features that no training row has by zeros, since no bins can be made of them."""
    absent = ~np.isfinite(X_train).any(axis=0)
    return [np.where(absent, 0.0, X) for X in (X_train, *others)]
