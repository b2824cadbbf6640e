"""The probe from shards to a saved table, on real recordings."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from biosig import config as configuration
from biosig.cli.run_config import probe
from biosig.downstream.data.splits import make_parts
from biosig.downstream.data.task import open_model, open_task
from biosig.downstream.experiments.probe import ProbeConfig, run_probe, score_rows
from biosig.downstream.results.scores import rate
from biosig.errors import DataError, UsageError
from biosig.evaluate.metrics import ROLES, metrics_for
from biosig.shards import ShardWriter, build_index

METHODS = ["model", "chance", "demographics", "random_weights", "handmade"]


def _config(shards, out=None, **changes):
    values = {
        "model": "biosig-tiny",
        "shards": str(shards.folder),
        "target": {
            "label": "diagnostic_superclass",
            "classes": {"normal": ["NORM"], "abnormal": ["MI", "STTC", "CD", "HYP"]},
        },
        "windows": {"length": 5.0},
        "split": {"folds": 3, "validation": 0.25},
        "skip_baselines": [] if "baselines" in changes else ["xresnet"],
        "out": None if out is None else str(out),
    }
    return {**values, **changes}


@pytest.fixture(scope="module")
def ecg_result(ecg_shards, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "ecg"
    calls = []
    result = run_probe(configuration.load(ProbeConfig, _config(ecg_shards, out)), lambda *what: calls.append(what))
    return result, out, calls


def test_the_table_has_the_model_and_all_baselines_with_intervals(ecg_result):
    everything = ecg_result[0].table
    assert list(dict.fromkeys(everything["metric"])) == [metric.name for metric in metrics_for("classes")]
    assert everything[["value", "low", "high"]].notna().all(axis=None)
    table = everything[everything["metric"].isin(ROLES["classes"].headline)]
    assert list(dict.fromkeys(table["method"])) == METHODS
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    chance = table[table["method"] == "chance"]
    assert (chance[["value", "low", "high"]] == 0.5).all(axis=None)
    handmade = table[(table["method"] == "handmade") & (table["metric"] == "auroc")].iloc[0]
    assert handmade["low"] > 0.5  # hand-made ECG features do tell normal from abnormal


def test_every_subject_is_tested_in_exactly_one_fold(ecg_result):
    result = ecg_result[0]
    folds = result.predictions.groupby("subject")["fold"].nunique()
    assert (folds == 1).all()
    tested = [name for fold in result.splits["test_subjects"] for name in fold]
    assert sorted(tested) == sorted(folds.index)


def test_recordings_count_once_and_windows_are_averaged(ecg_result):
    result = ecg_result[0]
    rows = result.predictions[result.predictions["method"] == "handmade"]
    by_recording = rows.groupby("recording").agg({"y": "first", "score_abnormal": "mean"})
    assert len(rows) == 2 * len(by_recording)
    from sklearn.metrics import roc_auc_score

    expected = roc_auc_score(by_recording["y"] == "abnormal", by_recording["score_abnormal"])
    shown = result.table.set_index(["method", "metric"]).loc[("handmade", "auroc")]
    assert shown["value"] == pytest.approx(expected, abs=1e-12)
    assert shown["n_recordings"] == len(by_recording)
    assert shown["n_windows"] == len(rows)


def test_the_result_folder_holds_all_that_is_needed_to_check_it(ecg_result, ecg_shards):
    result, out, _ = ecg_result
    saved = json.loads((out / "metrics.json").read_text())
    assert pd.DataFrame(saved["scores"])["value"].tolist() == pytest.approx(result.table["value"].tolist(), abs=1e-12)
    assert saved["shards_hash"] == ecg_shards.hash
    assert saved["model_trained"] is False
    assert any("random weights" in note for note in saved["notes"])
    counts = {name: group["n_recordings"] for name, group in saved["cohort"].items()}
    assert counts["normal"] + counts["abnormal"] == counts["all"]
    assert json.loads((out / "splits.json").read_text()) == result.splits
    assert "torch" in json.loads((out / "environment.json").read_text())
    assert configuration.load(ProbeConfig, out / "config.yaml") == result.config
    again, _ = rate(pd.read_parquet(out / "predictions.parquet"), result.config)
    pd.testing.assert_frame_equal(again, result.table)


def test_a_result_is_never_written_over(ecg_result, ecg_shards):
    with pytest.raises(UsageError, match="already holds something"):
        run_probe(configuration.load(ProbeConfig, _config(ecg_shards, ecg_result[1])))


def test_where_no_result_can_be_written_is_said_before_the_work(ecg_shards, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        run_probe(configuration.load(ProbeConfig, _config(ecg_shards, tmp_path / "file" / "result")))


def test_progress_reaches_the_end_of_each_stage(ecg_result):
    last = {stage: (done, total) for stage, done, total in ecg_result[2]}
    assert {"model: windows", "random_weights: windows", "features: windows"} <= set(last)
    assert all(done == total for done, total in last.values())


def test_events_are_scored_per_window_and_few_subjects_are_said(few_channels):
    options = {"target": {"events": {"rest": ["T0"], "imagery": ["T1", "T2"]}}, "windows": {"after": 4.0}}
    result = run_probe(
        configuration.load(ProbeConfig, _config(few_channels, **options, baselines=["chance", "handmade"]))
    )
    assert list(dict.fromkeys(result.table["method"])) == ["model", "chance", "handmade"]
    assert result.facts["scored_per"] == "window"
    assert any("Only 7 subjects" in note for note in result.notes)
    assert set(result.predictions["y"]) == {"rest", "imagery"}


def test_a_number_is_probed_with_ridge_and_the_same_config_gives_the_same_table(ecg_shards):
    options = {"target": {"label": "age"}, "windows": {"length": 10.0}, "baselines": ["chance"]}
    config = configuration.load(ProbeConfig, _config(ecg_shards, **options))
    once, again = run_probe(config), run_probe(config)
    assert list(once.table["metric"]) == ["mae", "rmse", "r2", "pearson"] * 2
    pd.testing.assert_frame_equal(once.predictions, again.predictions)
    mean = once.table.set_index(["method", "metric"])["value"]
    assert mean["chance", "r2"] <= 0


def test_recordings_without_a_subject_are_refused(ecg_shards, tmp_path):
    with ShardWriter(tmp_path / "anonymous.h5", recipe={}) as writer:
        for recording in ecg_shards:
            writer.add(replace(recording.read(), subject=None))
    with pytest.raises(DataError, match=r"recordings have no subject .*--subject-pattern"):
        run_probe(configuration.load(ProbeConfig, {**_config(ecg_shards), "shards": str(tmp_path)}))


def test_the_verb_prints_the_table(eeg_shards, tmp_path, capsys):
    values = _config(eeg_shards, target={"events": {"left": ["T1"], "right": ["T2"]}}, windows={"after": 4.0})
    values |= {"query": "run == 'R04'", "baselines": ["chance"], "skip_baselines": []}
    (tmp_path / "probe.yaml").write_text(yaml.safe_dump(values))
    assert probe(tmp_path / "probe.yaml", (f"out={tmp_path / 'result'}", "n_bootstrap=100")) == 0
    shown = capsys.readouterr()
    assert "left against right" in shown.out
    assert "chance" in shown.out
    assert "model: windows" in shown.err
    assert np.isin(["metrics.json", "config.yaml"], [p.name for p in (tmp_path / "result").iterdir()]).all()


@pytest.mark.parametrize("name", ["ptbxl-normal", "eegmmidb-rest-imagery", "eegmmidb-left-right"])
def test_the_shipped_configurations_load(name, request):
    path = request.config.rootpath / "configs" / "probe" / f"{name}.yaml"
    assert configuration.load(ProbeConfig, path).target.kind == "classes"


def test_two_recordings_with_one_id_are_refused(ecg_shards, tmp_path):
    for name in ("once", "twice"):
        with ShardWriter(tmp_path / f"{name}.h5", recipe={}) as writer:
            writer.add(ecg_shards[0].read())
    build_index(tmp_path)
    with pytest.raises(DataError, match="have the id"):
        run_probe(
            configuration.load(
                ProbeConfig, {**_config(ecg_shards), "shards": str(tmp_path), "target": {"label": "age"}}
            )
        )


def test_chosen_rows_are_those_of_the_whole_table_and_need_no_other(ecg_result, ecg_shards, monkeypatch):
    config = configuration.load(ProbeConfig, _config(ecg_shards))
    task = open_task(config.shards, config.query, config.target, config.windows)
    parts, _ = make_parts(config.split, task.labelled, config.seed)
    model = open_model(config.model, config.seed, "cpu")

    def never(*_, **__):
        pytest.fail("was embedded")

    monkeypatch.setattr("biosig.embedding.embed_windows", never)
    scored = score_rows(config, task, model, parts, ["handmade", "chance"])
    for name in ("handmade", "chance"):
        both = [table[table["method"] == name] for table in (scored.predictions, ecg_result[0].predictions)]
        pd.testing.assert_frame_equal(*(rows.reset_index(drop=True) for rows in both), check_exact=True)
    assert list(dict.fromkeys(scored.predictions["method"])) == ["handmade", "chance"]
    assert scored.fits == []
    with pytest.raises(DataError, match="the baseline tangent reads eeg: leave tangent out"):
        score_rows(config, task, model, parts, ["tangent"])
    with pytest.raises(UsageError, match="no baseline 'handmad'; there are"):
        score_rows(config, task, model, parts, ["handmad"])
