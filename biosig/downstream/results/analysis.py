"""Secondary analyses of a saved result: cohort, paired differences, subgroups, calibration.

Shape letters: N scored rows, K classes or labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.downstream.data.cohort import cohort_table, groups
from biosig.downstream.data.columns import scored
from biosig.downstream.results.result_folder import SavedResult
from biosig.downstream.results.scores import differences, rate
from biosig.downstream.results.subgroups import subgroup_table
from biosig.errors import DataError
from biosig.evaluate.agreement import Z, limits_of_agreement
from biosig.evaluate.calibration import reliability, risk_coverage
from biosig.evaluate.metrics import Floats

_TOLERANCE = 1e-9  # of scores computed again on another machine


@dataclass(frozen=True)
class ResultAnalysis:
    """Tables behind a report; tables that do not suit the target, or lack a saved file, are None.

    Parameters
    ----------
    cohort : DataFrame
        People and windows of each class (`biosig.downstream.data.cohort.cohort_table`).
    differences : DataFrame
        Model minus each other method, in pairs (`biosig.downstream.results.scores.differences`).
    subgroups : DataFrame, optional
        The model's scores by sex, age, site, leads and signal quality.
    reliability, risk : DataFrame, optional
        Tables of probabilities (`biosig.evaluate.calibration`).
    confusion : DataFrame, optional
        True classes as rows, predicted ones as columns.
    agreement : tuple, optional
        For numbers: labels (N,), predictions (N,), and bias with limits of agreement.
    """

    cohort: pd.DataFrame
    differences: pd.DataFrame
    subgroups: pd.DataFrame | None
    reliability: pd.DataFrame | None = None
    risk: pd.DataFrame | None = None
    confusion: pd.DataFrame | None = None
    agreement: tuple[Floats, Floats, tuple[float, float, float]] | None = None


def analyse(run: SavedResult) -> ResultAnalysis:
    """Compute the tables that a report shows beside the scores."""
    target, recordings = run.target, run.recordings
    if recordings is not None:
        recordings = recordings[recordings["recording"].isin(run.tested["recording"])]
    group_columns = None if recordings is None else groups(recordings)
    subgroups = None
    if group_columns is not None and len(group_columns.columns):
        own = run.predictions[run.predictions["method"] == "model"]
        subgroups = subgroup_table(own, group_columns, run.scoring)
    methods = run.predictions[~run.predictions["method"].str.startswith("model, ")]  # without the model's other inputs
    analysis = ResultAnalysis(
        cohort_table(run.tested, target, recordings), differences(methods, run.scoring), subgroups
    )
    y, subjects, values = scored(run.tested, target)
    if target.kind in ("classes", "multilabel"):
        tables: dict[str, Any] = {"reliability": reliability(y, values), "risk": risk_coverage(y, values)}
        if target.kind == "classes":
            tables["confusion"] = _confusion(y, values, target.class_names)
        return replace(analysis, **tables)
    if target.kind == "number":
        return replace(analysis, agreement=(y, values, _limits(y, values, subjects, run)))
    return analysis


def check_scores(run: SavedResult) -> pd.DataFrame:
    """Score the saved predictions again, and compare the saved scores with the result.

    Returns
    -------
    DataFrame
        The score table of the predictions (`biosig.downstream.results.scores.rate`).

    Raises
    ------
    DataError
        If a saved score differs from that of the predictions.
    """
    again, _ = rate(run.predictions, run.scoring)
    both = run.scores.merge(again, on=["method", "metric"], how="left", suffixes=("_saved", ""))
    for name in ("value", "low", "high"):
        saved, found = both[f"{name}_saved"].to_numpy(np.float64), both[name].to_numpy(np.float64)
        wrong = ~np.isclose(saved, found, rtol=0, atol=_TOLERANCE, equal_nan=True)
        if wrong.any():
            row = both[wrong].iloc[0]
            raise DataError(
                f"{run.folder / 'metrics.json'} has {row[f'{name}_saved']:.6g} for the {name} of {row['metric']} of "
                f"'{row['method']}', and the predictions beside it give {row[name]:.6g}: one of the two files was "
                "changed, or another version of biosig-fm made them; run the task again."
            )
    return again


def _confusion(y: NDArray[np.int64], scores: Floats, class_names: tuple[str, ...]) -> pd.DataFrame:
    counts = np.zeros((len(class_names), len(class_names)), np.int64)
    np.add.at(counts, (y, scores.argmax(axis=1)), 1)
    table = pd.DataFrame(counts, columns=[f"called {name}" for name in class_names])
    table.insert(0, "truly", class_names)
    return table


def _limits(y: Floats, values: Floats, subjects: NDArray[np.str_], run: SavedResult) -> tuple[float, float, float]:
    """Bias and limits of agreement; the plain limits if each subject was measured once."""
    if len(np.unique(subjects)) < len(subjects):
        found = limits_of_agreement(y, values, subjects, n_resamples=2, seed=run.scoring.seed)
        return found.bias, found.lower, found.upper
    difference = values - y
    bias, half = float(difference.mean()), Z * float(difference.std(ddof=1))
    return bias, bias - half, bias + half
