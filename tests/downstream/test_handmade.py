"""The baseline of hand-made features: the better of two models for each label, and what it remarks."""

import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.downstream.baselines.context import FoldPredictions
from biosig.downstream.baselines.features import better_of, clipped
from biosig.errors import DataError
from biosig.evaluate.baselines.physiology import feature_matrix


def of(validation, test):
    return FoldPredictions(np.asarray(validation, float), np.asarray(test, float))


def test_each_label_takes_the_model_that_ranks_its_validation_part_better():
    y = np.array([[0, 0, 0], [0, 1, 0], [1, 0, np.nan], [1, 1, 0]], float)
    right, wrong = [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1]
    linear = of(np.stack((right, wrong, right), 1), [[0.1, 0.2, 0.3]])
    trees = of(np.stack((wrong, [0.1, 0.9, 0.1, 0.9], wrong), 1), [[0.7, 0.8, 0.9]])
    chosen = better_of(linear, trees, y, "multilabel")
    assert chosen.test.tolist() == [[0.1, 0.8, 0.3]]  # of the third label nobody is known to have it: the linear model
    assert chosen.validation[:, 1].tolist() == [0.1, 0.9, 0.1, 0.9]
    assert linear.test.tolist() == [[0.1, 0.2, 0.3]]


def test_numbers_and_classes_take_one_model_for_all():
    y = np.array([1.0, 2.0, 3.0])
    near, far = of([1, 2, 3.1], [5]), of([3, 2, 1], [6])
    assert better_of(far, near, y, "number") is near
    assert better_of(near, far, y, "number") is near
    right, wrong = of(np.eye(2)[[0, 0, 1]], np.eye(2)), of(np.eye(2)[[1, 1, 0]], np.eye(2))
    assert better_of(wrong, right, np.array([0, 0, 1]), "classes") is right
    assert better_of(wrong, right, np.array([0, 0, 0]), "classes") is wrong  # nothing to rank by


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
