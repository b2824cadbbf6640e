"""Calibration finds the distortion that was planted, and its tables are plain counts."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss, roc_auc_score

from biosig.errors import DataError, UsageError
from biosig.evaluate.calibration import Calibration, fit_calibration, reliability, risk_coverage


def drawn_classes(n=4000, n_classes=3, seed=0):
    """Truth drawn from known probabilities, and their logits."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, n_classes))
    y = (rng.random((n, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return y, logits


def drawn_labels(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, (n, 3))
    y = (rng.random((n, 3)) < expit(logits)).astype(float)
    y[rng.random((n, 3)) < 0.1] = np.nan
    return y, logits


def test_temperature_undoes_a_known_sharpening():
    y, logits = drawn_classes()
    found = fit_calibration("temperature", "classes", y, softmax(3 * logits, axis=1))
    assert found.temperatures[0] == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(found(softmax(3 * logits, axis=1)), softmax(logits, axis=1), atol=0.03)
    y, logits = drawn_labels()
    factors = np.array([0.5, 1, 3])
    found = fit_calibration("temperature", "multilabel", y, expit(factors * logits))
    assert found.temperatures == pytest.approx(factors, rel=0.15)


def test_isotonic_is_scikit_learns_and_mends_what_no_temperature_can():
    y, logits = drawn_labels()
    shifted = expit(logits + 2)  # too sure of yes, whatever the sharpness
    found = fit_calibration("isotonic", "multilabel", y, shifted)
    known = np.isfinite(y[:, 0])
    fit = IsotonicRegression(out_of_bounds="clip").fit(shifted[known, 0], y[known, 0])
    np.testing.assert_allclose(found(shifted)[:, 0], fit.predict(shifted[:, 0]), atol=1e-12)
    assert np.abs(found(shifted) - expit(logits)).mean() < 0.03
    y, logits = drawn_classes()
    mended = fit_calibration("isotonic", "classes", y, softmax(3 * logits, axis=1))(softmax(3 * logits, axis=1))
    np.testing.assert_allclose(mended.sum(axis=1), 1)
    mended = mended.clip(1e-3) / mended.clip(1e-3).sum(axis=1, keepdims=True)
    assert log_loss(y, mended) < log_loss(y, softmax(3 * logits, axis=1)) - 0.05


@given(seed=st.integers(0, 10_000), sharpness=st.floats(0.2, 5))
@settings(max_examples=20, deadline=None)
def test_temperature_keeps_the_class_of_a_row_and_the_order_of_a_label(seed, sharpness):
    y, logits = drawn_classes(60, seed=seed)
    scores = softmax(sharpness * logits, axis=1)
    calibrated = fit_calibration("temperature", "classes", y, scores)(scores)
    assert (calibrated.argmax(axis=1) == scores.argmax(axis=1)).all()
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    labels = (y[:, None] == np.arange(3)).astype(float)
    after = fit_calibration("temperature", "multilabel", labels, scores)(scores)
    for k in np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0)):
        assert roc_auc_score(labels[:, k], after[:, k]) == pytest.approx(roc_auc_score(labels[:, k], scores[:, k]))


def test_few_rows_told_apart_perfectly_do_not_ask_for_certainty():
    y = np.arange(10) % 2
    scores = np.where(y[:, None] == [0, 1], 0.7, 0.3)
    assert 0.9 < fit_calibration("temperature", "classes", y, scores)(scores).max() < 0.99


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_a_label_that_no_row_has_stays_as_it_is_and_is_named(method):
    y, logits = drawn_labels(200)
    y[:, 1] = 0
    scores = expit(logits)
    found = fit_calibration(method, "multilabel", y, scores)
    np.testing.assert_allclose(found(scores)[:, 1], scores[:, 1], atol=1e-9)
    assert found.caveats(["AF", "LBBB", "RBBB"]) == [
        "'LBBB' could not be calibrated: the rows to fit on are all with it or all without it."
    ]


@pytest.mark.parametrize("method", ["none", "temperature", "isotonic"])
@pytest.mark.parametrize("kind", ["classes", "multilabel"])
def test_what_is_stored_as_json_calibrates_the_same(method, kind):
    y, logits = drawn_classes(300) if kind == "classes" else drawn_labels(300)
    scores = softmax(logits, axis=1)
    found = fit_calibration(method, kind, y, scores)
    again = Calibration.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    np.testing.assert_array_equal(again(scores), found(scores))
    assert method != "none" or found(scores) is scores


def test_numbers_and_times_pass_through():
    values = np.array([61.0, 74.0])
    for kind in ("number", "survival"):
        assert fit_calibration("temperature", kind, values, values)(values) is values


def test_reliability_is_counts_in_bins_of_equal_mass():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.8, 0.8, 0.8, 0.9])
    y = np.array([[0, 0, 1, 0, 1, 1, 0, 1.0]]).T
    table = reliability(y, scores[:, None], n_bins=4)
    assert table["n"].tolist() == [2, 2, 3, 1]  # the three ties are not torn apart
    assert table["score"].tolist() == pytest.approx([0.15, 0.35, 0.8, 0.9])
    assert table["share"].tolist() == pytest.approx([0, 0.5, 2 / 3, 1])
    two = reliability(y[:, 0].astype(int), np.stack((1 - scores, scores), axis=1), n_bins=4)
    assert two.drop(columns="column").equals(table.drop(columns="column"))
    assert two["column"].unique().tolist() == [1]


def test_reliability_of_true_probabilities_is_a_diagonal():
    y, logits = drawn_classes(20_000)
    table = reliability(y, softmax(logits, axis=1))
    assert len(table) == 30
    assert (table["score"] - table["share"]).abs().max() < 0.04


def test_risk_falls_as_fewer_decisions_are_taken():
    y = np.array([0, 0, 1, 1, 0])
    scores = np.array([0.95, 0.8, 0.1, 0.8, 0.6])  # of class 0: the fourth is wrong, and as sure as the second
    curve = risk_coverage(y, np.stack((scores, 1 - scores), axis=1))
    assert curve["coverage"].tolist() == pytest.approx([0.2, 0.4, 0.8, 1.0])
    assert curve["risk"].tolist() == pytest.approx([0, 0, 0.25, 0.2])
    assert curve["threshold"].tolist() == pytest.approx([0.95, 0.9, 0.8, 0.6])
    y, logits = drawn_labels()
    curve = risk_coverage(y, expit(logits))
    assert len(curve) == 100
    assert (curve["coverage"].iloc[-1], curve["risk"].iloc[0]) == (1, 0)
    assert curve["risk"].iloc[-1] == pytest.approx(
        (((expit(logits) > 0.5) != y) & np.isfinite(y)).sum() / np.isfinite(y).sum()
    )


def test_what_is_no_probability_or_no_calibration_is_refused():
    with pytest.raises(UsageError, match="1 of 2 scores are not probabilities"):
        fit_calibration("temperature", "multilabel", np.ones((2, 1)), np.array([[0.5], [1.5]]))
    with pytest.raises(UsageError, match="no calibration 'platt': choose one of none, temperature, isotonic"):
        fit_calibration("platt", "classes", np.zeros(2, int), np.ones((2, 1)))
    with pytest.raises(DataError, match="are not a calibration"):
        Calibration.from_dict({"method": "temperature"})
