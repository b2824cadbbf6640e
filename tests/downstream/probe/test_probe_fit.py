"""One fitted probe: what it chooses, and that all of it is in its digest."""

import numpy as np
import pytest

from biosig.downstream.probe.few_shot import drawn_rows
from biosig.downstream.probe.fit import ProbeSpec, fit_probe


def _layers(informative, n_subjects=30, per_subject=6, seed=0):
    """Features of three layers (3, N, 10), one of which tells the class."""
    rng = np.random.default_rng(seed)
    groups = np.repeat([f"S{i:02d}" for i in range(n_subjects)], per_subject)
    y = np.tile(np.arange(per_subject) % 2, n_subjects)
    X = rng.normal(size=(3, len(y), 10)).astype(np.float32)
    X[informative, :, 0] += 2 * y
    return X, y, groups


@pytest.mark.parametrize("informative", [0, 1, 2])
@pytest.mark.parametrize("head", ["logistic", "knn"])
def test_the_layer_that_tells_the_class_is_chosen_by_training_subjects(informative, head):
    X, y, groups = _layers(informative)
    fitted = fit_probe(X, y, groups, ProbeSpec(head, "classes", 2))
    assert fitted.layer == informative
    assert len(fitted.layer_scores) == 3
    assert ((fitted(X).argmax(1) == y).mean()) > 0.75


def test_the_digest_tells_every_fit_apart():
    X, y, groups = _layers(1)
    once = fit_probe(X, y, groups, ProbeSpec("logistic", "classes", 2, "temperature"))
    assert once.digest() == fit_probe(X, y, groups, ProbeSpec("logistic", "classes", 2, "temperature")).digest()
    nudged = X.copy()
    nudged[1, 7, 3] = np.nextafter(nudged[1, 7, 3], np.float32(9))
    others = [
        fit_probe(nudged, y, groups, ProbeSpec("logistic", "classes", 2, "temperature")),
        fit_probe(X, y, groups, ProbeSpec("logistic", "classes", 2, "isotonic")),
        fit_probe(X, y, groups, ProbeSpec("ridge", "classes", 2, "temperature")),
        fit_probe(X, y, groups, ProbeSpec("logistic", "classes", 2, "temperature"), erased=groups.astype("U2")),
    ]
    assert len({once.digest(), *(other.digest() for other in others)}) == 5


def test_labels_have_settings_and_calibrations_of_their_own_where_they_are_known():
    X, y, groups = _layers(1)
    labels = np.stack((y, 1 - y, np.zeros(len(y))), axis=1).astype(float)
    labels[::5, 0] = np.nan
    labels[0, 2] = 1.0
    fitted = fit_probe(X, labels, groups, ProbeSpec("logistic", "multilabel", 3, "temperature"))
    scores = fitted(X)
    assert scores.shape == (len(y), 3)
    assert len(fitted.settings) == len(fitted.calibration.temperatures) == 3
    assert ((scores[:, 0] > 0.5) == (y == 1)).mean() > 0.75


def test_missing_features_take_training_medians_and_constants_do_no_harm():
    X, y, groups = _layers(2)
    X[:, ::3, 1] = np.nan
    X[:, :, 2] = np.nan
    X[:, :, 3] = 7.0
    assert np.isfinite(fit_probe(X, y, groups, ProbeSpec("ridge", "classes", 2))(X)).all()


def test_as_many_labels_of_each_class_are_drawn_as_asked():
    y = np.repeat([0, 1, 2], [60, 30, 6])
    units = np.repeat(np.arange(48), 2)  # two windows a recording
    rng = np.random.default_rng(0)
    rows = drawn_rows(y, units, "classes", 5, rng)
    assert [len(np.unique(units[rows][y[rows] == k])) for k in range(3)] == [5, 5, 3]  # the third has three in all
    assert np.bincount(units[rows]).max() == 2
    assert (drawn_rows(y, units, "classes", "all", rng) == np.arange(96)).all()
    assert len(np.unique(units[drawn_rows(y.astype(float), units, "number", 10, rng)])) == 10
    labels = np.stack((y == 0, y > 0), axis=1).astype(float)
    assert len(np.unique(units[drawn_rows(labels, units, "multilabel", 4, rng)])) == 8
