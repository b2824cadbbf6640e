"""Scores of cross-modal tasks: means over windows, with intervals over subjects.

Shape letters: N scored rows, S subjects, R resamples.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from biosig.evaluate.intervals import FEW_SUBJECTS, bootstrap_counts
from biosig.evaluate.splits import people


def mean_interval(
    values: ArrayLike, subjects: ArrayLike, n_resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """The mean of `values` (N,), and its percentile bounds over resampled subjects (`biosig.evaluate.intervals`).

    Rows that are NaN are left out.
    """
    values = np.asarray(values, np.float64)
    names, subject = np.unique(np.asarray(subjects, str), return_inverse=True)
    real = np.isfinite(values)
    if not real.any():
        return np.nan, np.nan, np.nan
    total = np.bincount(subject[real], values[real], len(names))  # (S,)
    count = np.bincount(subject[real], minlength=len(names))
    drawn = bootstrap_counts(len(names), n_resamples, seed)  # (R, S)
    with np.errstate(invalid="ignore"):
        means = (drawn @ total) / (drawn @ count)
    tail = 50 * (1 - level)
    low, high = np.nanpercentile(means, [tail, 100 - tail])
    return float(values[real].mean()), float(low), float(high)


def rate_means(
    scores: pd.DataFrame, by: list[str], metrics: list[str], n_resamples: int, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Make the table of means of per-row scores, with the model's lead over each other method in the same rows.

    Parameters
    ----------
    scores : DataFrame
        One row per method and scored item: method, subject, recording, the columns `by` and one per metric. Rows of
        one method and group are in the same order for all methods.
    by : list of str
        Columns whose values each get rows of the table, such as the channel.
    metrics : list of str
        Columns to average.
    n_resamples, seed : int
        Of the bootstrap; the same resamples for all.

    Returns
    -------
    table : DataFrame
        Columns method, `by`, metric, value, low, high, n_subjects, n_recordings, n_windows. The method "model - X" is
        the mean difference, paired.
    caveats : list of str
        Remarks for the reader of the intervals.
    """
    records = []
    for group, rows in scores.groupby(by, sort=False):
        methods = {name: part.reset_index(drop=True) for name, part in rows.groupby("method", sort=False)}
        for other in [name for name in methods if name != "model"]:
            methods[f"model - {other}"] = methods["model"].assign(
                **{metric: methods["model"][metric] - methods[other][metric] for metric in metrics}
            )
        for method, part in methods.items():
            for metric in metrics:
                value, low, high = mean_interval(part[metric], people(part), n_resamples, seed)
                records.append(
                    {
                        "method": method,
                        **dict(zip(by, group, strict=True)),
                        "metric": metric,
                        "value": value,
                        "low": low,
                        "high": high,
                        "n_subjects": len(np.unique(people(part))),
                        "n_recordings": part["recording"].nunique(),
                        "n_windows": len(part),
                    }
                )
    n_subjects = len(np.unique(people(scores)))
    caveats = [f"Only {n_subjects} subjects: a bootstrap over fewer than {FEW_SUBJECTS} is too narrow to trust."]
    return pd.DataFrame(records), caveats if n_subjects < FEW_SUBJECTS else []


def correlation(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Pearson's correlation of two vectors; NaN if one does not vary."""
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > 0 else float("nan")
