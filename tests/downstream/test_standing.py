"""The baselines that stand beside a task unless they are switched off by name."""

import numpy as np
import pytest

from biosig.downstream.standing import (
    demographic_features,
    modalities_of,
    standing_baselines,
    without_those_named,
)
from biosig.downstream.target_config import Target
from biosig.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "modalities", "demographics", "last"),
    [
        ("classes", {"eeg"}, False, ["random_weights", "handmade", "tangent", "shallow"]),
        ("number", {"eeg"}, True, ["demographics", "random_weights", "handmade", "shallow"]),
        ("multilabel", {"ecg"}, True, ["demographics", "random_weights", "handmade", "xresnet"]),
        ("number", {"ecg", "ppg"}, False, ["random_weights", "handmade"]),
        ("survival", {"ppg"}, False, ["random_weights", "handmade", "xresnet"]),
    ],
)
def test_each_task_has_those_that_suit_it(kind, modalities, demographics, last):
    assert standing_baselines(kind, modalities, demographics) == ["chance", *last]


def test_only_a_baseline_that_stands_there_can_be_switched_off():
    standing = standing_baselines("classes", {"eeg"}, False)
    assert "tangent" not in without_those_named(standing, ["tangent", "shallow"])
    with pytest.raises(UsageError, match="'without' names 'xresnet', which does not stand beside this task"):
        without_those_named(standing, ["xresnet"])


def test_age_and_sex_are_features_unless_they_are_the_target(ecg_shards, eeg_shards):
    both = demographic_features(ecg_shards, Target(label="diagnostic_superclass"))
    assert both.shape == (len(ecg_shards), 2)
    assert np.isfinite(both).mean() > 0.9
    assert set(both[np.isfinite(both[:, 1]), 1]) == {0.0, 1.0}
    np.testing.assert_array_equal(demographic_features(ecg_shards, Target(label="age")), both[:, [1]])
    np.testing.assert_array_equal(demographic_features(ecg_shards, Target(label="sex")), both[:, [0]])
    assert demographic_features(eeg_shards, Target(label="run")).shape == (len(eeg_shards), 0)


def test_modalities_are_what_the_model_reads_of_the_recordings(ecg_shards):
    assert modalities_of(ecg_shards, ("ecg", "ppg", "eeg")) == {"ecg"}
