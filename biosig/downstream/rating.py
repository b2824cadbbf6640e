"""From predictions of unseen people to a score table with intervals.

Shape letters: N scored rows, K classes, S seeds, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.downstream.columns import scored
from biosig.downstream.targets import Target
from biosig.evaluate.catalogue import metrics_for
from biosig.evaluate.intervals import bootstrap
from biosig.evaluate.metrics import Metric

Scored = tuple[NDArray[Any], NDArray[np.str_], NDArray[np.float64]]


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
    for method, runs, (truth, subjects, values) in _methods(predictions, config.target):
        for metric in metrics_for(config.target.kind):
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
            if "seed" in runs[0]:
                each = [metric.value(truth, values[..., s]) for s in range(len(runs))]
                spread = float(np.std(each, ddof=1)) if len(runs) > 1 else np.nan
                record |= {"n_seeds": len(runs), "sd_seeds": spread}
            records.append(record)
    return pd.DataFrame(records), caveats


def rate_labels(predictions: pd.DataFrame, config: Rated) -> pd.DataFrame:
    """As `rate`, but every label of a multi-label target by itself.

    Returns
    -------
    DataFrame
        Columns method, label, metric, value, low, high, n_rows (in which the label is known) and n_positive.
    """
    records = []
    for method, _, (truth, subjects, values) in _methods(predictions, config.target):
        for k, name in enumerate(config.target.class_names):
            known = np.isfinite(truth[:, k])
            y, scores = truth[known][:, [k]], values[known][:, [k]]  # (n, 1), (n, 1, S)
            for metric in metrics_for("multilabel"):
                interval = bootstrap(
                    _mean_over_seeds(metric), y, scores, subjects[known], config.n_bootstrap, config.seed
                )
                records.append(
                    {
                        "method": method,
                        "label": name,
                        "metric": metric.name.removeprefix("macro_"),
                        "value": interval.value,
                        "low": interval.low,
                        "high": interval.high,
                        "n_rows": len(y),
                        "n_positive": int(y.sum()),
                    }
                )
    return pd.DataFrame(records)


def _methods(predictions: pd.DataFrame, target: Target) -> Iterator[tuple[str, list[pd.DataFrame], Scored]]:
    """Each method with the rows of each seed, its truth and subjects (N,), and its predictions (N, K, S) or (N, S)."""
    for method, rows in predictions.groupby("method", sort=False):
        runs = [run for _, run in rows.groupby("seed", sort=False)] if "seed" in rows else [rows]
        truth, subjects, _ = scored(runs[0], target)
        yield str(method), runs, (truth, subjects, np.stack([scored(run, target)[2] for run in runs], axis=-1))


def _mean_over_seeds(metric: Metric) -> Metric:
    """The metric of predictions with an axis of seeds at the end."""
    return replace(
        metric,
        value=lambda y, p: float(np.mean([metric.value(y, p[..., s]) for s in range(p.shape[-1])])),
        resampled=lambda y, p, weights: np.mean(
            [metric.resampled(y, p[..., s], weights) for s in range(p.shape[-1])], axis=0
        ),
    )
