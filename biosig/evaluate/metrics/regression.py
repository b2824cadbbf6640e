"""Scores of numbers: labels and predictions are (N,) float vectors.

Shape letters: N rows, R resamples.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.evaluate.metrics import METRICS, Floats, Metric, Reference, Resampled, _references, unweighted

_LEAST_VARIANCE = 1e-12  # of the whole; less is rounding


def mae(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    """Mean absolute error of each resample, (R,), in the unit of `y`; `weights` are (R, N)."""
    return weights @ np.abs(y - prediction) / weights.sum(axis=1)


def rmse(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    """Root mean square error of each resample, (R,), in the unit of `y`; `weights` are (R, N)."""
    return np.sqrt(weights @ (y - prediction) ** 2 / weights.sum(axis=1))


def r2(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    """Share of the variance that the prediction explains, (R,); NaN where a resample has no variance."""
    _, total, _ = _moments(y, y, weights)
    return 1 - weights @ (y - prediction) ** 2 / weights.sum(axis=1) / total


def pearson(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    """Correlation of labels and prediction, (R,): 0 for a prediction that does not vary, NaN for such labels."""
    covariance, var_y, var_prediction = _moments(y, prediction, weights)
    return np.where(np.isnan(var_prediction) & ~np.isnan(var_y), 0, covariance / np.sqrt(var_y * var_prediction))


def _moments(a: Floats, b: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Covariance of a and b, and their variances, (R,) each; a variance of zero is NaN."""
    n = weights.sum(axis=1)
    a, b = a - a.mean(), b - b.mean()
    mean_a, mean_b = weights @ a / n, weights @ b / n
    variances = []
    for x, mean in ((a, mean_a), (b, mean_b)):
        variance = weights @ x**2 / n - mean**2
        variances.append(np.where(variance > _LEAST_VARIANCE * (x**2).mean(), variance, np.nan))
    return weights @ (a * b) / n - mean_a * mean_b, variances[0], variances[1]


def _register(name: str, title: str, resampled: Resampled, reference: Reference, **properties: Any) -> None:
    value = partial(unweighted, resampled)
    METRICS.register(Metric(name, "number", value, resampled, title=title, reference=reference, **properties))


_sklearn, _error = _references.by_sklearn, {"higher_is_better": False, "bounds": (0.0, math.inf)}
_register("mae", "mean absolute error", mae, _sklearn("mean_absolute_error"), **_error)
_register("rmse", "root mean square error", rmse, _sklearn("root_mean_squared_error"), **_error)
_register("r2", "R²", r2, _sklearn("r2_score"), bounds=(-math.inf, 1.0), chance=0.0)
_register("pearson", "Pearson's r", pearson, _references.correlation, bounds=(-1.0, 1.0), chance=0.0)
