"""Fine-tuning on labels, with fewer leads, and beside ECG baselines: real 12-lead recordings from shards to a table."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from biosig import config as configuration
from biosig.batches.packed import pack
from biosig.cli.run_config import finetune
from biosig.downstream.baselines.models.s4 import S4, StateSpaceLayer
from biosig.downstream.baselines.models.xresnet import XResNet
from biosig.downstream.data.channel_subsets import ChannelSubset
from biosig.downstream.data.label_windows import label_windows
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.errors import DataError, UsageError
from biosig.evaluate.metrics import metrics_for
from biosig.plots.robustness import plot_robustness

LABELS = {"NORM": ["NORM"], "MI": ["MI"], "CD": ["CD", "HYP", "STTC"]}
STAGE = {"lr": 1e-3, "epochs": 1, "warmup": 0, "batch_size": 8, "mixup": False}


def _values(shards, **changes):
    values = {
        "model": "biosig-tiny",
        "shards": str(shards.folder),
        "target": {"label": "diagnostic_superclass", "labels": LABELS},
        "windows": {"length": 5.0},
        "split": {"folds": 2, "validation": 0.5},
        "probe": STAGE,
        "tune": {**STAGE, "method": "full", "schedule": "linear", "layer_decay": 0.75},
        "scratch": STAGE,
        "network_width": 4,
        "inputs": {"limb leads": ["I", "II", "III", "aVR", "aVL", "aVF"], "ECG": ["ecg"]},
        "baselines": ["chance", "random_weights", "xresnet", "s4"],
        "n_bootstrap": 100,
    }
    return {**values, **changes}


@pytest.fixture(scope="module")
def finished(ecg_shards, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "diagnosis"
    return run_finetune(configuration.load(FineTuneConfig, _values(ecg_shards, out=str(out)))), out


@pytest.mark.slow
def test_every_method_and_every_input_stands_in_the_table_and_each_label_in_its_own(finished):
    result, out = finished
    methods = ["model", "model, limb leads", "model, ECG", "chance", "random_weights", "xresnet", "s4"]
    assert list(dict.fromkeys(result.table["method"])) == methods
    assert list(dict.fromkeys(result.table["metric"])) == [metric.name for metric in metrics_for("multilabel")]
    chance = result.table.set_index(["method", "metric"]).loc[("chance", "macro_auroc")]
    assert (chance["value"], chance["low"], chance["high"]) == (0.5, 0.5, 0.5)
    labels = result.by_label
    assert len(labels) == len(methods) * len(LABELS) * 2
    model_rows = labels[(labels["method"] == "model") & (labels["metric"] == "auroc")]
    macro = result.table.set_index(["method", "metric"]).loc[("model", "macro_auroc"), "value"]
    assert model_rows["value"].mean() == pytest.approx(macro)
    assert model_rows["n_positive"].tolist() == [result.facts["cohort"][name]["n_recordings"] for name in LABELS]
    assert json.loads((out / "metrics.json").read_text())["labels"][0]["label"] == "NORM"


def test_all_channels_by_their_modality_are_all_channels(finished):
    rows = finished[0].predictions.set_index("method")
    columns = [f"score_{name}" for name in LABELS]
    np.testing.assert_allclose(rows.loc["model, ECG", columns], rows.loc["model", columns], atol=1e-6)
    assert not np.allclose(rows.loc["model, limb leads", columns], rows.loc["model", columns], atol=1e-3)


def test_recordings_have_any_number_of_labels_and_those_without_a_value_are_left_out(ecg_shards):
    labelled = label_windows(ecg_shards, Target("diagnostic_superclass", labels=LABELS), WindowPlan(5.0))
    codes = ecg_shards.labels["diagnostic_superclass"]
    for row, y in zip(labelled.windows.recording, labelled.y, strict=True):
        assert y.tolist() == [bool(set(codes.iloc[row]) & set(meant)) for meant in LABELS.values()]
    n_none = sum(not codes_of_recording for codes_of_recording in codes)
    assert len(np.unique(labelled.windows.recording)) == len(codes) - n_none
    assert labelled.notes == (
        [f"{n_none} of {len(codes)} recordings have no diagnostic_superclass and are left out."] if n_none else []
    )


def test_the_probe_fits_each_label_by_itself(ecg_shards):
    values = {name: _values(ecg_shards)[name] for name in ("model", "shards", "target", "windows", "n_bootstrap")}
    result = run_probe(
        configuration.load(ProbeConfig, {**values, "split": {"folds": 2, "validation": 0.5}, "baselines": ["chance"]})
    )
    assert set(result.by_label["label"]) == set(LABELS)
    assert result.table["value"].between(0, 1).all()


def test_fewer_leads_are_what_a_recording_with_fewer_leads_gives(ecg_shards, tiny):
    windows = label_windows(ecg_shards, Target(label="age"), WindowPlan(10.0)).windows
    everything = PreparedWindows(windows, tiny.contract)
    everything.survey()
    fewer = ChannelSubset(everything, ["II", "V2"])
    (stream,) = fewer[0]
    recording = windows.read(0)
    wanted = [i for i, c in enumerate(recording.streams[0].channels) if c.name in ("II", "V2")]
    (expected,) = tiny.prepare(replace(recording, streams=[recording.streams[0].pick(wanted)]))
    assert stream.ch_names == expected.ch_names == ["II", "V2"]
    for name in ("valid", "position", "reference", "channel", "sign"):
        np.testing.assert_array_equal(getattr(stream, name), getattr(expected, name))
    np.testing.assert_allclose(stream.to_physical(stream.values), expected.to_physical(expected.values), atol=1e-3)
    assert fewer.usable().all()
    assert pack([fewer[0]], tiny.contract).n_tokens * 6 == pack([everything[0]], tiny.contract).n_tokens
    with pytest.raises(UsageError, match="No window has 'V9'"):
        ChannelSubset(everything, ["V9"])
    with pytest.raises(UsageError, match="No window has the channel or modality 'ppg'"):
        PreparedWindows(windows, tiny.contract, channels=["ppg", "I"]).survey()


def test_the_verb_draws_what_fewer_leads_cost(ecg_shards, tmp_path):
    changes = {"baselines": ["chance"], "channels": ["I", "II", "V2"], "inputs": {"1 lead": ["I"]}}
    tune = {**STAGE, "epochs": 0}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(_values(ecg_shards, tune=tune, **changes)))
    assert finetune(tmp_path / "run.yaml", (f"out={tmp_path / 'result'}",)) == 0
    assert (tmp_path / "result" / "plots" / "robustness.png").stat().st_size > 5000


def test_the_plot_has_a_mark_for_each_input(finished):
    figure = plot_robustness(finished[0].table)
    marks = {artist.get_gid() for ax in figure.axes for artist in ax.lines}
    assert {"model", "model, limb leads", "model, limb leads interval", "chance line"} <= marks
    assert "s4" not in marks
    with pytest.raises(DataError, match="give the fine-tuning some inputs"):
        plot_robustness(pd.DataFrame({"method": ["model"], "metric": ["a"]}))


def test_xresnet_has_the_papers_shape_and_begins_as_shallow_as_its_stem():
    network = XResNet(12, 5)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv1d)]
    assert len([c for c in convolutions if c.kernel_size != (1,) or c.stride != (1,)]) == 3 + 16
    assert network.head[2].in_features == 2 * 2048
    assert network(torch.randn(2, 12, 250)).shape == (2, 5)


def test_the_filter_of_s4_is_the_recurrence_of_its_state_space():
    torch.manual_seed(0)
    layer = StateSpaceLayer(3, 0.0)
    a = torch.complex(-layer.log_decay.exp(), layer.frequency).detach().numpy().astype(complex)
    step = layer.log_step.exp().detach().numpy()[:, None]
    c = torch.view_as_complex(layer.readout).detach().numpy().astype(complex)
    x = np.random.default_rng(0).normal(size=50)
    state, by_step = np.zeros_like(a), []
    for value in x:
        state = np.exp(step * a) * state + (np.exp(step * a) - 1) / a * value
        by_step.append(2 * (c * state).sum(axis=1).real)
    kernel = layer.kernel(50).detach().double().numpy()
    by_filter = np.stack([np.convolve(x, feature_values)[:50] for feature_values in kernel])
    np.testing.assert_allclose(by_filter, np.stack(by_step, axis=1), atol=1e-3)
    assert S4(2, 4, width=8)(torch.randn(3, 2, 77)).shape == (3, 4)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"baselines": ["tangent"]}, "fits targets of kind classes"),
        ({"target": {"label": "age"}, "loss": {"asymmetric": True}}, "loss.asymmetric is for"),
        ({"target": {"label": "age"}, "loss": {"balanced": True}}, "loss.balanced weighs"),
        ({"target": {"time": "t", "event": "e"}, "probe": {**STAGE, "mixup": True}}, "no time to an event"),
        ({"probe": {**STAGE, "layer_decay": 0}}, "layer_decay is 0"),
    ],
)
def test_settings_that_do_not_suit_the_truth_are_refused(ecg_shards, changes, says):
    with pytest.raises(UsageError, match=says):
        configuration.load(FineTuneConfig, _values(ecg_shards, **changes))
