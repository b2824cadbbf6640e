"""The subject bootstrap: what it promises, and how much it does at once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from biosig.errors import BiosigError
from biosig.evaluate.intervals import BootstrapInterval, bootstrap, bootstrap_scores
from biosig.evaluate.metrics import METRICS, ROLES, metrics_for


def _classes(n=60, n_classes=2, n_subjects=12, seed=0, ties=True):
    rng = np.random.default_rng(seed)
    subject = np.array([f"S{i:03d}" for i in rng.integers(0, n_subjects, n)])
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    scores = rng.normal(size=(n, n_classes)) + 0.8 * np.eye(n_classes)[y]
    if ties:
        scores = scores.round(1)
    return y, scores, subject


def _one_against_rest(y, scores):
    columns = [1] if scores.shape[1] == 2 else range(scores.shape[1])
    return np.mean([roc_auc_score(y == k, scores[:, k]) for k in columns])


@given(seed=st.integers(0, 10_000), n=st.integers(4, 40), n_classes=st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_auroc_with_unit_weights_is_the_plain_auroc(seed, n, n_classes):
    y, scores, _ = _classes(n=max(n, n_classes + 1), n_classes=n_classes, seed=seed)
    weighted = METRICS["auroc"].resampled(y, scores, np.ones((1, len(y))))[0]
    assert weighted == pytest.approx(_one_against_rest(y, scores), abs=1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_auroc_depends_on_ranks_only(seed):
    y, scores, subject = _classes(seed=seed)
    stretched = np.exp(scores / 3) * 7 - 2
    once, again = (bootstrap(METRICS["auroc"], y, s, subject, n_resamples=50) for s in (scores, stretched))
    assert once == again


def test_constant_scores_are_exactly_chance():
    y, scores, subject = _classes(n_classes=2)
    constant = np.full_like(scores, 0.5)
    for name in ROLES["classes"].headline:
        interval = bootstrap(METRICS[name], y, constant, subject)
        assert (interval.value, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_windows_of_few_subjects_give_a_wider_interval_than_independent_ones():
    y, scores, _ = _classes(n=400, ties=False)
    person = np.arange(400) // 40
    scores = scores + np.random.default_rng(0).normal(0, 1.5, 10)[person][:, None] * [[-1, 1]]
    by_subject = bootstrap(METRICS["auroc"], y, scores, person.astype(str))
    by_window = bootstrap(METRICS["auroc"], y, scores, np.arange(400).astype(str))
    assert by_subject.value == by_window.value
    assert by_subject.n_subjects == 10
    truth_by_person = np.repeat(np.arange(10) % 2, 40)  # a label that belongs to the person
    clustered = bootstrap(METRICS["auroc"], truth_by_person, scores, person.astype(str))
    naive = bootstrap(METRICS["auroc"], truth_by_person, scores, np.arange(400).astype(str))
    assert clustered.high - clustered.low > 2 * (naive.high - naive.low)


def test_permuted_labels_give_an_interval_around_chance():
    y, scores, subject = _classes(n=400, n_subjects=40)
    permuted = np.random.default_rng(5).permutation(y)
    assert bootstrap(METRICS["auroc"], y, scores, subject).low > 0.5
    for name in ROLES["classes"].headline:
        interval = bootstrap(METRICS[name], permuted, scores, subject)
        assert interval.low < 0.5 < interval.high


def test_resamples_without_a_class_are_counted_and_few_subjects_are_said():
    y = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]])
    interval = bootstrap(METRICS["auroc"], y, scores, ["a", "a", "b", "b"], n_resamples=400, seed=0)
    assert 150 < interval.n_undefined < 250  # one class only in half of the draws of two people
    assert (interval.low, interval.high) == (1.0, 1.0)
    few, undefined = interval.caveats()
    assert "Only 2 subjects" in few
    assert f"{interval.n_undefined} of 400" in undefined


def test_same_seed_same_interval_other_seed_another():
    y, scores, subject = _classes(n=100)
    first, again, other = (bootstrap(METRICS["auroc"], y, scores, subject, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_resample_is_the_same_whatever_the_block_and_the_company(monkeypatch):
    y, scores, subject = _classes(n=100)
    whole = bootstrap_scores(metrics_for("classes"), y, scores, subject, 50, seed=4)
    monkeypatch.setattr("biosig.evaluate.intervals._BLOCK_ELEMENTS", 700)
    for name, found in whole.items():
        alone = bootstrap_scores([METRICS[name]], y, scores, subject, 50, seed=4)[name]
        np.testing.assert_allclose(alone, found, rtol=0, atol=1e-12)


def test_pairs_see_a_difference_that_overlapping_intervals_hide():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(40), 10)
    y = np.arange(400) % 2
    hard = rng.normal(0, 2, 40)[person]  # people differ in how hard they are, alike for both models
    better, worse = (np.stack((-s, s), axis=1) for s in (1.3 * y + hard, 1.0 * y + hard))
    apart = [bootstrap(METRICS["auroc"], y, s, person.astype(str)) for s in (better, worse)]
    assert apart[0].low < apart[1].high
    a, b = (bootstrap_scores([METRICS["auroc"]], y, s, person.astype(str))["auroc"] for s in (better, worse))
    assert BootstrapInterval.of(apart[0].value - apart[1].value, a - b, 40).low > 0


@pytest.mark.parametrize(("n", "n_calls"), [(1000, 1), (8000, 2)])
def test_a_thousand_resamples_are_scored_together_in_blocks_that_memory_holds(n, n_calls):
    """The metric is asked once a block, not once a resample, and no block holds more than 32 MB of weights."""
    y, scores, subject = _classes(n=n, n_subjects=100, ties=False)
    asked = []

    def resampled(y, prediction, weights):
        asked.append(weights.nbytes)
        return METRICS["auroc"].resampled(y, prediction, weights)

    counted = replace(METRICS["auroc"], resampled=resampled)
    assert bootstrap(counted, y, scores, subject) == bootstrap(METRICS["auroc"], y, scores, subject)
    assert len(asked) == n_calls
    assert max(asked) <= 32e6


def test_a_class_without_rows_is_an_error():
    with pytest.raises(BiosigError, match="Class 1 of 2 has no row"):
        METRICS["balanced_accuracy"].value(np.zeros(3, int), np.zeros((3, 2)))
    with pytest.raises(BiosigError, match="3 labels, 2 predictions"):
        bootstrap(METRICS["mae"], np.zeros(3), np.zeros(2), ["a", "b", "c"])
