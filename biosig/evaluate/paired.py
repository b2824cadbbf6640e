"""Whether one model is better than another: the difference of their scores on the same resampled subjects.

Two overlapping intervals say little about a difference, because both models err on the same difficult people. Drawn in
pairs, what is common to both cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.evaluate.intervals import Interval, replicates
from biosig.evaluate.metrics import Floats, Metric


def paired_difference(
    metric: Metric,
    y: NDArray[Any],
    prediction_a: Floats,
    prediction_b: Floats,
    subjects: Sequence[str] | NDArray[Any],
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """The score of a minus the score of b, with its percentile interval over resampled subjects.

    Parameters
    ----------
    metric : Metric
        From `biosig.evaluate.metrics`.
    y : ndarray, shape (N, ...)
        Truth of the metric's kind.
    prediction_a, prediction_b : ndarray, shape (N, ...)
        Of the two models, row by row of the same things.
    subjects : sequence of str, shape (N,)
        Whose each row is.
    n_resamples, seed : int
        Of `biosig.evaluate.intervals.replicates`.

    Raises
    ------
    UsageError
        If the lengths differ.
    DataError
        If a class has no row.
    """
    values = [metric.value(y, prediction) for prediction in (prediction_a, prediction_b)]
    a, b = (
        replicates([metric], y, prediction, subjects, n_resamples, seed)[metric.name]
        for prediction in (prediction_a, prediction_b)
    )
    return Interval.of(values[0] - values[1], a - b, len(np.unique(np.asarray(subjects, str))))
