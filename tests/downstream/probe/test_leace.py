"""Linear erasure: groups cannot be told apart, and as little as possible is changed."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from biosig.downstream.probe.leace import fit_eraser
from biosig.errors import UsageError


def _people(n_people=6, per_person=40, n_features=20, seed=0):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_people), per_person)
    X = rng.normal(size=(len(group), n_features)) @ rng.normal(size=(n_features, n_features))
    return X + 3 * rng.normal(size=(n_people, n_features))[group], group


def test_no_linear_model_tells_the_groups_apart_afterwards():
    X, group = _people()
    assert LogisticRegression(max_iter=5000).fit(X, group).score(X, group) > 0.9
    erased = fit_eraser(X, group)(X)
    means = np.stack([erased[group == person].mean(0) for person in range(6)])
    np.testing.assert_allclose(means - means[0], 0, atol=1e-9)
    assert LogisticRegression(max_iter=5000).fit(erased, group).score(erased, group) < 0.3


def test_what_varies_within_groups_stays_and_less_moves_than_by_projection():
    X, group = _people()
    label = np.random.default_rng(1).normal(size=len(group))
    label -= np.array([label[group == person].mean() for person in range(6)])[group]
    X = X + np.outer(label, np.random.default_rng(2).normal(size=20)) * 3
    eraser = fit_eraser(X, group)
    erased = eraser(X)
    fit = np.linalg.lstsq(erased - erased.mean(0), label, rcond=None)[0]
    assert np.corrcoef((erased - erased.mean(0)) @ fit, label)[0, 1] > 0.95
    means = np.stack([X[group == person].mean(0) for person in range(6)]) - X.mean(0)
    axes = np.linalg.svd(means, full_matrices=False)[2][:5]
    projected = X - (X - X.mean(0)) @ axes.T @ axes
    assert ((erased - X) ** 2).sum() < ((projected - X) ** 2).sum()


def test_more_features_than_rows_are_no_trouble_and_groups_that_span_everything_are_refused():
    X, group = _people(n_people=3, per_person=5, n_features=40)
    erased = fit_eraser(X, group)(X)
    means = np.stack([erased[group == person].mean(0) for person in range(3)])
    np.testing.assert_allclose(means - means[0], 0, atol=1e-8)
    X, group = _people(n_people=30, per_person=2, n_features=10)
    with pytest.raises(UsageError, match="30 groups span all 10 directions of the features"):
        fit_eraser(X, group)
