"""From predictions of unseen people to a score table with intervals.

Shape letters: N scored rows, K classes, S seeds, R resamples.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.downstream.targets import Target
from biosig.evaluate.intervals import bootstrap
from biosig.evaluate.metrics import Floats, Metric, metrics_for


class Rated(Protocol):
    """What rating needs of a configuration."""

    @property
    def target(self) -> Target: ...  # noqa: D102

    @property
    def n_bootstrap(self) -> int: ...  # noqa: D102

    @property
    def seed(self) -> int: ...  # noqa: D102


def rate(predictions: pd.DataFrame, config: Rated) -> tuple[pd.DataFrame, list[str]]:
    """The score table of out-of-fold predictions, and caveats on its intervals.

    Every method sees the same bootstrap resamples of subjects. Where a method was run with several seeds, its value is
    the mean of their scores, and so is each resample's.

    Parameters
    ----------
    predictions : DataFrame
        As in `ProbeResult.predictions`: one row per method and window; with a column `seed`, also one per seed.
    config : ProbeConfig or FineTuneConfig
        Names the target, and the bootstrap's size and seed.

    Returns
    -------
    table : DataFrame
        Columns method, metric, value, low, high, n_subjects, n_recordings, n_windows; with seeds also n_seeds and
        sd_seeds, the standard deviation between them (NaN for one).
    caveats : list of str
        What a reader must know before trusting the intervals.
    """
    records, caveats = [], []
    for method, rows in predictions.groupby("method", sort=False):
        runs = [run for _, run in rows.groupby("seed", sort=False)] if "seed" in rows else [rows]
        truth, subjects, values = _scored(runs[0], config.target)
        values = np.stack(
            [values, *(_scored(run, config.target)[2] for run in runs[1:])], axis=-1
        )  # (N, K, S) or (N, S)
        for metric in metrics_for(config.target.task):
            interval = bootstrap(_mean_over_seeds(metric), truth, values, subjects, config.n_bootstrap, config.seed)
            caveats += [text for text in interval.caveats() if text not in caveats]
            record = {
                "method": method,
                "metric": metric.name,
                "value": interval.value,
                "low": interval.low,
                "high": interval.high,
                "n_subjects": interval.n_subjects,
                "n_recordings": runs[0]["recording"].nunique(),
                "n_windows": len(runs[0]),
            }
            if "seed" in rows:
                each = [metric.value(truth, values[..., s]) for s in range(len(runs))]
                spread = float(np.std(each, ddof=1)) if len(runs) > 1 else np.nan
                record |= {"n_seeds": len(runs), "sd_seeds": spread}
            records.append(record)
    return pd.DataFrame(records), caveats


def _scored(rows: pd.DataFrame, target: Target) -> tuple[NDArray[np.float64], NDArray[np.str_], Floats]:
    """Truth (N,), subject (N,) and prediction (N, K) or (N,) of what the label belongs to: events, or recordings."""
    names = target.class_names
    columns = [f"score_{name}" for name in names] or ["prediction"]
    if not target.events:
        firsts = dict.fromkeys(("subject", "y"), "first")
        rows = rows.groupby("recording", sort=False).agg({**firsts, **dict.fromkeys(columns, "mean")})
    truth, values = rows["y"].to_numpy(), rows[columns].to_numpy(np.float64)
    subjects = rows["subject"].to_numpy()
    if names:
        return pd.Index(names).get_indexer(truth), subjects, values
    return truth.astype(np.float64), subjects, values[:, 0]


def _mean_over_seeds(metric: Metric) -> Metric:
    """The metric of predictions with an axis of seeds at the end."""
    return replace(
        metric,
        value=lambda y, p: float(np.mean([metric.value(y, p[..., s]) for s in range(p.shape[-1])])),
        resampled=lambda y, p, weights: np.mean(
            [metric.resampled(y, p[..., s], weights) for s in range(p.shape[-1])], axis=0
        ),
    )
