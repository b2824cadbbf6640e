"""Prior predictions without the signal, and one linear model at one penalty.

Shape letters: n rows, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.probe.config import resolve_head
from biosig.downstream.probe.fit import FeatureScaler
from biosig.downstream.probe.heads import DEFAULTS, fit_path
from biosig.evaluate.metrics import Floats, Kind

DEFAULT_PENALTY = DEFAULTS["cox"]
"""L2 penalty, used if there are no rows to choose one on."""


def predict_prior(y_train: NDArray[Any], n_rows: int, kind: Kind) -> Floats:
    """Prior predictions: equal scores for all classes, 0.5 for labels, the mean, or one hazard for all."""
    if kind == "classes":
        n_classes = int(y_train.max()) + 1
        return np.full((n_rows, n_classes), 1 / n_classes)
    if kind == "multilabel":
        return np.full((n_rows, y_train.shape[1]), 0.5)
    return np.full(n_rows, y_train.mean() if kind == "number" else 0.0)


def fit_predict(X: Floats, y: NDArray[Any], X_test: Floats, penalty: float, kind: Kind) -> Floats:
    """Predictions (n, K) or (n,) of one model at one penalty, for all kinds of target but several labels."""
    prepare = FeatureScaler.fit(X, None)
    n_classes = int(y.max()) + 1 if kind == "classes" else 0
    (predictor,) = fit_path(resolve_head(None, kind), prepare(X), y, kind, (penalty,), n_classes)
    return predictor(prepare(X_test))
