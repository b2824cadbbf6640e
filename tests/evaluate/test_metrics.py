"""Every metric, plain and resampled, against scikit-learn or its definition in a plain loop over resamples."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from biosig.evaluate.catalogue import HEADLINE, METRICS, SELECTION, metrics_for
from biosig.evaluate.intervals import bootstrap, multiplicities
from biosig.evaluate.probabilities import equal_mass_bins


def one_against_rest(score):
    def plain(y, p):
        return np.mean([score(y == k, p[:, k]) for k in ([1] if p.shape[1] == 2 else range(p.shape[1]))])

    return plain


def over_labels(score):
    def plain(y, p):
        known = np.isfinite(y)
        return np.mean([score(y[known[:, k], k], p[known[:, k], k]) for k in range(y.shape[1])])

    return plain


def ece(y, p, bins):
    of_bins = [(np.mean(bins == b), np.abs(y[bins == b].mean() - p[bins == b].mean())) for b in np.unique(bins)]
    return sum(share * gap for share, gap in of_bins)


def of_labels(which, beta=2):
    """The challenge's loop over recordings and labels."""

    def plain(y, p):
        scores = []
        for k in range(y.shape[1]):
            right = false = missed = 0.0
            for row, given in zip(y, p > 0.5, strict=True):
                share = 1 / max(np.nansum(row), 1)
                right += share * (row[k] == 1 and given[k])
                false += share * (row[k] == 0 and given[k])
                missed += share * (row[k] == 1 and not given[k])
            if which == "f":
                scores.append((1 + beta**2) * right / ((1 + beta**2) * right + false + beta**2 * missed))
            else:
                scores.append(right / (right + false + beta * missed))
        return np.mean(scores)

    return plain


PLAIN = {
    "balanced_accuracy": lambda y, p: balanced_accuracy_score(y, p.argmax(1)),
    "auroc": one_against_rest(roc_auc_score),
    "auprc": one_against_rest(average_precision_score),
    "f1": lambda y, p: f1_score(y, p.argmax(1), average="macro"),
    "kappa": lambda y, p: cohen_kappa_score(y, p.argmax(1)),
    "brier": lambda y, p: brier_score_loss(y, p[:, 1] if p.shape[1] == 2 else p),
    "macro_auroc": over_labels(roc_auc_score),
    "macro_auprc": over_labels(average_precision_score),
    "macro_f1": over_labels(lambda y, p: f1_score(y, p > 0.5)),
    "macro_f2": of_labels("f"),
    "macro_g2": of_labels("g"),
    "macro_brier": over_labels(brier_score_loss),
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "r2": r2_score,
    "pearson": lambda y, p: pearsonr(y, p).statistic,
}


def data(kind, n_classes=3, n=90, seed=0):
    """Truth and predictions with ties and unknown labels, and subjects of several rows each."""
    rng = np.random.default_rng(seed)
    subject = rng.integers(0, 18, n).astype(str)
    if kind == "number":
        y = rng.normal(60, 15, n)
        return y, (y + rng.normal(0, 10, n)).round(), subject
    if kind == "classes":
        y = rng.integers(0, n_classes, n)
        p = rng.dirichlet(np.ones(n_classes), n).round(1) + 0.5 * np.eye(n_classes)[y] + 0.1
        return y, p / p.sum(axis=1, keepdims=True), subject
    y = (rng.random((n, n_classes)) < [0.5, 0.3, 0.8]).astype(float)
    p = (0.6 * rng.random((n, n_classes)) + 0.4 * y).round(1)
    y[rng.random((n, n_classes)) < 0.1] = np.nan
    return y, p, subject


@pytest.mark.parametrize(
    ("name", "n_classes"), [(name, n) for name in PLAIN for n in (2, 3) if n == 3 or METRICS[name].kind == "classes"]
)
def test_a_metric_and_its_interval_equal_a_plain_loop(name, n_classes):
    metric = METRICS[name]
    y, prediction, subject = data(metric.kind, n_classes)
    names, row_subject = np.unique(subject, return_inverse=True)
    times = multiplicities(len(names), 100, seed=3)[:, row_subject]
    rows = [np.repeat(np.arange(len(y)), of_row) for of_row in times]
    expected = [PLAIN[name](y[chosen], prediction[chosen]) for chosen in rows]
    assert metric.value(y, prediction) == pytest.approx(PLAIN[name](y, prediction), abs=1e-12)
    assert metric.resampled(y, prediction, times.astype(float)) == pytest.approx(expected, abs=1e-12, rel=1e-12)
    interval = bootstrap(metric, y, prediction, subject, n_resamples=100, seed=3)
    assert [interval.low, interval.high] == pytest.approx(np.percentile(expected, [2.5, 97.5]), abs=1e-12, rel=1e-12)
    assert (interval.n_subjects, interval.n_undefined) == (len(names), 0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_calibration_error_equals_a_plain_loop_over_the_bins_of_the_data(n_classes):
    y, p, _ = data("classes", n_classes)
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
    of_one_person = bootstrap(METRICS["pearson"], y, y + 1, list("aabb"), 200)
    assert (of_one_person.low, of_one_person.high) == pytest.approx((1, 1))
    labels = np.array([0, 1, 0, 1])
    assert METRICS["kappa"].value(labels, np.full((4, 2), 0.5)) == 0
    lacking = bootstrap(METRICS["kappa"], np.array([0, 1]), np.eye(2), list("ab"), 100)
    assert (lacking.low, lacking.high, lacking.n_undefined > 20) == (1, 1, True)


def test_every_kind_has_its_metrics_and_errors_are_told_from_scores():
    assert set(PLAIN) <= set(METRICS)
    for kind, name in SELECTION.items():
        assert METRICS[name].kind == kind
        assert METRICS[name].higher_is_better
        assert {METRICS[shown].kind for shown in HEADLINE[kind]} == {kind}
        for metric in metrics_for(kind):
            assert metric.higher_is_better != metric.name.removeprefix("macro_").startswith(
                ("brier", "ece", "mae", "rmse")
            )
