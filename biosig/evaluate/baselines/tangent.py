"""Covariance → tangent space → logistic regression: what wins motor imagery without a network.

Covariances are points of a curved space; at the mean of the training part it is flattened, and a linear classifier is
fitted there (Barachant 2012, IEEE TBME 59(4), section III.C). By the package pyriemann.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biosig.errors import UsageError
from biosig.evaluate.metrics import Floats, balanced_accuracy

PENALTIES = (1e4, 1e3, 1e2, 1e1, 1e0)
"""L2 penalties to choose from, the strongest first, so that a tie goes to the simpler model. C = 1 / penalty."""


def tangent_space_predictions(
    X_train: Floats, y_train: NDArray[np.int64], X_validation: Floats, y_validation: NDArray[np.int64], X_test: Floats
) -> Floats:
    """Class probabilities (n, K) of test windows.

    Parameters
    ----------
    X_train, X_validation, X_test : ndarray, shape (n, C, T)
        Windows; covariances are shrunk (Ledoit & Wolf 2004), so that they have full rank.
    y_train, y_validation : ndarray of int64, shape (n,)
        Classes. The training part fits the mean and the regression, the validation part chooses the L2 penalty.

    Raises
    ------
    UsageError
        If pyriemann is not installed.
    """
    try:
        from pyriemann.estimation import Covariances
        from pyriemann.tangentspace import TangentSpace
    except ImportError as error:
        raise UsageError(
            "The tangent-space baseline needs the package pyriemann: pip install 'biosig-fm[riemann]', or leave "
            "'tangent' out of the baselines."
        ) from error
    flatten = make_pipeline(Covariances(estimator="lwf"), TangentSpace(metric="riemann"), StandardScaler())
    train = flatten.fit_transform(X_train)
    validation, test = flatten.transform(X_validation), flatten.transform(X_test)
    fits = [_regression(penalty).fit(train, y_train) for penalty in PENALTIES]
    scores = [balanced_accuracy(y_validation, fit.predict_proba(validation)) for fit in fits]
    return fits[int(np.argmax(scores))].predict_proba(test)


def _regression(penalty: float) -> Any:
    return LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=2000)
