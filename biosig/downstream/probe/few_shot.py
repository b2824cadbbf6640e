"""Few-shot curves: scores of the probe with few labels of the training part.

Shape letters: N rows of a training part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.downstream.data.columns import prediction_columns
from biosig.downstream.data.label_windows import has_class
from biosig.downstream.data.task import Task
from biosig.downstream.probe.config import Shots
from biosig.downstream.probe.fit import FittedProbe
from biosig.downstream.results.scores import rate
from biosig.evaluate.metrics import Floats, Kind
from biosig.evaluate.splits import Fold, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from biosig.downstream.results.scores import ScoringConfig

N_DRAWS = 5
"""Draws of the labels; the curve shows their mean and their spread."""


def drawn_rows(
    y: NDArray[Any], units: NDArray[Any], kind: Kind, shots: Shots, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the rows of a training part with a known label, sorted.

    Parameters
    ----------
    y : ndarray
        Labels of N rows, as in `LabelledWindows`.
    units : ndarray, shape (N,)
        Unit of the labels: recordings, or the windows themselves.
    kind : {"classes", "multilabel", "number", "survival"}
        Kind of the labels.
    shots : int or "all"
        Number of units of each class; of several labels, of units with each; of numbers and times, of units in all. If
        there are fewer, all of them.
    rng : numpy Generator
        Generator of the draw.
    """
    if shots == "all":
        return np.arange(len(y))
    n_classes = y.shape[1] if kind == "multilabel" else int(y.max()) + 1 if kind == "classes" else 0
    pools = [units[has_class(y, kind, number)] for number in range(n_classes)] or [units]
    names = [np.unique(pool) for pool in pools]
    chosen = np.concatenate([rng.choice(pool, min(shots, len(pool)), replace=False) for pool in names])
    return np.flatnonzero(np.isin(units, chosen))


def few_shot_table(
    task: Task,
    folds: Sequence[Fold],
    shots: Sequence[Shots],
    fit: Callable[[Rows], FittedProbe],
    predict: Callable[[FittedProbe, Rows], Floats],
    config: ScoringConfig,
) -> pd.DataFrame:
    """Scores by number of labels.

    Parameters
    ----------
    task : Task
        All windows and their labels.
    folds : sequence of Fold
        Rows to draw from, and rows to test.
    shots : sequence of int or "all"
        Numbers of labels.
    fit : callable
        Training rows → a probe.
    predict : callable
        A probe and rows → predictions.
    config : ProbeConfig
        Target, bootstrap and seed.

    Returns
    -------
    DataFrame
        shots, metric, value, low, high (over subjects, of the mean over draws), n_draws, sd_draws.
    """
    tables = []
    for number in shots:
        runs = pd.concat(_runs(task, folds, number, fit, predict, config), ignore_index=True)
        table, _ = rate(runs, config)
        table = table.rename(columns={"n_seeds": "n_draws", "sd_seeds": "sd_draws"})
        tables.append(table.assign(shots=str(number)))
    columns = ["shots", "metric", "value", "low", "high", "n_draws", "sd_draws"]
    return pd.concat(tables, ignore_index=True)[columns]


def _runs(
    task: Task,
    folds: Sequence[Fold],
    shots: Shots,
    fit: Callable[[Rows], FittedProbe],
    predict: Callable[[FittedProbe, Rows], Floats],
    config: ScoringConfig,
) -> Iterator[pd.DataFrame]:
    target, y, rows = config.target, task.labelled.y, task.rows()
    units = task.labelled.windows.recording if target.unit == "recording" else np.arange(len(y))
    for draw in range(1 if shots == "all" else N_DRAWS):
        for number, fold in enumerate(folds):
            rng = np.random.default_rng([config.seed, number, draw])
            known = fold.train[drawn_rows(y[fold.train], units[fold.train], target.kind, shots, rng)]
            columns = prediction_columns(predict(fit(known), fold.test), target)
            yield rows.iloc[fold.test].assign(method="model", seed=draw, **columns)
