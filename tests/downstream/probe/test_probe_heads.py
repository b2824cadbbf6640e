"""Heads on frozen features, against scikit-learn's own fits."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from biosig.downstream.probe.config import resolve_head
from biosig.downstream.probe.heads import SETTINGS, fit_path
from biosig.errors import UsageError


def _data(n=80, n_features=12, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    Z, new = rng.normal(size=(n, n_features)), rng.normal(size=(20, n_features))
    y = np.sort(rng.permutation(n) % n_classes)
    Z[:, 0] += y
    return Z, y, new


@pytest.mark.parametrize("n_features", [12, 150])
def test_ridge_at_every_penalty_is_scikit_learns(n_features):
    Z, _, new = _data(n_features=n_features)
    value = 50 + 3 * Z[:, 0]
    for penalty, predictor in zip(
        SETTINGS["ridge"], fit_path("ridge", Z, value, "number", SETTINGS["ridge"]), strict=True
    ):
        np.testing.assert_allclose(predictor(new), Ridge(alpha=penalty).fit(Z, value).predict(new), rtol=1e-8)


def test_ridge_of_classes_weighs_them_alike():
    Z, y, new = _data(n=90)
    keep = np.concatenate((np.arange(30), np.arange(60, 90), np.arange(30, 35)))  # class 1 is rare
    Z, y = Z[keep], y[keep]
    weight = len(y) / 3 / np.bincount(y)[y]
    expected = Ridge(alpha=10.0).fit(Z, 2 * np.eye(3)[y] - 1, sample_weight=weight).predict(new)
    (predictor,) = fit_path("ridge", Z, y, "classes", (10.0,), 3)
    scores = predictor(new)
    np.testing.assert_allclose(scores, np.exp(expected) / np.exp(expected).sum(1, keepdims=True), rtol=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_regression_is_scikit_learns(n_classes):
    Z, y, new = _data(n_classes=n_classes)
    (predictor,) = fit_path("logistic", Z, y, "classes", (100.0,), n_classes)
    expected = LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000).fit(Z, y).predict_proba(new)
    np.testing.assert_allclose(predictor(new), expected, atol=1e-6)


def test_neighbours_and_prototypes_are_scikit_learns():
    Z, y, new = _data(n=90)
    (predictor,) = fit_path("knn", Z, y, "classes", (5,), 3)
    np.testing.assert_allclose(predictor(new), KNeighborsClassifier(5).fit(Z, y).predict_proba(new), atol=1e-12)
    (predictor,) = fit_path("prototype", Z, y, "classes", (1.0,), 3)
    assert (predictor(new).argmax(1) == NearestCentroid().fit(Z, y).predict(new)).all()


@pytest.mark.parametrize("head", ["logistic", "ridge", "knn", "prototype"])
def test_probabilities_sum_to_one_and_absent_classes_have_none(head):
    Z, y, new = _data(n_classes=2)
    (predictor,) = fit_path(head, Z, 2 * y, "classes", SETTINGS[head][-1:], 4)  # classes 0 and 2 of four
    scores = predictor(new)
    assert scores.sum(1) == pytest.approx(1)
    if head != "ridge":
        assert (scores[:, [1, 3]] == 0).all()
    (alone,) = fit_path(head, Z, np.ones_like(y), "classes", (1,), 2)
    assert (alone(new) == 0.5).all()
    (without_rows,) = fit_path(head, Z[:0], y[:0], "classes", (1,), 2)
    assert (without_rows(new) == 0.5).all()


def test_a_head_that_does_not_suit_the_target_is_refused():
    assert [resolve_head(None, kind) for kind in ("classes", "multilabel", "number", "survival")] == [
        "logistic",
        "logistic",
        "ridge",
        "cox",
    ]
    with pytest.raises(UsageError, match="head logistic does not predict a target of kind number: choose ridge"):
        resolve_head("logistic", "number")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_regression_of_more_features_than_rows_is_that_over_the_rows_span(n_classes):
    Z, y, new = _data(n_features=400, n_classes=n_classes)
    exact = LogisticRegression(class_weight="balanced", max_iter=5000, tol=1e-8)
    for penalty, predictor in zip(
        (1e3, 1e1), fit_path("logistic", Z, y, "classes", (1e3, 1e1), n_classes), strict=True
    ):
        expected = exact.set_params(C=1 / penalty).fit(Z, y).predict_proba(new)
        np.testing.assert_allclose(predictor(new), expected, atol=2e-3)
