"""Metrics: a score in two forms, the plain one and one for thousands of weighted resamples at once, and its registry.

The resampled form takes each row's multiplicity in each resample, so that a bootstrap needs no loop
(`biosig.evaluate.intervals`). To add a metric, put one file into this folder, or publish a package with an entry point
in the group ``biosig.metrics``. Shape letters: N rows, K classes or labels, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from biosig.registry import Registry

Floats = NDArray[np.float64]
Kind = Literal["classes", "multilabel", "number", "survival", "answers"]
"""Kind of the labels of N rows: (N,) class numbers; (N, K) 0 or 1, NaN where it is not known; (N,) values; (N, 2)
time and event; (N, K) 0, 1 or NaN, of answers that are right, wrong or not to choose from."""

Resampled = Callable[[NDArray[Any], Floats, Floats], Floats]
"""(y, prediction, weights (R, N)) → (R,). The weights' rows lie side by side in memory: `weights.T` is in C order."""

Reference = Callable[[NDArray[Any], Floats, Floats], float]
"""(y, prediction, weights (N,)) → the score of one resample."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A score and its resampled form.

    Parameters
    ----------
    name : str
        Its name in a result table.
    kind : {"classes", "multilabel", "number", "survival", "answers"}
        Kind of the labels. `prediction` is (N, K) scores for "classes", "multilabel" and "answers", (N,) values for
        "number", (N,) risks for "survival".
    value : callable
        (y, prediction) → float.
    resampled : callable
        (y, prediction, weights (R, N)) → (R,); NaN where a resample lacks a class or has no variance.
    higher_is_better : bool
        False for errors.
    title : str
        Its name in reports and pictures.
    bounds : tuple of float
        The least and the greatest value that it can have.
    chance : float, optional
        Its expected value for predictions that do not depend on the signal, where that is one number.
    rates_probabilities : bool
        True if it measures the calibration of probabilities.
    reference : callable, optional
        Another implementation, by a library or as the definition has it, that the resampled form is tested against;
        every registered metric has one.
    """

    name: str
    kind: Kind
    value: Callable[[NDArray[Any], Floats], float]
    resampled: Resampled
    higher_is_better: bool = True
    title: str = ""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    chance: float | None = None
    rates_probabilities: bool = False
    reference: Reference | None = None


METRICS = Registry[Metric]("metric", "biosig.metrics", __name__)
"""Every metric by name; those of one kind in the order in which tables show them."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The metrics of a kind of labels, by purpose.

    Parameters
    ----------
    leads : str
        The metric that a report begins with: the one that papers of the field state first.
    headline : tuple of str
        Metrics in pictures, and in tables of subgroups and of single labels, where all would be too many.
    selects_epoch : str
        The metric that chooses an epoch on the validation part. It scores decisions: a network with rising ranks that
        predicts one class for everything is not chosen.
    selects_probe : str
        The metric that chooses a probe's penalty and layer, and that an audit compares with chance. It scores ranks,
        which no threshold and no unit changes, and its chance is one known number.
    """

    leads: str
    headline: tuple[str, ...]
    selects_epoch: str
    selects_probe: str


ROLES: dict[Kind, Roles] = {
    "classes": Roles("auroc", ("balanced_accuracy", "auroc"), "balanced_accuracy", "auroc"),
    "multilabel": Roles("macro_auroc", ("macro_auroc", "macro_auprc"), "macro_auroc", "macro_auroc"),
    "number": Roles("mae", ("mae", "r2"), "r2", "r2"),
    "survival": Roles("c_index", ("c_index", "c_index_uno", "dynamic_auroc"), "c_index", "c_index"),
    "answers": Roles("exact_match", ("exact_match",), "exact_match", "exact_match"),
}
"""The leading and the selecting metrics of each kind of labels; no other place defines them."""


def metrics_for(kind: Kind) -> list[Metric]:
    """The metrics that score labels of this kind."""
    return [METRICS[name] for name in METRICS if METRICS[name].kind == kind]


def unweighted(resampled: Resampled, y: NDArray[Any], prediction: Floats) -> float:
    """The score of rows as they are, by the form for resamples."""
    return float(resampled(y, prediction, np.ones((1, len(y))))[0])
