"""The baselines of a task: by default, by name, and without those that are switched off."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.downstream.baseline import check_kind
from biosig.downstream.baselines import BASELINES, method_title
from biosig.downstream.baselines.defaults import default_baselines, exclude, modalities_of
from biosig.downstream.baselines.features import demographic_features
from biosig.downstream.data.label_windows import Target
from biosig.downstream.experiments.probe import run_probe
from biosig.downstream.probe.config import ProbeConfig
from biosig.errors import UsageError
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index


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
    assert default_baselines(kind, modalities, demographics) == ["chance", *last]


def test_only_a_baseline_of_the_task_can_be_switched_off():
    defaults = default_baselines("classes", {"eeg"}, False)
    assert "tangent" not in exclude(defaults, ["tangent", "shallow"])
    with pytest.raises(UsageError, match="'skip_baselines' names 'xresnet', which is not a baseline of this task"):
        exclude(defaults, ["xresnet"])


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


VALUES = {"model": "m", "shards": "s", "target": {"label": "age"}, "windows": {"length": 5.0}}


def test_a_configuration_names_baselines_of_the_registry():
    config = configuration.load(ProbeConfig, VALUES, ["baselines=[chance,heart_rate]", "skip_baselines=[chance]"])
    assert config.baselines == ["chance", "heart_rate"]
    for key in ("baselines", "skip_baselines"):
        with pytest.raises(UsageError, match=rf"{key}\[1\] is 'pca'; it must be one of .*'tangent'"):
            configuration.load(ProbeConfig, VALUES, [f"{key}=[chance,pca]"])


def test_a_baseline_of_another_kind_of_target_is_refused_with_the_configuration():
    with pytest.raises(UsageError, match="The baseline tangent fits targets of kind classes, and this target is of"):
        configuration.load(ProbeConfig, VALUES, ["baselines=[tangent]"])
    with pytest.raises(UsageError, match="There is no baseline 'pca'"):
        check_kind(["pca"], "classes")


def test_a_budget_that_is_no_time_is_refused_with_the_configuration():
    with pytest.raises(UsageError, match="network_minutes is 0: give a positive number of minutes"):
        configuration.load(ProbeConfig, VALUES, ["network_minutes=0"])


def test_methods_have_titles():
    assert method_title("model") == "model on trial"
    assert method_title("handmade") == BASELINES["handmade"].title == "hand-made features"
    assert method_title("model, 6 leads") == "model, 6 leads"


def test_baselines_are_listed_without_torch_or_scikit_learn():
    code = """import sys
from biosig.downstream.baselines import BASELINES, defaults
assert all(baseline.title for baseline in BASELINES.values())
defaults.default_baselines("classes", {"eeg"}, True)
assert not {"torch", "scipy", "sklearn"} & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_rate_by_rule_beats_the_mean_of_what_the_monitor_showed(tmp_path):
    with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
        for path in sorted(samples.path("bidmc").rglob("*_Signals.csv.gz")):
            recording = biosig.read(path)
            writer.add(replace(recording, subject=Subject(recording.id)))
    build_index(tmp_path)
    values = {"model": "biosig-tiny", "shards": str(tmp_path), "target": {"target_channel": "HR"}, "n_bootstrap": 100}
    plan = {"windows": {"length": 10.0, "stride": 60.0}, "split": {"folds": 3, "validation": 0.5}}
    config = configuration.load(ProbeConfig, {**values, **plan, "baselines": ["chance", "heart_rate"]})
    error = run_probe(config).table.set_index(["metric", "method"])["value"]["mae"]
    assert error["heart_rate"] < 0.5 * error["chance"]
