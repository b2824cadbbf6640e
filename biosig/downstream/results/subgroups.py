"""Scores in groups of people, with the size of each group beside it: a good average can hide a group it fails."""

from __future__ import annotations

import numpy as np
import pandas as pd

from biosig.downstream.data.label_windows import has_class
from biosig.downstream.data.target_config import Target
from biosig.downstream.results.scores import MethodPredictions, ScoringConfig, by_method, mean_over_seeds
from biosig.errors import DataError
from biosig.evaluate.intervals import bootstrap
from biosig.evaluate.metrics import METRICS, ROLES

UNKNOWN = "not known"


def subgroup_table(predictions: pd.DataFrame, groups: pd.DataFrame, config: ScoringConfig) -> pd.DataFrame:
    """The headline metrics of each method in each group.

    Parameters
    ----------
    predictions : DataFrame
        As of `biosig.downstream.results.scores.rate`.
    groups : DataFrame
        One row per recording, its id as the index; a column per attribute (sex, age_band, site, n_leads, quality) with
        the name of the group that the recording is in. Groups are sorted; give a categorical for another order.
    config : ProbeConfig or FineTuneConfig
        Names the target, and the bootstrap's size and seed.

    Returns
    -------
    DataFrame
        Columns method, attribute, group, metric, value, low, high (NaN where a group cannot be scored), n_subjects,
        n_recordings, n_windows, one n_… per class, and remark: why there is no score, that there are fewer than ten
        subjects, or what else to know of the interval; empty where there is nothing.

    Raises
    ------
    DataError
        If a recording is not in `groups`.
    """
    absent = predictions.loc[~predictions["recording"].isin(groups.index), "recording"]
    if len(absent):
        raise DataError(f"Recording '{absent.iloc[0]}' is in no row of the groups: give one row for each recording.")
    records = []
    for attribute in groups:
        of_row = groups[attribute].loc[predictions["recording"]].set_axis(predictions.index)
        for group, rows in predictions.groupby(of_row, dropna=False, observed=True):
            place = {"attribute": attribute, "group": UNKNOWN if pd.isna(group) else str(group)}
            for of in by_method(rows, config.target):
                counts = of.counts() | _class_counts(of, config.target)
                for name in ROLES[config.target.kind].headline:
                    score = _score(of, name, config)
                    records.append({"method": of.method, **place, "metric": name, **score, **counts})
    return pd.DataFrame(records)


def _score(of: MethodPredictions, name: str, config: ScoringConfig) -> dict[str, float | str]:
    metric = mean_over_seeds(METRICS[name])
    try:
        found = bootstrap(metric, of.truth, of.values, of.subjects, config.n_bootstrap, config.seed)
    except DataError as error:  # a group without one of the classes
        return {"value": np.nan, "low": np.nan, "high": np.nan, "remark": str(error)}
    return {"value": found.value, "low": found.low, "high": found.high, "remark": " ".join(found.caveats())}


def _class_counts(of: MethodPredictions, target: Target) -> dict[str, int]:
    """How many of the things that are scored have each class."""
    return {f"n_{name}": int(has_class(of.truth, target.kind, k).sum()) for k, name in enumerate(target.class_names)}
