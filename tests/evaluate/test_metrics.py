"""Calibration errors and degenerate predictions; that each metric is right is its contract's matter."""

import numpy as np
import pytest
from contracts.metrics import truth_and_predictions
from sklearn.metrics import r2_score

from biosig.evaluate.intervals import bootstrap
from biosig.evaluate.metrics import METRICS
from biosig.evaluate.probabilities import equal_mass_bins


def ece(y, p, bins):
    n_in_bins = [(np.mean(bins == b), np.abs(y[bins == b].mean() - p[bins == b].mean())) for b in np.unique(bins)]
    return sum(share * gap for share, gap in n_in_bins)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_calibration_error_equals_a_plain_loop_over_the_bins_of_the_data(n_classes):
    y, p = truth_and_predictions("classes", n_classes)
    scored = [1] if n_classes == 2 else range(n_classes)
    bins = [equal_mass_bins(p[:, k]) for k in range(n_classes)]
    rows = np.random.default_rng(0).integers(0, len(y), len(y))
    weights = np.bincount(rows, minlength=len(y))[None].astype(float)
    expected = np.mean([ece((y == k)[rows], p[rows, k], bins[k][rows]) for k in scored])
    assert METRICS["ece"].resampled(y, p, weights) == pytest.approx([expected], abs=1e-12)
    expected = np.mean([ece(y == k, p[:, k], bins[k]) for k in scored])
    assert METRICS["ece"].value(y, p) == pytest.approx(expected, abs=1e-12)
    labels = np.eye(n_classes)[y]
    as_labels = np.mean([ece(labels[:, k], p[:, k], bins[k]) for k in range(n_classes)])
    assert METRICS["macro_ece"].value(labels, p) == pytest.approx(as_labels, abs=1e-12)


def test_probabilities_that_are_true_have_next_to_no_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    y = (rng.random(20_000) < p).astype(int)
    assert METRICS["ece"].value(y, np.stack((1 - p, p), axis=1)) < 0.02
    sharp = np.where(p > 0.5, 0.99, 0.01)
    assert METRICS["ece"].value(y, np.stack((1 - sharp, sharp), axis=1)) > 0.2


def test_bins_have_as_many_rows_each_and_never_part_what_is_level():
    assert np.bincount(equal_mass_bins(np.random.default_rng(0).random(100), 10)).tolist() == [10] * 10
    assert equal_mass_bins(np.array([0.2, 0.5, 0.5, 0.5, 0.9, 0.2]), 3).tolist() == [0, 1, 1, 1, 2, 0]
    assert equal_mass_bins(np.full(7, 0.3), 10).tolist() == [0] * 7


def test_a_constant_says_nothing():
    y = np.array([50.0, 60, 70, 80])
    constant = np.full(4, 61.3)
    assert METRICS["pearson"].value(y, constant) == 0
    assert METRICS["r2"].value(y, constant) == pytest.approx(r2_score(y, constant))
    one_person = bootstrap(METRICS["pearson"], y, y + 1, list("aabb"), 200)
    assert (one_person.low, one_person.high) == pytest.approx((1, 1))
    labels = np.array([0, 1, 0, 1])
    assert METRICS["kappa"].value(labels, np.full((4, 2), 0.5)) == 0
    lacking = bootstrap(METRICS["kappa"], np.array([0, 1]), np.eye(2), list("ab"), 100)
    assert (lacking.low, lacking.high, lacking.n_undefined > 20) == (1, 1, True)
