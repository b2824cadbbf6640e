"""Subgroup scores with the size of each group: a good average can hide a group with bad scores."""

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
    """Compute the headline metrics of each method in each group.

    Parameters
    ----------
    predictions : DataFrame
        As in `biosig.downstream.results.scores.rate`.
    groups : DataFrame
        One row per recording, its id as the index; a column per attribute (sex, age_band, site, n_leads, quality) with
        the name of the group that the recording is in. Groups are sorted; give a categorical for another order.
    config : ProbeConfig or FineTuneConfig
        Names the target, and the bootstrap's size and seed.

    Returns
    -------
    DataFrame
        Columns method, attribute, group, metric, value, low, high (NaN where a group cannot be scored), n_subjects,
        n_recordings, n_windows, one n_… per class, and remark: the reason for a missing score, fewer than ten subjects,
        or another limit of the interval; may be empty.

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
        row_group = groups[attribute].loc[predictions["recording"]].set_axis(predictions.index)
        for group, rows in predictions.groupby(row_group, dropna=False, observed=True):
            place = {"attribute": attribute, "group": UNKNOWN if pd.isna(group) else str(group)}
            for method in by_method(rows, config.target):
                counts = method.counts() | _class_counts(method, config.target)
                for name in ROLES[config.target.kind].headline:
                    score = _score(method, name, config)
                    records.append({"method": method.method, **place, "metric": name, **score, **counts})
    return pd.DataFrame(records)


def _score(method: MethodPredictions, name: str, config: ScoringConfig) -> dict[str, float | str]:
    metric = mean_over_seeds(METRICS[name])
    try:
        found = bootstrap(metric, method.truth, method.values, method.subjects, config.n_bootstrap, config.seed)
    except DataError as error:  # a group without one of the classes
        return {"value": np.nan, "low": np.nan, "high": np.nan, "remark": str(error)}
    return {"value": found.value, "low": found.low, "high": found.high, "remark": " ".join(found.caveats())}


def _class_counts(method: MethodPredictions, target: Target) -> dict[str, int]:
    """Count the scored rows of each class."""
    return {
        f"n_{name}": int(has_class(method.truth, target.kind, k).sum()) for k, name in enumerate(target.class_names)
    }
