"""Rebuilding absent channels: nothing of a target reaches the input, and the baselines are what they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import fixed_length_windows
from biosig.cli.run_config import waveform
from biosig.downstream.results.cross_modal_scores import correlation, mean_interval
from biosig.downstream.waveform.baselines.linear_filter import LinearFilter
from biosig.downstream.waveform.baselines.mean_beat import MeanBeat
from biosig.downstream.waveform.config import WaveformConfig
from biosig.downstream.waveform.dataset import WaveformWindows
from biosig.downstream.waveform.model import WaveformHead, WaveformModel, load_waveform_model
from biosig.downstream.waveform.run import run_waveform
from biosig.errors import DataError, UsageError
from biosig.evaluate.intervals import bootstrap
from biosig.evaluate.metrics import METRICS
from biosig.models.encoder import Encoder
from biosig.models.load import build_model
from biosig.models.presets import preset
from biosig.pretrain.objectives.configs.decoder import DecoderConfig
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index

SMALL = DecoderConfig(embed_dim=32, depth=1, num_heads=2)
CONFIGS = Path(__file__).parents[3] / "configs" / "waveform"


@pytest.fixture(scope="module")
def ecg():
    """Three 12-lead ECGs of 10 s."""
    folder = samples.path("ptbxl")
    return [biosig.read(path) for path in sorted(folder.rglob("*_lr.hea"))[:3]]


@pytest.fixture(scope="module")
def bedside():
    """Half a minute of ECG, PPG and arterial pressure."""
    path = next(p for p in samples.path("bidmc").rglob("bidmc_04_Signals.csv.gz"))
    return biosig.read(path).crop(0.0, 30.0)


def _windows(recordings, inputs, targets, contract, length=10.0):
    windows = fixed_length_windows(RecordingList(recordings), length)
    data = WaveformWindows(windows, contract, inputs, targets)
    data.measure(np.arange(len(windows)))
    return data


def _csfm(depth=2):
    torch.manual_seed(0)
    config = replace(preset("csfm-tiny"), embed_dim=64, depth=depth, num_heads=2, head_dim=32)
    return Encoder(config).eval()


def _model(encoder, data):
    torch.manual_seed(0)
    return WaveformModel(encoder, WaveformHead(data.inputs, data.targets, SMALL)).eval()


def test_targets_never_reach_the_input(ecg):
    model = build_model("biosig-tiny")
    data = _windows(ecg, ["II"], ["V1", "aVL", "V6"], model.contract)
    network = _model(model.encoder, data)
    whole = network.rebuild(ecg[0])
    (stream,) = ecg[0].streams
    alone = replace(ecg[0], streams=[stream.pick([stream.ch_names.index("II")])], robust_scale={})
    for with_targets, without in zip(whole, network.rebuild(alone), strict=True):
        assert with_targets.name == without.name
        assert with_targets.values.shape == (1000,)
        np.testing.assert_array_equal(with_targets.values, without.values)
    loud = stream.samples.copy()
    loud[stream.ch_names.index("V1")] *= 7
    changed = replace(ecg[0], streams=[replace(stream, samples=loud)], robust_scale={"ecg": 9.0})
    np.testing.assert_array_equal(network.rebuild(changed)[0].values, whole[0].values)


def test_windows_of_different_channels_are_rebuilt_as_if_alone(ecg, bedside):
    model = build_model("biosig-tiny")
    data = _windows([*ecg, bedside], ["II"], ["V1", "aVR", "ppg"], model.contract)
    network = _model(model.encoder, data)
    questions = [data[row][0] for row in range(len(data))]
    assert [len(q.wanted) for q in questions] == [2, 2, 2, 2, 2, 2]
    with torch.inference_mode():
        together = network(questions)
        for question, predictions in zip(questions, together, strict=True):
            for x, y in zip(network([question])[0], predictions, strict=True):
                torch.testing.assert_close(x, y, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("inputs", [["II"], ["ppg"], ["II", "ppg"]])
def test_csfm_rebuilds_pressure_from_any_inputs(bedside, inputs):
    encoder = _csfm()
    data = _windows([bedside], inputs, ["abp"], encoder.config.contract)
    (target,) = data.targets
    assert target.borrowed
    assert target.channel.unit == "mmHg"
    assert 40 < target.centre < 140  # its mean is part of what is rebuilt
    (rebuilt,) = _model(encoder, data).rebuild(bedside.crop(10.0, 10.0))
    assert rebuilt.unit == "mmHg"
    assert rebuilt.values.shape == (2500,)
    assert abs(rebuilt.values.mean() - target.centre) < 5 * target.scale
    _, expected = data[0]
    pressure = next(s for s in bedside.of_kind("abp")).physical()[0, :1250]
    assert np.corrcoef(target.physical(expected[0])[::2], pressure)[0, 1] > 0.99


def test_a_linear_filter_knows_einthovens_law(ecg):
    contract = build_model("biosig-tiny").contract
    data = _windows(ecg, ["I", "II"], ["III", "aVR"], contract)
    linear = LinearFilter(contract)
    linear.fit(data, [0, 1])
    question, expected = data[2]
    for prediction, values in zip(linear.predict(question), expected, strict=True):
        assert correlation(prediction, values) > 0.998
        assert np.abs(prediction - values).max() < 0.1 * np.abs(values).max()


def test_the_mean_beat_lies_at_the_beats_of_the_input(ecg):
    contract = build_model("biosig-tiny").contract
    data = _windows(ecg, ["II"], ["V5"], contract)
    beat = MeanBeat(contract)
    beat.fit(data, [1])
    question, (expected,) = data[1]
    (prediction,) = beat.predict(question)
    assert correlation(prediction, expected) > 0.7  # its own average
    silent = replace(question.inputs[0], values=np.zeros_like(question.inputs[0].values))
    (nothing,) = beat.predict(question._replace(inputs=[silent]))
    assert not nothing.any()


def test_a_head_learns_windows_by_heart(ecg):
    torch.manual_seed(0)
    encoder = Encoder(replace(preset("biosig-tiny"), embed_dim=64, depth=1, num_heads=2))
    data = _windows(ecg[:2], ["II"], ["V2", "aVF"], encoder.config.contract, length=2.0)
    network = _model(encoder, data).train()
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    errors = []
    for _ in range(40):
        questions, expected_values = zip(*(data[row] for row in range(4)), strict=True)
        pairs = zip(network(questions), expected_values, strict=True)
        loss = torch.stack(
            [(x - torch.from_numpy(y)).square().mean() for xs, ys in pairs for x, y in zip(xs, ys, strict=True)]
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert errors[-1] < 0.4 * errors[0]


@pytest.mark.parametrize(
    ("inputs", "targets", "error", "words"),
    [
        (["II"], ["II"], UsageError, "both input and target"),
        (["II"], ["V9"], UsageError, "No recording has a channel 'V9'"),
        (["V9"], ["II"], UsageError, "No recording has a channel 'II' beside V9"),
        (["II"], ["ecg"], DataError, "give one by its name"),
    ],
)
def test_channels_that_cannot_be(ecg, inputs, targets, error, words):
    with pytest.raises(error, match=words):
        _windows(ecg, inputs, targets, build_model("biosig-tiny").contract)


def test_overlapping_patches_are_refused(ecg):
    with pytest.raises(UsageError, match="patches overlap"):
        _windows(ecg, ["II"], ["V1"], preset("reve-small").contract)


def test_a_chest_lead_of_unknown_place_is_no_target_for_csfm(bedside):
    with pytest.raises(UsageError, match="no place for the target 'V'"):
        _windows([bedside], ["II"], ["V"], _csfm().config.contract)
    contract = build_model("biosig-tiny").contract
    assert _windows([bedside], ["II"], ["V"], contract).targets[0].name == "V"  # known by a vector of its own


def test_a_recording_without_the_input_is_refused_by_name(ecg):
    model = build_model("biosig-tiny")
    network = _model(model.encoder, _windows(ecg, ["II"], ["V1"], model.contract))
    (stream,) = ecg[0].streams
    with pytest.raises(DataError, match="no channel 'II'"):
        network.rebuild(replace(ecg[0], streams=[stream.pick([0])]))


@pytest.fixture(scope="module")
def few_ecg(tmp_path_factory):
    """Twelve people's ECG, one without V6."""
    out = tmp_path_factory.mktemp("waveform")
    with ShardWriter(out / "ecg.h5", recipe={}) as writer:
        for number, path in enumerate(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:12]):
            recording = biosig.read(path)
            if number == 0:
                recording = replace(recording, streams=[recording.streams[0].pick(range(11))])
            writer.add(replace(recording, subject=Subject(f"P{number}"), labels={"fold": number % 3}))
    build_index(out)
    return out


def test_a_run_from_a_configuration_to_saved_weights(few_ecg, tmp_path, capsys):
    values = {
        "model": "biosig-tiny",
        "shards": str(few_ecg),
        "inputs": ["II"],
        "targets": ["V2", "V6"],
        "split": {"train": "fold == 0", "validation": "fold == 1", "test": "fold == 2"},
        "length": 5.0,
        "decoder": {"embed_dim": 32, "depth": 1, "num_heads": 2},
        "training": {"epochs": 2, "batch_size": 8},
        "n_bootstrap": 100,
        "device": "cpu",
    }
    path = tmp_path / "config.yaml"
    configuration.dump(configuration.load(WaveformConfig, values), path)
    assert waveform(path, (f"out={tmp_path / 'run'}",)) == 0
    printed = capsys.readouterr().out
    assert "mean_beat" in printed
    assert "random weights" in printed
    saved = load_waveform_model(tmp_path / "run" / "weights" / "fold-0")
    assert [t.name for t in saved.head.targets] == ["V2", "V6"]
    result = run_waveform(configuration.load(WaveformConfig, values))
    table = result.table.set_index(["channel", "method", "metric"])["value"]
    assert set(result.table["channel"]) == {"V2", "V6", "all"}
    assert {"model", "mean_beat", "linear", "model - mean_beat"} <= set(result.table["method"])
    own, rival = table["V2", "model", "rmse"], table["V2", "mean_beat", "rmse"]
    assert table["V2", "model - mean_beat", "rmse"] == pytest.approx(own - rival)
    # What was saved is what was rated: the same run gives the same weights.
    stored = biosig.open_shards(few_ecg).query("fold == 2")[0]
    rebuilt = saved.rebuild(stored.read(0.0, 5.0))[0].values
    (stream,) = stored.read(0.0, 5.0).streams
    expected = stream.physical()[stream.ch_names.index("V2"), : len(rebuilt)]
    row = result.predictions.query(
        f"method == 'model' and channel == 'V2' and recording == '{stored.id}' and onset == 0"
    )
    assert correlation(rebuilt.astype(float), expected.astype(float)) == pytest.approx(
        row["correlation"].item(), abs=1e-3
    )


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_configurations_load(path):
    assert configuration.load(WaveformConfig, path).targets


def test_means_have_the_intervals_of_the_bootstrap():
    rng = np.random.default_rng(0)
    values, subjects = rng.random(40), rng.integers(0, 12, 40).astype(str)
    found = bootstrap(METRICS["mae"], np.zeros(40), values, subjects)
    np.testing.assert_allclose(mean_interval(values, subjects), (found.value, found.low, found.high))
    with_gap = np.append(values, np.nan)
    assert mean_interval(with_gap, np.append(subjects, subjects[0])) == mean_interval(values, subjects)
