"""Agreement of an estimate with a reference that was read several times on each subject.

It holds Bland & Altman's limits of agreement for repeated measures with a varying true value, and the usual errors of
vital signs. Intervals resample subjects (`biosig.evaluate.intervals`). Shape letters: N pairs, S subjects,
R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.errors import DataError, UsageError
from biosig.evaluate.intervals import bootstrap, bootstrap_counts
from biosig.evaluate.metrics import METRICS, Floats, Metric
from biosig.evaluate.splits import people

Z = 1.96
"""Standard deviations on either side of the bias that hold 95 % of normal differences."""


@dataclass(frozen=True)
class Agreement:
    """Bias and limits of agreement, each with its percentile interval over resampled subjects.

    Parameters
    ----------
    bias, lower, upper : float
        Mean of estimate minus reference, and the limits between which 95 % of single differences are expected.
    bias_interval, lower_interval, upper_interval : tuple of float
        Their 95 % intervals.
    sd_within, sd_between : float
        Standard deviation of the differences within a subject, and of the subjects' own biases.
    n_subjects, n_pairs : int
        Number of subjects and pairs behind them.
    """

    bias: float
    lower: float
    upper: float
    bias_interval: tuple[float, float]
    lower_interval: tuple[float, float]
    upper_interval: tuple[float, float]
    sd_within: float
    sd_between: float
    n_subjects: int
    n_pairs: int


def limits_of_agreement(
    reference: NDArray[Any],
    estimate: NDArray[Any],
    subjects: Sequence[str] | NDArray[Any],
    n_resamples: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Limits of agreement with several pairs per subject (Bland & Altman, J Biopharm Stat 2007; 17:571, section 3).

    The differences' variance is the sum of a part within and a part between subjects, from a one-way analysis of
    variance with unequal numbers. Their plain standard deviation would be too small where subjects differ in bias.

    Parameters
    ----------
    reference, estimate : ndarray, shape (N,)
        In one unit.
    subjects : sequence of str, shape (N,)
        Subject of each pair.
    n_resamples, seed : int
        Of the bootstrap.

    Raises
    ------
    UsageError
        If the lengths differ or a value is missing.
    DataError
        If there are fewer than two subjects, or none was read twice.
    """
    difference, names, row = differences(reference, estimate, subjects)
    n = np.bincount(row).astype(np.float64)  # [S]
    if len(names) < 2 or n.max() < 2:
        raise DataError(
            f"{len(difference)} pairs of {len(names)} subjects: limits of agreement for repeated measures need two "
            "subjects or more, and one of them with two pairs."
        )
    mean = np.bincount(row, difference) / n
    within = np.bincount(row, (difference - mean[row]) ** 2).astype(np.float64)
    once = np.ones((1, len(names)))
    bias, variance_within, variance_between = (float(x[0]) for x in _components(n, mean, within, once))
    drawn = bootstrap_counts(len(names), n_resamples, seed).astype(np.float64)
    biases, *variances = _components(n, mean, within, drawn)
    half, halves = Z * np.sqrt(variance_within + variance_between), Z * np.sqrt(sum(variances))
    return Agreement(
        bias,
        bias - half,
        bias + half,
        _percentiles(biases),
        _percentiles(biases - halves),
        _percentiles(biases + halves),
        float(np.sqrt(variance_within)),
        float(np.sqrt(variance_between)),
        len(names),
        len(difference),
    )


def _components(n: Floats, mean: Floats, within: Floats, drawn: Floats) -> tuple[Floats, Floats, Floats]:
    """Bias, variance within and variance between subjects of each resample, (R,) each.

    Parameters
    ----------
    n, mean, within : ndarray, shape (S,)
        Pairs, mean difference and sum of squares about it of each subject.
    drawn : ndarray, shape (R, S)
        Number of times that each subject is drawn.
    """
    n_subjects, n_pairs = drawn.sum(1), drawn @ n
    bias = drawn @ (n * mean) / n_pairs
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample of one subject alone has no variance between
        ms_within = drawn @ within / (n_pairs - n_subjects)
        ms_between = (drawn * n * (mean - bias[:, None]) ** 2).sum(1) / (n_subjects - 1)
        divisor = (n_pairs - drawn @ n**2 / n_pairs) / (n_subjects - 1)
        return bias, ms_within, ((ms_between - ms_within) / divisor).clip(min=0)


def _percentiles(values: Floats) -> tuple[float, float]:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def subject_errors(
    reference: NDArray[Any], estimate: NDArray[Any], subjects: Sequence[str] | NDArray[Any], tolerance: float = 5.0
) -> pd.DataFrame:
    """The errors of each subject, worst first, which show the subjects behind an average.

    Parameters
    ----------
    reference, estimate : ndarray, shape (N,)
        In one unit.
    subjects : sequence of str, shape (N,)
        Subject of each pair.
    tolerance : float
        In that unit: 5 per minute for heart rate (ANSI/AAMI EC13).

    Returns
    -------
    DataFrame
        Columns subject, n, bias, mae, rmse, within (share of pairs within the tolerance).

    Raises
    ------
    UsageError
        If the lengths differ or a value is missing.
    """
    difference, names, row = differences(reference, estimate, subjects)
    frame = pd.DataFrame({"subject": names[row], "difference": difference})
    frame["absolute"] = frame["difference"].abs()
    frame["square"] = frame["difference"] ** 2
    frame["near"] = frame["absolute"] <= tolerance
    errors = frame.groupby("subject").agg(
        n=("difference", "size"),
        bias=("difference", "mean"),
        mae=("absolute", "mean"),
        rmse=("square", "mean"),
        within=("near", "mean"),
    )
    errors["rmse"] = np.sqrt(errors["rmse"])
    return errors.sort_values("mae", ascending=False).reset_index()


def within(tolerance: float) -> Metric:
    """The share of estimates within a tolerance of the reference, as a metric (`biosig.evaluate.intervals`)."""

    def near(y: NDArray[Any], prediction: Floats) -> Floats:
        return (np.abs(prediction - y) <= tolerance).astype(np.float64)

    return Metric(
        f"within_{tolerance:g}",
        "number",
        lambda y, prediction: float(near(y, prediction).mean()),
        lambda y, prediction, weights: weights @ near(y, prediction) / weights.sum(1),
    )


def agreement_table(
    predictions: pd.DataFrame, tolerance: float = 5.0, n_resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Errors and limits of agreement of each method of a result.

    Parameters
    ----------
    predictions : DataFrame
        Columns method, person (or subject), y and prediction, as in a probe's or a fine-tuning's result for a number
        that each window has; with a column seed, the mean prediction over seeds is compared.
    tolerance : float
        In the unit of y.
    n_resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns method, measure, value, low, high; the measures are mae, rmse, the share within the tolerance, bias,
        lower and upper limit of agreement.

    Raises
    ------
    UsageError
        If a prediction is missing.
    DataError
        If there are fewer than two subjects, or none with two windows.
    """
    records = []
    for method, rows in predictions.assign(person=people(predictions)).groupby("method", sort=False):
        if "seed" in rows:
            key = ["recording", "onset"]
            rows = rows.groupby(key, sort=False).agg(
                person=("person", "first"), y=("y", "first"), prediction=("prediction", "mean")
            )
        y, estimate, subjects = (
            rows["y"].to_numpy(float),
            rows["prediction"].to_numpy(float),
            rows["person"].to_numpy(),
        )
        limits = limits_of_agreement(y, estimate, subjects, n_resamples, seed)
        for metric in (METRICS["mae"], METRICS["rmse"], within(tolerance)):
            found = bootstrap(metric, y, estimate, subjects, n_resamples, seed)
            records.append((method, metric.name, found.value, found.low, found.high))
        for name, value, interval in (
            ("bias", limits.bias, limits.bias_interval),
            ("lower_limit", limits.lower, limits.lower_interval),
            ("upper_limit", limits.upper, limits.upper_interval),
        ):
            records.append((method, name, value, *interval))
    return pd.DataFrame(records, columns=["method", "measure", "value", "low", "high"])


def differences(
    reference: NDArray[Any], estimate: NDArray[Any], subjects: Sequence[str] | NDArray[Any]
) -> tuple[Floats, NDArray[np.str_], NDArray[np.int64]]:
    """Estimate minus reference (N,), the subjects' names (S,), and each pair's place among them (N,).

    Raises
    ------
    UsageError
        If the lengths differ or a value is missing.
    """
    if not len(reference) == len(estimate) == len(subjects):
        raise UsageError(
            f"{len(reference)} references, {len(estimate)} estimates and {len(subjects)} subjects: give one each."
        )
    difference = np.asarray(estimate, np.float64) - np.asarray(reference, np.float64)
    missing = int((~np.isfinite(difference)).sum())
    if missing:
        raise UsageError(f"{missing} of {len(difference)} pairs lack a value: leave them out, and say so.")
    names, row = np.unique(np.asarray(subjects, str), return_inverse=True)
    return difference, names, row
