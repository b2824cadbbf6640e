"""Heads that turn frozen features into predictions, each fitted along its path of settings.

A head has one setting (a penalty, a number of neighbours), and is fitted at several of them at once, the simplest
first, so that a tie goes to the simpler model. Shape letters: N rows to fit, n rows to predict, F features, K classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from biosig.downstream.probe.config import Head
from biosig.downstream.probe.cox import cox_regression
from biosig.evaluate.metrics import Floats, Kind

SETTINGS: dict[str, tuple[float, ...]] = {
    "logistic": (1e4, 1e3, 1e2, 1e1, 1e0),
    "ridge": tuple(10 ** (exponent / 2) for exponent in range(12, -1, -1)),
    "cox": (1e4, 1e3, 1e2, 1e1, 1e0),
    "knn": (50, 20, 10, 5, 1),
    "prototype": (1.0,),
}
"""Settings to choose from: L2 penalties, or numbers of neighbours; a prototype has no choice."""

DEFAULTS = {"logistic": 1e2, "ridge": 1e3, "cox": 1e2, "knn": 5, "prototype": 1.0}
"""Settings used, with a note, if the training part has too few subjects to choose."""


@dataclass(frozen=True)
class LinearHead:
    """Linear head: weights (F, K) or (F,), intercepts, and True in `probabilities` for a softmax of the sums."""

    weights: Floats
    intercept: Floats
    probabilities: bool

    def __call__(self, Z: Floats) -> Floats:
        """Probabilities (n, K), or values (n,)."""
        sums = Z @ self.weights + self.intercept
        return softmax(sums, axis=1) if self.probabilities else sums


@dataclass(frozen=True)
class KNN:
    """Nearest neighbours: fitted rows (N, F), the vote of each (N, K) or (N,), and the number of neighbours."""

    rows: Floats
    votes: Floats
    k: int

    def __call__(self, Z: Floats) -> Floats:
        """Probabilities (n, K) from the votes of the nearest rows (Euclidean), or their mean value (n,)."""
        nearest = NearestNeighbors(n_neighbors=self.k, algorithm="brute").fit(self.rows)
        votes = self.votes[nearest.kneighbors(Z, return_distance=False)].mean(axis=1)
        return votes / votes.sum(axis=1, keepdims=True) if votes.ndim == 2 else votes


Predictor = Callable[[Floats], Floats]


def fit_path(
    head: Head, Z: Floats, y: NDArray[Any], kind: Kind, settings: Sequence[float], n_classes: int = 0
) -> list[Predictor]:
    """Fit a head at several settings.

    Parameters
    ----------
    head : {"logistic", "ridge", "knn", "prototype", "cox"}
        Name of the head. Classes have equal weight whatever their size.
    Z : ndarray, shape (N, F)
        Standardised features.
    y : ndarray
        Class numbers (N,), values (N,), or time and event (N, 2).
    kind : {"classes", "number", "survival"}
        Kind of y; each of several labels is fitted by itself, as two classes.
    settings : sequence of float
        Penalties, the strongest first, or numbers of neighbours.
    n_classes : int
        K. A class without rows gets a probability of 0; rows of one class alone, or no rows, give equal
        probabilities.
    """
    if kind == "survival":
        n_events = max(y[:, 1].sum(), 1)
        zero = np.zeros(())
        return [LinearHead(cox_regression(Z, y[:, 0], y[:, 1], p / n_events), zero, False) for p in settings]
    if kind == "number":
        return _neighbours(Z, y, settings) if head == "knn" else _ridge(Z, y, np.ones(len(y)), settings, False)
    present, number = np.unique(y, return_inverse=True)
    if len(present) < 2:
        return [LinearHead(np.zeros((Z.shape[1], n_classes)), np.zeros(n_classes), True)] * len(settings)
    weight = len(y) / len(present) / np.bincount(number)  # of each class, so that all have equal weight
    member = np.eye(n_classes)[y]  # (N, K)
    if head == "knn":
        return _neighbours(Z, member * weight[number][:, None], settings)
    if head == "ridge":
        return _ridge(Z, 2 * member - 1, weight[number], settings, True)
    if head == "prototype":
        return [_prototypes(Z, member[:, present], present, n_classes)]
    return _logistic(Z, y, settings, present, n_classes)


def _logistic(
    Z: Floats, y: NDArray[Any], settings: Sequence[float], present: NDArray[Any], n_classes: int
) -> list[Predictor]:
    """Fit logistic regression at all penalties.

    With more features than rows the weights lie in the span of the rows, so the fit is over as many axes as there are
    rows (Hastie, Tibshirani & Friedman, The Elements of Statistical Learning (2009), section 18.3.5).
    """
    regression = LogisticRegression(class_weight="balanced", max_iter=2000, warm_start=True)
    wide = Z.shape[1] > len(Z)
    axes = np.linalg.svd(Z, full_matrices=False)[2].T if wide else np.empty(0)  # (F, N)
    rows = Z @ axes if wide else Z
    fits: list[Predictor] = []
    for penalty in settings:
        regression.set_params(C=1 / penalty).fit(rows, y)
        coefficients = regression.coef_ @ axes.T if wide else regression.coef_
        if len(present) == 2:  # for two classes scikit-learn has only the weights of the second
            weights = np.stack((np.zeros(Z.shape[1]), coefficients[0]), axis=1)
            intercept = np.array([0.0, regression.intercept_[0]])
        else:
            weights, intercept = coefficients.T.copy(), regression.intercept_.copy()
        fits.append(_of_present(weights, intercept, present, n_classes))
    return fits


def _of_present(weights: Floats, intercept: Floats, present: NDArray[Any], n_classes: int) -> LinearHead:
    """Extend weights of the present classes to all K."""
    full, constants = np.zeros((len(weights), n_classes)), np.full(n_classes, -np.inf)
    full[:, present], constants[present] = weights, intercept
    return LinearHead(full, constants, True)


def _ridge(
    Z: Floats, target: Floats, weight: Floats, settings: Sequence[float], probabilities: bool
) -> list[Predictor]:
    """Fit ridge regression at all penalties from one eigendecomposition, of the smaller of the two Gram matrices.

    Hastie, Tibshirani & Friedman, The Elements of Statistical Learning (2009), equations 3.47 and 18.13. Classes are
    targets of 1 and -1, whose softmax keeps their order and becomes probabilities when it is calibrated.
    """
    share = weight / weight.sum()
    centre, mean = share @ Z, share @ target
    root = np.sqrt(weight)[:, None]
    A, T = root * (Z - centre), root * (target - mean).reshape(len(Z), -1)  # (N, F), (N, K)
    wide = A.shape[1] > A.shape[0]
    values, axes = np.linalg.eigh(A @ A.T if wide else A.T @ A)
    values, projected = values.clip(min=0), axes.T @ (T if wide else A.T @ T)
    fits: list[Predictor] = []
    for penalty in settings:
        solved = axes @ (projected / (values + penalty)[:, None])
        weights = A.T @ solved if wide else solved  # (F, K)
        weights = weights if target.ndim == 2 else weights[:, 0]
        fits.append(LinearHead(weights, mean - centre @ weights, probabilities))
    return fits


def _prototypes(Z: Floats, member: Floats, present: NDArray[Any], n_classes: int) -> LinearHead:
    """The nearest class mean (Snell 2017, arXiv:1703.05175, section 2.4): linear, since |z|² is the same for all."""
    means = (member / member.sum(axis=0)).T @ Z  # (K, F)
    F = Z.shape[1]
    return _of_present(2 * means.T / F, -(means**2).sum(axis=1) / F, present, n_classes)


def _neighbours(Z: Floats, votes: Floats, settings: Sequence[float]) -> list[Predictor]:
    return [KNN(Z, votes, min(int(k), len(Z))) for k in settings]


def converged(fit: Callable[[], list[Predictor]]) -> tuple[list[Predictor], bool]:
    """The result of `fit`, and True if every logistic regression in it converged."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        fits = fit()
    return fits, not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
