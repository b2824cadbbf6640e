"""Scores of predictions of unseen people, with intervals and paired differences.

Shape letters: N scored rows, K classes, S seeds, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.downstream.data.challenge_weights import metrics_of
from biosig.downstream.data.columns import scored
from biosig.downstream.data.target_config import Target
from biosig.errors import DataError
from biosig.evaluate import challenge
from biosig.evaluate.intervals import BootstrapInterval, bootstrap, bootstrap_scores
from biosig.evaluate.metrics import METRICS, ROLES, Floats, Metric


class ScoringConfig(Protocol):
    """Part of a configuration that scoring needs."""

    @property
    def target(self) -> Target: ...  # noqa: D102

    @property
    def n_bootstrap(self) -> int: ...  # noqa: D102

    @property
    def seed(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class MethodPredictions:
    """Predictions of one method for each scored row.

    Parameters
    ----------
    method : str
        Its name.
    runs : list of DataFrame
        Its rows of each seed.
    truth : ndarray, shape (N, ...)
        Labels of the target's kind.
    subjects : ndarray of str, shape (N,)
        Person of each row.
    values : ndarray, shape (N, K, S) or (N, S)
        Predictions, with the seeds at the end.
    """

    method: str
    runs: list[pd.DataFrame]
    truth: NDArray[Any]
    subjects: NDArray[np.str_]
    values: Floats

    def counts(self) -> dict[str, int]:
        """Count the subjects, recordings and windows of a score."""
        return {
            "n_subjects": len(np.unique(self.subjects)),
            "n_recordings": self.runs[0]["recording"].nunique(),
            "n_windows": len(self.runs[0]),
        }


def by_method(predictions: pd.DataFrame, target: Target) -> Iterator[MethodPredictions]:
    """Iterate over the methods of a table of predictions."""
    for method, rows in predictions.groupby("method", sort=False):
        runs = [run for _, run in rows.groupby("seed", sort=False)] if "seed" in rows else [rows]
        labels, subjects, _ = scored(runs[0], target)
        values = np.stack([scored(run, target)[2] for run in runs], axis=-1)
        yield MethodPredictions(str(method), runs, labels, subjects, values)


def mean_over_seeds(metric: Metric) -> Metric:
    """The metric of predictions with an axis of seeds at the end."""
    return replace(
        metric,
        value=lambda y, p: float(np.mean([metric.value(y, p[..., s]) for s in range(p.shape[-1])])),
        resampled=lambda y, p, weights: np.mean(
            [metric.resampled(y, p[..., s], weights) for s in range(p.shape[-1])], axis=0
        ),
    )


def rate(predictions: pd.DataFrame, config: ScoringConfig) -> tuple[pd.DataFrame, list[str]]:
    """Score out-of-fold predictions in a table, with caveats on its intervals.

    Every method has the same bootstrap resamples of subjects. If a method was run with several seeds, its value is the
    mean of their scores, and so is each resample's.

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
        Remarks for the reader of the intervals.
    """
    metrics = metrics_of(config.target)
    records, caveats = [], []
    if metrics[-1].name == challenge.NAME:
        n = len(config.target.class_names)
        caveats.append(f"The challenge's score is over the target's {n} diagnoses, yes above 0.5.")
    for method in by_method(predictions, config.target):
        resampled = _replicates(method, metrics, config)
        for metric in metrics:
            each = [metric.value(method.truth, method.values[..., s]) for s in range(len(method.runs))]
            interval = BootstrapInterval.of(float(np.mean(each)), resampled[metric.name], method.counts()["n_subjects"])
            caveats += [text for text in interval.caveats() if text not in caveats]
            record = {"method": method.method, "metric": metric.name, **_bounds(interval), **method.counts()}
            if "seed" in method.runs[0]:
                spread = float(np.std(each, ddof=1)) if len(each) > 1 else np.nan
                record |= {"n_seeds": len(each), "sd_seeds": spread}
            records.append(record)
    return pd.DataFrame(records), caveats


def differences(predictions: pd.DataFrame, config: ScoringConfig) -> pd.DataFrame:
    """The score of "model" minus that of each other method, on the same resampled subjects.

    Parameters
    ----------
    predictions, config
        As in `rate`.

    Returns
    -------
    DataFrame
        Columns method (the other one), metric, value, low, high, n_subjects; without rows if "model" is alone.

    Raises
    ------
    DataError
        If there is no method "model", or another was not scored on the same windows.
    """
    metrics = metrics_of(config.target)
    methods = {method.method: method for method in by_method(predictions, config.target)}
    if "model" not in methods:
        raise DataError(f"The predictions are of {', '.join(methods)}: one method must be 'model'.")
    model = methods.pop("model")
    own = _replicates(model, metrics, config)
    records = []
    for name, other in methods.items():
        if not _windows(other).equals(_windows(model)):
            raise DataError(f"'{name}' was not scored on the same windows as 'model': score both on the same ones.")
        others = _replicates(other, metrics, config)
        for metric in metrics:
            seed_mean = mean_over_seeds(metric)
            lead = seed_mean.value(model.truth, model.values) - seed_mean.value(other.truth, other.values)
            n_subjects = model.counts()["n_subjects"]
            interval = BootstrapInterval.of(lead, own[metric.name] - others[metric.name], n_subjects)
            records.append({"method": name, "metric": metric.name, **_bounds(interval), "n_subjects": n_subjects})
    return pd.DataFrame(records, columns=["method", "metric", "value", "low", "high", "n_subjects"])


def rate_labels(predictions: pd.DataFrame, config: ScoringConfig) -> pd.DataFrame:
    """`rate` for every label by itself; for classes, each against the rest.

    Returns
    -------
    DataFrame
        Columns method, label, metric (auroc, auprc), value, low, high, n_rows (in which the label is known), n_positive
        (that have it) and n_subjects_positive (their subjects).
    """
    records = []
    for method in by_method(predictions, config.target):
        labels = (
            np.eye(method.values.shape[1])[method.truth] if config.target.kind == "classes" else method.truth
        )  # (N, K)
        for k, label in enumerate(config.target.class_names):
            known = np.isfinite(labels[:, k])
            y, scores, subjects = labels[known][:, [k]], method.values[known][:, [k]], method.subjects[known]
            counts = {
                "n_rows": len(y),
                "n_positive": int(y.sum()),
                "n_subjects_positive": len(np.unique(subjects[y[:, 0] > 0])),
            }
            for name in ROLES["multilabel"].headline:
                metric = mean_over_seeds(METRICS[name])
                interval = bootstrap(metric, y, scores, subjects, config.n_bootstrap, config.seed)
                record = {"method": method.method, "label": label, "metric": name.removeprefix("macro_")}
                records.append({**record, **_bounds(interval), **counts})
    return pd.DataFrame(records)


def _replicates(method: MethodPredictions, metrics: list[Metric], config: ScoringConfig) -> dict[str, Floats]:
    seed_means = [mean_over_seeds(metric) for metric in metrics]
    return bootstrap_scores(seed_means, method.truth, method.values, method.subjects, config.n_bootstrap, config.seed)


def _bounds(interval: BootstrapInterval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _windows(method: MethodPredictions) -> pd.DataFrame:
    return method.runs[0][["recording", "onset"]].reset_index(drop=True)
