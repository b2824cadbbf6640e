"""A network that the project does not know, through a probe, a fine-tuning and scikit-learn's estimators."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import biosig
from biosig import config as configuration
from biosig.cli.run_config import probe
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.errors import DataError, UsageError

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
CONTRACT = biosig.ModuleContract("ecg", 100.0, LEADS, "mV", seconds=5.0)
TARGET = {
    "label": "diagnostic_superclass",
    "classes": {"normal": ["NORM"], "abnormal": ["MI", "STTC", "CD", "HYP"]},
}


class LabNet(nn.Module):
    """Someone's network: convolutions with batch statistics, and a vector."""

    def __init__(self, tokens=False):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(12, 8, 15, 5), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 8, 15, 5))
        self.tokens = tokens

    def forward(self, x):
        return self.layers(x).mT if self.tokens else self.layers(x).mean(-1)


def _probe(shards, **changes):
    values = {
        "model": "LabNet",
        "shards": str(shards.folder),
        "target": TARGET,
        "windows": {"length": 5.0},
        "split": {"folds": 3, "validation": 0.25},
        "n_bootstrap": 100,
        "skip_baselines": ["xresnet", "handmade"],
    }
    return configuration.load(ProbeConfig, {**values, **changes})


def _tuning(shards, **changes):
    values = {
        "model": "LabNet",
        "shards": str(shards.folder),
        "target": TARGET,
        "windows": {"length": 5.0},
        "split": {"folds": 2, "validation": 0.34},
        "pooling": "cls",
        "probe": {"lr": 5e-3, "epochs": 1, "mixup": False},
        "tune": {"lr": 1e-2, "epochs": 2, "method": "full"},
        "scratch": {"lr": 1e-3, "epochs": 1},
        "baselines": ["chance", "random_weights", "from_scratch"],
        "n_bootstrap": 100,
        "keep_weights": False,
    }
    return configuration.load(FineTuneConfig, {**values, **changes})


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return biosig.wrap(LabNet(), CONTRACT, LabNet)


def test_a_probe_has_the_row_of_random_weights_where_make_builds_the_module(model, ecg_shards, tmp_path):
    out = tmp_path / "result"
    result = run_probe(_probe(ecg_shards, out=str(out)), model=model)
    assert list(dict.fromkeys(result.table["method"])) == ["model", "chance", "demographics", "random_weights"]
    assert "What the model has seen in its training is unknown: its makers did not say." in result.notes
    assert result.facts["model_revision"] == model.revision
    scores = result.predictions.groupby("method")["score_abnormal"]
    assert not np.allclose(scores.get_group("model"), scores.get_group("random_weights"))
    assert configuration.load(ProbeConfig, out / "config.yaml").model == "LabNet"


def test_without_make_the_row_is_missing_with_a_remark_and_refused_where_named(ecg_shards):
    model = biosig.wrap(LabNet(), CONTRACT)
    result = run_probe(_probe(ecg_shards), model=model)
    assert list(dict.fromkeys(result.table["method"])) == ["model", "chance", "demographics"]
    assert (
        "The baseline random_weights is left out: nothing builds the module of model 'LabNet' anew; give biosig.wrap a "
        "function make for that."
    ) in result.notes
    with pytest.raises(UsageError, match="The baseline random_weights cannot be made: nothing builds the module"):
        run_probe(_probe(ecg_shards, baselines=["random_weights"], skip_baselines=[]), model=model)


def test_what_a_wrapped_module_has_not_is_refused_in_a_probe(model, ecg_shards):
    for changes, sentence in (
        ({"layer": 0}, "only the output can be read"),
        ({"head": "attention"}, "no pool query"),
        ({"pooling": "mean"}, "gives a vector and no tokens"),
        ({"channels": ["V1"]}, "has no channel I, II"),
        ({"windows": {"length": 4.0}}, "takes windows of 5 s"),
    ):
        with pytest.raises((UsageError, DataError), match=sentence):
            run_probe(_probe(ecg_shards, **changes), model=model)


def test_the_one_layer_can_be_chosen_and_tokens_read_out(ecg_shards):
    tokens = biosig.wrap(LabNet(tokens=True), CONTRACT)
    result = run_probe(
        _probe(ecg_shards, pooling="mean+std", layer="validation", baselines=[], skip_baselines=[]), model=tokens
    )
    assert {fit["layer"] for fit in result.facts["fits"]} == {-1}


def test_a_configuration_names_a_wrapped_module_by_its_python_name(model, ecg_shards, tmp_path, monkeypatch):
    (tmp_path / "our_lab.py").write_text(
        "import biosig\n"
        "from torch import nn\n"
        f"contract = biosig.ModuleContract('ecg', 100.0, {LEADS!r}, 'mV', normalisation='window')\n"
        "network = biosig.wrap(nn.Sequential(nn.Conv1d(12, 4, 9), nn.AdaptiveAvgPool1d(4), nn.Flatten()), contract)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = replace(_probe(ecg_shards, skip_baselines=[], baselines=["chance"]), model="our_lab:network")
    configuration.dump(config, tmp_path / "probe.yaml")
    assert probe(tmp_path / "probe.yaml", [f"out={tmp_path / 'result'}"]) == 0
    with pytest.raises(UsageError, match=r"not a model: give the name of a model that biosig\.wrap made"):
        biosig.load_model("our_lab:contract")
    with pytest.raises(UsageError, match=r"cannot be imported .* put its folder on PYTHONPATH"):
        biosig.load_model("nobodys_lab:network")
    del sys.modules["our_lab"]


def test_every_weight_is_tuned_beside_the_network_from_scratch(model, ecg_shards, tmp_path):
    before = model.revision
    result = run_finetune(_tuning(ecg_shards, out=str(tmp_path / "tuned")), model=model)
    assert list(dict.fromkeys(result.table["method"])) == ["model", "chance", "random_weights", "from_scratch"]
    assert result.table["value"].notna().all()
    assert model.revision == before
    head = run_finetune(_tuning(ecg_shards, tune={"lr": 1e-2, "epochs": 0}, baselines=["chance"]), model=model)
    tuned, frozen = (found.predictions.query("method == 'model'")["score_abnormal"] for found in (result, head))
    assert not np.allclose(tuned, frozen)


def test_what_cannot_be_tuned_is_refused(model, ecg_shards, tmp_path):
    for changes, sentence in (
        ({"tune": {"lr": 1e-3, "epochs": 1, "method": "lora"}}, "is a wrapped module: choose full"),
        ({"keep_weights": True, "out": str(tmp_path / "out")}, "set keep_weights=false"),
        ({"pooling": "attention"}, "has no pool query: choose pooling=cls"),
    ):
        with pytest.raises(UsageError, match=sentence):
            run_finetune(_tuning(ecg_shards, **changes), model=model)
    without = biosig.wrap(LabNet(), CONTRACT)
    with pytest.raises(UsageError, match="The baseline random_weights cannot be made"):
        run_finetune(_tuning(ecg_shards), model=without)


def test_estimators_take_a_wrapped_module(model, ecg_shards):
    recordings = [stored.read().crop(0.0, 5.0) for stored in ecg_shards]
    X = np.stack([recording.streams[0].physical() for recording in recordings])
    y = np.array([recording.subject.sex for recording in recordings])
    described = {"ch_names": LEADS, "sfreq": 100.0, "kind": "ecg"}
    vectors = make_pipeline(biosig.EmbeddingTransformer(model, **described), StandardScaler()).fit_transform(X)
    assert vectors.shape == (len(X), 8)
    classifier = biosig.EmbeddingClassifier(model).fit(recordings, y)
    np.testing.assert_array_equal(
        classifier.predict(recordings), biosig.EmbeddingClassifier(model, **described).fit(X, y).predict(X)
    )
    tuned = biosig.FineTunedClassifier(model, method="full", epochs=1, random_state=0, **described).fit(X, y)
    assert set(tuned.predict(X)) <= {"male", "female"}
