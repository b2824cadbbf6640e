"""The baseline of hand-made features: the better of two models, and what it remarks."""

import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.downstream.baselines.features import clipped, is_better
from biosig.downstream.baselines.models.forest import fit_forest
from biosig.downstream.baselines.models.physiology import feature_matrix
from biosig.errors import DataError


def test_what_ranks_known_labels_better_on_the_mean_is_chosen():
    y = np.array([[0, 0, 0], [0, 1, 0], [1, 0, np.nan], [1, 1, 0]], float)
    right, wrong = [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1]
    linear = np.stack((right, wrong, right), 1)
    trees = np.stack((wrong, [0.1, 0.9, 0.1, 0.9], wrong), 1)  # of the third label nobody is known to have it
    assert not is_better(trees, linear, y, "multilabel")  # 0 against 1, and 1 against .25: the mean is lower
    assert is_better(np.stack((right, trees[:, 1], wrong), 1), linear, y, "multilabel")
    assert not is_better(linear, linear, y, "multilabel")


def test_numbers_and_classes_by_their_leading_metric():
    y = np.array([1.0, 2.0, 3.0])
    near, far = np.array([1, 2, 3.1]), np.array([3.0, 2, 1])
    assert is_better(near, far, y, "number")
    assert not is_better(far, near, y, "number")
    right, wrong = np.eye(2)[[0, 0, 1]], np.eye(2)[[1, 1, 0]]
    assert is_better(right, wrong, np.array([0, 0, 1]), "classes")
    assert not is_better(right, wrong, np.array([0, 0, 0]), "classes")  # nothing to rank by


def test_a_forest_predicts_every_class_and_label_also_absent_ones():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5))
    X[:, 1], X[::7, 2] = np.nan, np.nan
    y = 2 * (X[:, 0] > 0).astype(np.int64)  # of three classes nobody has the second
    predicted = fit_forest(X, y, "classes", 3, 0)(X)
    assert predicted.shape == (80, 3)
    assert (predicted[:, 1] == 0).all()
    assert (predicted.argmax(axis=1) == y).mean() > 0.95
    labels = np.stack((y / 2, np.full(80, np.nan), np.where(X[:, 3] > 0, 1.0, np.nan)), axis=1)
    predicted = fit_forest(X, labels, "multilabel", 3, 0)(X)
    assert (predicted[:, 1] == 0.5).all()
    assert ((predicted[:, 0] > 0.5) == (labels[:, 0] > 0)).mean() > 0.95
    assert (predicted[:, 2] == 1).all()
    values = fit_forest(X, X[:, 0], "number", 0, 0)(X)
    assert np.corrcoef(values, X[:, 0])[0, 1] > 0.9


def test_outliers_are_clipped_by_training_values_alone():
    X = np.concatenate((np.linspace(0, 1, 201), [50.0, -50.0]))[:, None]
    X = np.concatenate((X, np.full_like(X, np.nan)), axis=1)
    Z = clipped(X, np.arange(201))
    assert Z[-2:, 0] == pytest.approx([0.995, 0.005])
    assert np.isnan(Z[:, 1]).all()


def test_windows_that_cannot_be_measured_are_counted():
    ecg = biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0])
    bedside = biosig.read(sorted(samples.path("bidmc").glob("*_Signals.csv.gz"))[0]).crop(0, 10)
    stream = ecg.streams[0]
    flat = biosig.Recording("flat", [stream.pick(range(12))])
    flat.streams[0].samples = np.zeros_like(stream.samples)
    matrix, remarks = feature_matrix([ecg, flat, bedside])
    assert len(matrix) == 3
    assert np.isfinite(matrix[0]).sum() > 1000
    assert np.isfinite(matrix[2]).sum() > 300
    assert any(remark.startswith("No heart beat was found in 1 of 3 windows") for remark in remarks)
    assert "Amplitudes of 1 of 1 windows of ppg have no believable unit and are left out." in remarks
    with pytest.raises(DataError, match="None of 1 windows gives a feature"):
        feature_matrix([biosig.Recording("empty", [])])
