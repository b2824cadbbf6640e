"""What a metric is: a score in two forms, the plain one, and one for thousands of weighted resamples at once.

The resampled form takes each row's multiplicity in each resample, so that a bootstrap needs no loop
(`biosig.evaluate.intervals`). `biosig.evaluate.catalogue` has every metric by name. Shape letters: N rows, K classes or
labels, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["classes", "multilabel", "number", "survival", "answers"]
"""What the truth of N rows is like: (N,) class numbers; (N, K) 0 or 1, NaN where it is not known; (N,) values; (N, 2)
time and event; (N, K) 0, 1 or NaN, of answers that are right, wrong or not to choose from."""

Resampled = Callable[[NDArray[Any], Floats, Floats], Floats]
"""(y, prediction, weights (R, N)) → (R,). The weights' rows lie side by side in memory: `weights.T` is in C order."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A score and its resampled form.

    Parameters
    ----------
    name : str
        As it stands in a result table.
    kind : {"classes", "multilabel", "number", "survival", "answers"}
        What it scores. `prediction` is (N, K) scores for "classes", "multilabel" and "answers", (N,) values for
        "number", (N,) risks for "survival".
    value : callable
        (y, prediction) → float.
    resampled : callable
        (y, prediction, weights (R, N)) → (R,); NaN where a resample lacks a class or has no variance.
    higher_is_better : bool
        False for errors.
    """

    name: str
    kind: Kind
    value: Callable[[NDArray[Any], Floats], float]
    resampled: Resampled
    higher_is_better: bool = True


def unweighted(resampled: Resampled, y: NDArray[Any], prediction: Floats) -> float:
    """The score of rows as they are, by the form for resamples."""
    return float(resampled(y, prediction, np.ones((1, len(y))))[0])
