"""Cross-validated linear models: what they may see and what they find."""

import numpy as np
import pytest
from out_of_fold import chance_predictions, cross_validated_predictions

from biosig.downstream.probe.heads import DEFAULTS
from biosig.evaluate.intervals import bootstrap
from biosig.evaluate.metrics import METRICS, ROLES
from biosig.evaluate.splits import group_folds


def _task(n_subjects=30, per_subject=8, n_classes=2, effect=1.0, seed=0):
    """Windows of subjects that differ by a personal offset, and by class along one direction."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat([f"S{i:02d}" for i in range(n_subjects)], per_subject)
    y = np.tile(np.arange(per_subject) % n_classes, n_subjects)
    X = rng.normal(size=(len(y), 10)) + rng.normal(size=(n_subjects, 10)).repeat(per_subject, 0)
    X[:, 0] += effect * y
    return X, y, subjects


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_planted_effect_is_found_and_its_interval_is_above_chance(n_classes):
    X, y, subjects = _task(n_classes=n_classes, effect=3.0)
    folds = group_folds(subjects, 5, 0, y=y)
    scored = cross_validated_predictions(X, y, subjects, folds, "classes")
    assert scored.prediction.sum(1) == pytest.approx(1)
    for name in ROLES["classes"].headline:
        assert bootstrap(METRICS[name], y, scored.prediction, subjects).low > 1 / n_classes + 0.1
    assert scored.notes == []


def test_permuted_labels_give_an_interval_that_contains_one_half():
    X, y, subjects = _task(effect=3.0, n_subjects=40)
    permuted = np.random.default_rng(11).permutation(y)
    folds = group_folds(subjects, 5, 0, y=permuted)
    scored = cross_validated_predictions(X, permuted, subjects, folds, "classes")
    for name in ROLES["classes"].headline:
        interval = bootstrap(METRICS[name], permuted, scored.prediction, subjects)
        assert interval.low < 0.5 < interval.high


def test_a_label_that_is_the_person_is_not_predicted_from_who_the_person_is():
    rng = np.random.default_rng(2)
    subjects = np.repeat([f"S{i:02d}" for i in range(40)], 10)
    X = rng.normal(size=(40, 30)).repeat(10, 0) * 5 + rng.normal(size=(400, 30))  # who it is, beyond doubt
    y = rng.permutation(np.arange(40) % 2).repeat(10)  # a coin per person
    by_subject = cross_validated_predictions(X, y, subjects, group_folds(subjects, 5, 0, y=y), "classes")
    assert METRICS["auroc"].value(y, by_subject.prediction) < 0.75
    windows_as_people = np.arange(400).astype(str)  # the usual mistake, to show that the test can fail
    leaked = cross_validated_predictions(X, y, windows_as_people, group_folds(windows_as_people, 5, 0, y=y), "classes")
    assert METRICS["auroc"].value(y, leaked.prediction) > 0.9


def test_nothing_of_the_test_part_reaches_the_fit():
    X, y, subjects = _task()
    fold = group_folds(subjects, 5, 0, y=y)[0]
    once = cross_validated_predictions(X, y, subjects, [fold], "classes")
    changed_X, changed_y = X.copy(), y.copy()
    half = fold.test[: len(fold.test) // 2]
    changed_X[half] = 1e6
    changed_y[fold.test] = 1 - y[fold.test]
    again = cross_validated_predictions(changed_X, changed_y, subjects, [fold], "classes")
    other = np.setdiff1d(fold.test, half)
    assert (once.prediction[other] == again.prediction[other]).all()
    assert once.penalties == again.penalties


def test_a_number_is_predicted_and_beats_the_mean():
    rng = np.random.default_rng(0)
    subjects = np.array([f"S{i:03d}" for i in range(100)])
    X = rng.normal(size=(100, 5))
    y = 60 + 10 * X[:, 0] + rng.normal(size=100)
    folds = group_folds(subjects, 5, 0)
    ridge = cross_validated_predictions(X, y, subjects, folds, "number")
    mean = chance_predictions(y, folds, "number")
    assert METRICS["r2"].value(y, ridge.prediction) > 0.9
    assert METRICS["r2"].value(y, mean) <= 0
    assert METRICS["mae"].value(y, ridge.prediction) < METRICS["mae"].value(y, mean)


def test_missing_features_are_filled_from_training_subjects_and_absent_columns_do_no_harm():
    X, y, subjects = _task(effect=3.0)
    X[::3, 1] = np.nan
    X[:, 2] = np.nan
    folds = group_folds(subjects, 5, 0, y=y)
    X[folds[0].train, 3] = np.nan  # known in one fold's test part only
    scored = cross_validated_predictions(X, y, subjects, folds, "classes")
    assert np.isfinite(scored.prediction).all()
    assert METRICS["auroc"].value(y, scored.prediction) > 0.8


def test_too_few_subjects_to_choose_a_penalty_is_said():
    X, y, subjects = _task(n_subjects=4)
    scored = cross_validated_predictions(X, y, subjects, group_folds(subjects, 2, 0, y=y), "classes")
    assert scored.penalties == [DEFAULTS["logistic"]] * 2
    assert "too few subjects to choose" in scored.notes[0]


def test_chance_is_exactly_chance():
    _, y, subjects = _task(n_classes=3)
    folds = group_folds(subjects, 5, 0, y=y)
    chance = chance_predictions(y, folds, "classes")
    assert METRICS["balanced_accuracy"].value(y, chance) == pytest.approx(1 / 3, abs=1e-15)
    assert METRICS["auroc"].value(y, chance) == 0.5
