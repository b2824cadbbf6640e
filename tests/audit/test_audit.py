"""Perturbations and measures of signals, and the audit of a task from its configuration to a file."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from conftest import audit_config, by_check, coin
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig import config as configuration
from biosig.audit.config import AuditConfig, read_config
from biosig.audit.context import AuditContext
from biosig.audit.identity import recordings_apart
from biosig.audit.permutation import permuted, regressands
from biosig.audit.perturbations import equal_gain, flattened, flipped, noisy, notched, reordered, with_fewer_leads
from biosig.audit.run import run_audit
from biosig.audit.signal_measures import line_peak, measure_window, power_spectrum, slopes
from biosig.cli.run_config import audit
from biosig.downstream.data.task import open_model, open_task
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.errors import DataError, UsageError


def values(recording):
    return recording.streams[0].physical()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_flattening_takes_each_slope_out_and_a_common_tilt_leaves_the_differences(eegs, rng):
    eeg, (stream,) = eegs[0], eegs[0].streams
    before = slopes(*power_spectrum(values(eeg), stream.sfreq))
    own = slopes(*power_spectrum(values(flattened()(eeg, rng)), stream.sfreq))
    common = slopes(*power_spectrum(values(flattened({"eeg": 1.0})(eeg, rng)), stream.sfreq))
    assert np.abs(own).max() < 0.1 < 0.5 < before.min()
    assert np.allclose(before - common, 1.0, atol=0.1)
    assert np.allclose(values(flattened()(eeg, rng)).std(axis=1), values(eeg).std(axis=1), rtol=1e-3)


def test_a_notch_removes_a_line_and_is_seen_as_one(eegs, rng):
    (stream,) = eegs[0].streams
    times = np.arange(stream.n_times) / stream.sfreq
    hum = (100 * np.sin(2 * np.pi * 50 * times)).astype(np.int16)
    hummed = replace(eegs[0], streams=[replace(stream, samples=stream.samples + hum)])
    peaks = [line_peak(*power_spectrum(values(x), stream.sfreq), 50.0) for x in (hummed, notched(hummed, rng))]
    assert peaks[0] > 1.5
    assert peaks[1] < 0.5
    assert np.isnan(line_peak(*power_spectrum(values(eegs[0]), 100.0), 60.0))


def test_gain_polarity_order_noise_and_leads(eegs, rng):
    eeg = eegs[0]
    louder = replace(eeg, streams=[replace(eeg.streams[0], scale=eeg.streams[0].scale * 3)])
    one, other = (values(equal_gain({"eeg": 20.0})(x, rng)) for x in (eeg, louder))
    assert np.allclose(one, other, rtol=1e-4)
    assert (values(flipped(eeg, rng)) == -values(eeg)).all()
    turned = reordered(eeg, rng)
    assert turned.ch_names != eeg.ch_names
    assert {n: r.tobytes() for n, r in zip(turned.ch_names, values(turned), strict=True)} == {
        n: r.tobytes() for n, r in zip(eeg.ch_names, values(eeg), strict=True)
    }
    noise = values(noisy(10.0)(eeg, rng)) - values(eeg)
    assert 20 * np.log10(values(eeg).std(axis=1) / noise.std(axis=1)) == pytest.approx([10.0] * 8, abs=0.3)
    assert len(with_fewer_leads(0.25)(eeg, rng).ch_names) == 2
    assert len(with_fewer_leads(0.01)(eeg, rng).ch_names) == 1


def test_channels_that_a_model_does_not_read_and_gaps_are_left_alone(bedside, rng):
    part = bedside.crop(0, 8)
    part.streams[0].invalid = np.array([[0, 100, 200]])
    for change in (notched, flattened(), noisy(0.0), flipped):
        after = change(part, rng)
        assert np.array_equal(np.isnan(values(after)), np.isnan(values(part)))
        assert after.ch_names == part.ch_names
    assert set(measure_window(part, ["ecg", "ppg"])["gain"]) == {"ecg", "ppg"}
    assert measure_window(part, ["ecg"])["missing samples"]["valid"] == pytest.approx(1.0)


@given(sizes=st.lists(st.integers(1, 5), min_size=2, max_size=8), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_permuted_labels_stay_together_where_a_subject_has_one(sizes, seed):
    person = np.repeat(np.arange(len(sizes)), sizes)
    taken = permuted(person, np.random.default_rng(seed))
    donors = person[taken]
    assert all(len(np.unique(donors[person == subject])) == 1 for subject in range(len(sizes)))
    assert sorted({int(donors[person == subject][0]) for subject in range(len(sizes))}) == list(range(len(sizes)))


def test_times_are_regressed_as_martingale_residuals():
    found = regressands(np.array([[1.0, 1], [2.0, 0], [3.0, 1]]), "survival")[:, 0]
    assert found == pytest.approx([1 - 1 / 3, -1 / 3, 1 - 1 / 3 - 1])


def test_people_are_looked_for_in_windows_apart(ecgs, plant):
    config = audit_config(plant(ecgs[:4], ["a", "b"] * 2), [], windows={"length": 2.0})
    known, found = recordings_apart(open_task(config.shards, None, config.target, config.windows))
    assert known.tolist() == [0, 1, 5, 6, 10, 11, 15, 16]
    assert found.tolist() == [3, 4, 8, 9, 13, 14, 18, 19]


def test_of_many_windows_some_are_drawn_evenly_over_subjects_and_classes(eegs, plant):
    config = audit_config(plant(eegs, coin(len(eegs))), [], windows={"length": 2.0}, most_windows=50)
    task = open_task(config.shards, None, config.target, config.windows)
    trial = AuditContext(config, task, open_model("biosig-tiny", 0, "cpu"))
    _, counts = np.unique(trial.task.subjects, return_counts=True)
    assert counts.sum() == 50
    assert counts.min() >= 7
    assert "50 of 168 windows" in trial.notes[0]


@pytest.fixture
def task_file(ecgs, plant, tmp_path):
    """A probe's configuration of a task with an answer: the class is a slow wave of a tenth of a millivolt."""
    labels = coin(18)
    waves = []
    for ecg, label in zip(ecgs[:18], labels, strict=True):
        (stream,) = ecg.streams
        wave = 300 * (label == "a") * np.sin(2 * np.pi * 5 * np.arange(stream.n_times) / stream.sfreq)
        waves.append(replace(ecg, streams=[replace(stream, samples=(stream.samples + wave).astype(np.int16))]))
    values = {
        "model": "biosig-tiny",
        "shards": str(plant(waves, labels)),
        "target": {"label": "label", "classes": {"a": ["a"], "b": ["b"]}},
        "windows": {"length": 5.0},
        "split": {"folds": 3},
        "baselines": ["chance"],
    }
    result = tmp_path / "result"
    result.mkdir()
    (result / "config.yaml").write_text(yaml.safe_dump(values))
    return result / "config.yaml"


def test_a_probes_configuration_is_audited_and_the_verb_says_what_was_found(task_file, tmp_path, capsys):
    assert read_config(task_file).out is None
    status = audit(task_file, (f"out={tmp_path / 'audit'}", "checks=[permutation, spectrum, robustness]", "head=ridge"))
    content = json.loads((tmp_path / "audit" / "audit.json").read_text())
    found = {finding["check"]: finding for finding in content["findings"]}
    assert set(content["findings"][0]) == {"check", "value", "low", "high", "expected", "verdict", "sentence"}
    assert found["score"]["verdict"] == "ok"
    assert found["permuted labels: p"]["value"] < 0.05
    assert found["band power alone"]["value"] > 0.8
    assert found["upside down"]["verdict"] == "warn"
    assert found["leads in another order"]["verdict"] == "ok"
    assert found["noise at 20 dB"]["value"] >= found["noise at 0 dB"]["value"]
    assert content["verdict"] in ("warn", "ok")
    assert status == 0
    shown = capsys.readouterr()
    assert "leads in another order" in shown.out
    assert "embedding moves by" in shown.out
    assert "random weights" in shown.out


def test_the_audit_of_a_probes_result_checks_its_split_and_lies_beside_it(task_file, tmp_path):
    out = tmp_path / "probed"
    run_probe(configuration.load(ProbeConfig, task_file, [f"out={out}", "head=ridge", "n_bootstrap=100"]))
    config = read_config(out, ["checks=[leakage]"])
    assert config.out == out
    found = by_check(run_audit(config))
    assert found["subjects on both sides"].verdict == "ok"
    assert json.loads((out / "audit.json").read_text())["config"]["checks"] == ["leakage"]
    assert "No subject is in two parts" in (out / "report.html").read_text()
    parts = json.loads((out / "splits.json").read_text())
    parts["test_subjects"][0].append(parts["train_subjects"][0][0])
    (out / "splits.json").write_text(json.dumps(parts))
    with pytest.raises(DataError, match=r"splits\.json is damaged: its SHA-256 is not the one in SHA256SUMS"):
        run_audit(config)
    (out / "SHA256SUMS").unlink()
    with pytest.raises(DataError, match="it was changed"):
        run_audit(config)


def test_a_configuration_of_something_else_is_refused(tmp_path):
    (tmp_path / "other.yaml").write_text("out: runs/a\nsources: []\n")
    with pytest.raises(UsageError, match="Unknown key"):
        read_config(tmp_path / "other.yaml")


@pytest.mark.parametrize("folder", ["probe", "finetune", "tasks"])
def test_the_shipped_configurations_can_be_audited(folder, request):
    for path in sorted((request.config.rootpath / "configs" / folder).glob("*.yaml")):
        assert isinstance(read_config(path), AuditConfig), path
    assert configuration.load(AuditConfig, configuration.to_dict(read_config(path))) == read_config(path)
