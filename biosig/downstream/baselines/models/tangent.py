"""Covariance → tangent space → logistic regression, the strongest method for motor imagery without a network.

Covariances are points of a curved space; a linear classifier is fitted in its tangent space at the mean of the training
part (Barachant 2012, IEEE TBME 59(4), section III.C). There is one covariance per classical band of the EEG, side by
side (after the filter bank of Ang 2012, Front. Neurosci. 6:39), so that no task needs a band of its own. The package
pyriemann computes it.

Shape letters: n windows, C channels, T samples, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biosig.errors import UsageError
from biosig.evaluate.metrics import METRICS, ROLES, Floats
from biosig.signal import bandpass

BANDS = ((1.0, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 45.0))
"""Hz: delta, theta, alpha, beta, gamma; those above half the sampling rate are left out."""

PENALTIES = (1e4, 1e3, 1e2, 1e1, 1e0)
"""L2 penalties to choose from, the strongest first, so that a tie goes to the simpler model. C = 1 / penalty."""


def tangent_space_predictions(
    X_train: Floats,
    y_train: NDArray[np.int64],
    X_validation: Floats,
    y_validation: NDArray[np.int64],
    X_test: Floats,
    sfreq: float,
) -> Floats:
    """Class probabilities (n, K) of test windows.

    Parameters
    ----------
    X_train, X_validation, X_test : ndarray, shape (n, C, T)
        Windows; covariances are shrunk (Ledoit & Wolf 2004), so that they have full rank.
    y_train, y_validation : ndarray of int64, shape (n,)
        Classes. The training part fits the means and the regression, the validation part chooses the L2 penalty.
    sfreq : float
        Sampling rate in Hz.

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
    parts: tuple[list[Floats], list[Floats], list[Floats]] = ([], [], [])
    for low, high in BANDS:
        if high < sfreq / 2:
            flatten = make_pipeline(Covariances(estimator="lwf"), TangentSpace(metric="riemann"), StandardScaler())
            flatten.fit(bandpass(X_train, sfreq, low, high))
            for features, windows in zip(parts, (X_train, X_validation, X_test), strict=True):
                features.append(flatten.transform(bandpass(windows, sfreq, low, high)))
    train, validation, test = (np.concatenate(features, axis=1) for features in parts)  # (n, n_bands · C (C + 1) / 2)
    fits = [_regression(penalty).fit(train, y_train) for penalty in PENALTIES]
    metric = METRICS[ROLES["classes"].selects_epoch]
    scores = [metric.value(y_validation, fit.predict_proba(validation)) for fit in fits]
    return fits[int(np.argmax(scores))].predict_proba(test)


def _regression(penalty: float) -> Any:
    return LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=2000)
