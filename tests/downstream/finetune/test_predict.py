"""Tuned weights applied to new recordings: from shards, from files, with channels that are not there."""

import json
import shutil
from dataclasses import replace

import mne
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.batches.windows import LeftOutWarning
from biosig.cli.apply import embed, predict
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.classifier import HEAD, load_classifier
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.finetune.predict import predictions, schema_of, windows_for
from biosig.downstream.results.saved import open_result
from biosig.errors import DataError, UsageError
from biosig.evaluate.ledger import Ledger
from biosig.shards import ShardWriter, build_index
from biosig.sources import as_recordings

SCORES = ["score_left", "score_right"]


@pytest.fixture(scope="module")
def tuned(few_channels, tmp_path_factory):
    """A model tuned on two thirds of the subjects, aligned, and its result."""
    out = tmp_path_factory.mktemp("tuned") / "result"
    values = {
        "model": "biosig-tiny",
        "shards": str(few_channels.folder),
        "target": {"events": {"left": ["T1"], "right": ["T2"]}},
        "windows": {"before": 0.5, "after": 1.5},
        "split": {"train": "number <= '003'", "validation": "'003' < number <= '005'", "test": "number >= '006'"},
        "inputs": {"central": ["Cz", "C4"]},
        "align": "euclidean",  # as 0.1.0 spelt it
        "probe": {"lr": 5e-3, "epochs": 1, "warmup": 0, "mixup": False},
        "tune": {"lr": 1e-3, "epochs": 1, "method": "last", "warmup": 0},
        "baselines": ["chance"],
        "n_bootstrap": 100,
        "out": str(out),
    }
    return run_finetune(configuration.load(FineTuneConfig, values)), out / "weights" / "fold-0-seed-0"


def test_new_recordings_get_the_probabilities_that_the_table_was_made_of(tuned, few_channels, tmp_path, capsys):
    result, weights = tuned
    out = tmp_path / "new.parquet"
    assert predict(weights, few_channels.folder, out=out, at=("T1", "T2"), query="number >= '006'") == 0
    table = pd.read_parquet(out)
    rows = result.predictions.query("method == 'model'")
    both = rows.merge(table, on=["recording", "onset"], suffixes=("", "_new"))
    assert len(both) == len(rows) == len(table)
    np.testing.assert_allclose(both[SCORES], both[[f"{name}_new" for name in SCORES]], atol=1e-5)
    assert (both["prediction"] == both["prediction_new"]).all()
    assert list(table.columns) == ["recording", "subject", "onset", "duration", *SCORES, "prediction", "lacks"]
    assert table["duration"].eq(2.0).all()
    assert table["subject"].isin(["S006", "S007"]).all()
    facts = json.loads(pq.read_schema(out).metadata[b"biosig"])
    assert facts["revision"] == biosig.load_model(weights).revision
    assert f"Predictions: {out} ({len(table)} windows)" in capsys.readouterr().out


def test_weights_that_0_1_0_tuned_on_aligned_eeg_are_refused(tuned, tmp_path):
    assert load_classifier(tuned[1])[1].align == "subject"
    earlier = shutil.copytree(tuned[1], tmp_path / "earlier")
    facts = json.loads((earlier / HEAD).read_text())
    facts["use"]["align"] = "euclidean"
    (earlier / HEAD).write_text(json.dumps(facts))
    (earlier / "SHA256SUMS").unlink()
    with pytest.raises(UsageError, match=r"tuned on EEG that version 0\.1\.0 aligned.* tune it again"):
        load_classifier(earlier)


def test_the_tuned_weights_list_whose_labels_they_have_learned(tuned, few_channels):
    ledger = Ledger.load(tuned[1])
    numbers = few_channels.labels["number"]
    seen = ledger.recordings.contains([recording.content_hash for recording in few_channels])
    assert seen.tolist() == (numbers <= "005").tolist()


def test_files_are_read_as_they_are_and_extra_channels_are_left_alone(tuned, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("S006R04.edf", "S007R04.edf"):
        (folder / name).write_bytes((samples.path("eegmmidb") / name).read_bytes())
    predict(tuned[1], folder, out=tmp_path / "all.parquet", stride=20.0)
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert table["recording"].nunique() == 2
    assert (table.groupby("recording")["onset"].diff().dropna() == 20.0).all()
    np.testing.assert_allclose(table[SCORES].sum(axis=1), 1, atol=1e-9)


def _lacking(names, subjects, shards, folder):
    """The test subjects' recordings, those of some subjects without the channels of these names."""
    folder.mkdir()
    with ShardWriter(folder / "eeg.h5", recipe={}) as writer:
        for stored in shards.query("number >= '006'"):
            recording = stored.read()
            (stream,) = recording.streams
            if recording.subject.id in subjects:
                rows = [row for row, c in enumerate(stream.channels) if c.name not in names]
                recording = replace(recording, streams=[stream.pick(rows)])
            writer.add(recording)
    build_index(folder)
    return folder


def test_a_channel_that_is_not_there_is_named_and_gives_no_number(tuned, few_channels, tmp_path, capsys):
    lacking = _lacking(["C4"], ["S007"], few_channels, tmp_path / "no-c4")
    predict(tuned[1], lacking, out=tmp_path / "some.parquet", at=("T1",))
    table = pd.read_parquet(tmp_path / "some.parquet")
    first, second = (rows for _, rows in table.groupby("recording", sort=False))
    assert first[SCORES].notna().all(axis=None)
    assert second[SCORES].isna().all(axis=None)
    assert second["prediction"].isna().all()
    assert second["lacks"].eq("C4").all()
    recording = second["recording"].iloc[0]
    assert f"windows of recording '{recording}', {len(second)} in all: they lack C4." in capsys.readouterr().out
    tested_so = _lacking(["C3"], ["S006", "S007"], few_channels, tmp_path / "no-c3")  # `inputs` has no C3 either
    predict(tuned[1], tested_so, out=tmp_path / "partial.parquet", at=("T1",))
    assert pd.read_parquet(tmp_path / "partial.parquet")[SCORES].notna().all(axis=None)
    none = _lacking(["C4", "C3"], ["S006", "S007"], few_channels, tmp_path / "none")
    with pytest.raises(DataError, match=r"they lack C3, C4\. The model was tuned on that"):
        predict(tuned[1], none, out=tmp_path / "none.parquet", at=("T1",))
    assert not list(tmp_path.glob("*none.parquet*"))


def test_a_unit_that_is_not_there_stops_no_other_and_can_be_stated(tuned, few_channels, tmp_path):
    folder = tmp_path / "no-unit"
    folder.mkdir()
    with ShardWriter(folder / "eeg.h5", recipe={}) as writer:
        for stored in few_channels.query("number >= '006'"):
            recording = stored.read()
            (stream,) = recording.streams
            if recording.subject.id == "S007":
                stream.channels = tuple(replace(channel, unit=".V") for channel in stream.channels)
            writer.add(recording)
    build_index(folder)
    plain, some, stated = (tmp_path / f"{name}.parquet" for name in ("plain", "some", "stated"))
    predict(tuned[1], few_channels.folder, out=plain, at=("T1",), query="number >= '006'")
    with pytest.warns(LeftOutWarning, match=r"is in '\.V', where uV was expected.*--set unit\.eeg=uV"):
        predict(tuned[1], folder, out=some, at=("T1",))
    wanted, table = pd.read_parquet(plain), pd.read_parquet(some)
    in_volts = (table["subject"] == "S006").to_numpy()
    np.testing.assert_allclose(table.loc[in_volts, SCORES], wanted.loc[in_volts, SCORES], atol=1e-5)
    assert table.loc[~in_volts, SCORES].isna().all(axis=None)
    predict(tuned[1], folder, out=stated, at=("T1",), set_=("unit.eeg=uV",))
    np.testing.assert_allclose(pd.read_parquet(stated)[SCORES], wanted[SCORES], atol=1e-5)


def test_epochs_are_predicted_one_by_one(tuned):
    raw = mne.io.read_raw_edf(samples.path("eegmmidb") / "S007R04.edf", preload=True, verbose="error")
    raw.info["subject_info"] = {"his_id": "S007"}  # whose they all are: the model was tuned on aligned EEG
    epochs = mne.make_fixed_length_epochs(raw, duration=5.0, preload=True, verbose="error")[:4]
    classifier, use = load_classifier(tuned[1])
    windows = windows_for(use, as_recordings(epochs), stride=2.0)
    (table,) = predictions(classifier, use, windows)
    assert table["epoch"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert table["event"].tolist() == ["1"] * 8
    assert table["onset"].tolist() == [0.0, 2.0] * 4
    assert table[SCORES].notna().all(axis=None)
    assert schema_of(use, windows).names == list(table.columns)
    short = mne.make_fixed_length_epochs(raw, duration=1.5, preload=True, verbose="error")
    with pytest.raises(UsageError, match=r"A window of 2 s is longer than an epoch of 1\.5 s"):
        windows_for(use, as_recordings(short), stride=2.0)


def test_what_is_in_no_window_is_told(tuned, few_channels, tmp_path):
    whole = few_channels.query("number >= '006'")
    (tmp_path / "cut").mkdir()
    with ShardWriter(tmp_path / "cut" / "eeg.h5", recipe={}) as writer:
        writer.add(whole[0].read(0.0, 30.0))
        writer.add(whole[1].read(0.0, 1.5))
    build_index(tmp_path / "cut")
    with pytest.warns(LeftOutWarning, match=f"2 s are left out: 1 of 2, the first is '{whole[1].id}'"):
        predict(tuned[1], tmp_path / "cut", out=tmp_path / "a.parquet", stride=2.0)
    assert pd.read_parquet(tmp_path / "a.parquet")["recording"].unique().tolist() == [whole[0].id]
    with pytest.warns(LeftOutWarning, match=r"\d of \d+ events lie too close to an end"):
        predict(tuned[1], tmp_path / "cut", out=tmp_path / "a.parquet", at=("T0",))


def test_what_cannot_be_predicted_is_said(tuned, few_channels, tmp_path):
    with pytest.raises(UsageError, match="name the annotations to put them at with --at"):
        predict(tuned[1], few_channels.folder, out=tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=r"ends in \.parquet"):
        predict(tuned[1], few_channels.folder, out=tmp_path / "a.csv", stride=2.0)
    biosig.build_model("biosig-tiny").save(tmp_path / "untuned")
    with pytest.raises(DataError, match="give a folder of tuned weights"):
        predict(tmp_path / "untuned", few_channels.folder, out=tmp_path / "a.parquet", stride=2.0)


def test_numbers_and_labels_come_in_columns_of_their_own(ecg_shards, tmp_path):
    values = {
        "model": "biosig-tiny",
        "shards": str(ecg_shards.folder),
        "windows": {"length": 10.0},
        "split": {"folds": 2, "validation": 0.34},
        "probe": {"lr": 5e-3, "epochs": 1, "mixup": False},
        "tune": {"lr": 1e-3, "epochs": 1, "method": "probe"},
        "channels": ["II"],
        "baselines": [],
        "n_bootstrap": 100,
    }
    (one, *_) = sorted(samples.path("ptbxl").rglob("*_lr.hea"))
    several = {"label": "diagnostic_superclass", "labels": {"NORM": ["NORM"], "MI": ["MI"]}}
    for target, expected in (({"label": "age"}, ["prediction"]), (several, ["score_NORM", "score_MI"])):
        out = tmp_path / expected[0]
        run_finetune(configuration.load(FineTuneConfig, {**values, "target": target, "out": str(out)}))
        predict(out / "weights" / "fold-0-seed-0", one, out=tmp_path / "t.parquet")
        table = pd.read_parquet(tmp_path / "t.parquet")
        assert list(table.columns) == ["recording", "subject", "onset", "duration", *expected, "lacks"]
        assert np.isfinite(table[expected]).all(axis=None)


@pytest.mark.parametrize("apply", [embed, predict])
def test_what_the_model_was_made_of_is_named(apply, tuned, few_channels, tmp_path, capsys):
    weights, options = (tuned[1], {"at": ("T1",)}) if apply is predict else (str(tuned[1]), {"window": 2.0})
    assert apply(weights, few_channels.folder, out=tmp_path / "a.parquet", query="number >= '006'", **options) == 0
    assert "ledger" not in capsys.readouterr().out
    assert apply(weights, few_channels.folder, out=tmp_path / "b.parquet", query="number <= '003'", **options) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "The model's ledger holds 3 of the 3 recordings (" in output
    assert "no test on people unknown to it" in output


def test_a_person_gets_one_answer_from_all_windows(tuned, few_channels, tmp_path, capsys):
    out = tmp_path / "people.parquet"
    assert predict(tuned[1], few_channels.folder, out=out, stride=2.0, query="number >= '006'", by="subject") == 0
    windows, people = pd.read_parquet(tmp_path / "people.windows.parquet"), pd.read_parquet(out)
    assert people["subject"].tolist() == ["S006", "S007"]
    expected = windows.groupby("subject")[SCORES].mean()
    np.testing.assert_allclose(people[SCORES], expected)
    assert people["score_left"].between(people["score_left_low"], people["score_left_high"]).all()
    assert people["n_windows"].sum() == len(windows)
    assert json.loads(pq.read_schema(out).metadata[b"biosig"])["revision"] == biosig.load_model(tuned[1]).revision
    output = " ".join(capsys.readouterr().out.split())
    assert f"2 rows by subject from the {len(windows)} windows of {tmp_path / 'people.windows.parquet'}" in output


def test_a_saved_result_has_an_answer_for_each_person(tuned):
    saved = open_result(tuned[0].config.out)
    answers = saved.answers()
    assert answers["subject"].tolist() == ["S006", "S007"]
    rows = saved.predictions.query("method == 'model'")
    np.testing.assert_allclose(answers["score_left"], rows.groupby("subject")["score_left"].mean())
    assert (answers["seconds"] <= 2.0 * answers["n_windows"]).all()
    assert len(saved.answers("recording")) == rows["recording"].nunique()
    with pytest.raises(UsageError, match=r"has no method 'forest': .*model"):
        saved.answers(method="forest")
