"""The contract of a metric: what holds for every member of the registry."""

from typing import get_args

import numpy as np
import pytest

from biosig.evaluate.intervals import bootstrap, bootstrap_counts
from biosig.evaluate.metrics import METRICS, Kind

EXACT = {"abs": 1e-12, "rel": 1e-12}


def truth_and_predictions(kind, n_columns, n=80, seed=0):
    """Truth (N, …) and predictions with ties and unknown labels."""
    rng = np.random.default_rng(seed)
    if kind == "number":
        y = rng.normal(60, 15, n)
        return y, (y + rng.normal(0, 10, n)).round()
    if kind == "survival":
        risk = rng.normal(size=n).round(1)
        happens, lost = rng.exponential(np.exp(-0.8 * risk)), rng.exponential(1.2, n)
        return np.stack((np.minimum(happens, lost).round(1), happens <= lost), axis=1).astype(float), risk
    if kind == "classes":
        y = rng.integers(0, n_columns, n)
        p = rng.dirichlet(np.ones(n_columns), n).round(1) + 0.5 * np.eye(n_columns)[y] + 0.1
        return y, p / p.sum(axis=1, keepdims=True)
    y = (rng.random((n, n_columns)) < np.linspace(0.3, 0.7, n_columns)).astype(float)
    p = (0.6 * rng.random((n, n_columns)) + 0.4 * y).round(1)
    y[:, 1:][rng.random((n, n_columns - 1)) < 0.1] = np.nan
    if kind == "answers":
        y[:, 0] = np.nanmax(y, axis=1) < 1  # each question has a right answer
    return y, p


def perfect(kind, y, predictions):
    """Predictions without an error."""
    if kind == "classes":
        return np.eye(predictions.shape[1])[y]
    return -y[:, 0] if kind == "survival" else np.nan_to_num(y)


def constant(kind, y, predictions):
    """The same prediction for every row."""
    if kind == "number":
        return np.full(len(y), y.mean())
    return np.full(predictions.shape, 0.5)


def check(name):
    """The member of that name is called so and keeps the contract."""
    assert METRICS[name].name == name
    check_metric(METRICS[name])


def check_metric(metric):
    """Title and kind; both forms against the reference, its interval too; direction, bounds and chance."""
    assert metric.title, "a metric has a title"
    assert metric.kind in get_args(Kind)
    assert metric.reference is not None, "a metric has a reference implementation"
    low, high = metric.bounds
    for n_columns in (1,) if metric.kind in ("number", "survival") else (2, 3):
        y, predictions = truth_and_predictions(metric.kind, n_columns)
        subject = np.arange(len(y)) % 16
        drawn = bootstrap_counts(16, 100, seed=3)[:, subject].astype(float)
        expected = [metric.reference(y, predictions, weights) for weights in drawn]
        resampled = metric.resampled(y, predictions, drawn)
        assert resampled.shape == (100,)
        assert resampled == pytest.approx(expected, **EXACT), "each resample scores as the reference does"
        assert metric.resampled(y, predictions, 2 * drawn) == pytest.approx(expected, **EXACT), "weights are relative"
        value = metric.value(y, predictions)
        assert value == pytest.approx(metric.reference(y, predictions, np.ones(len(y))), **EXACT)
        interval = bootstrap(metric, y, predictions, np.char.zfill(subject.astype(str), 2), n_resamples=100, seed=3)
        assert [interval.low, interval.high] == pytest.approx(np.percentile(expected, [2.5, 97.5]), **EXACT)
        assert (interval.value, interval.n_undefined) == (value, 0)
        assert metric.resampled(y, predictions, np.eye(1, len(y))).shape == (1,), "a resample of one row is no error"
        shuffled = metric.value(y, np.random.default_rng(1).permutation(predictions))
        best = metric.value(y, perfect(metric.kind, y, predictions))
        assert best != shuffled, "predictions without an error score otherwise than shuffled ones"
        assert (best > shuffled) == metric.higher_is_better, "the direction is as stated"
        within = np.array([*resampled, value, shuffled, best])
        assert (low - 1e-12 <= within).all(), "no value lies below the bounds"
        assert (within <= high + 1e-12).all(), "no value lies above the bounds"
        if metric.chance is not None:
            assert metric.value(y, constant(metric.kind, y, predictions)) == pytest.approx(metric.chance, abs=1e-9)
