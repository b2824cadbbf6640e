"""Fine-tuning from shards to saved weights, on real recordings."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from contracts.planted import planted

import biosig
from biosig import config as configuration
from biosig.batches.packed import pack
from biosig.cli.run_config import finetune
from biosig.downstream.data.label_windows import label_windows
from biosig.downstream.data.split_config import QuerySplit, SubjectKFold
from biosig.downstream.data.splits import make_parts
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.classifier import load_classifier
from biosig.downstream.finetune.config import FineTuneConfig, FineTuneStage, TrainingStage
from biosig.downstream.results.scores import rate
from biosig.errors import DataError, UsageError
from biosig.evaluate.ledger import Ledger
from biosig.models.model import Model
from biosig.models.presets import PRESETS, Preset, preset
from biosig.shards import ShardWriter, build_index, open_shards

LEFT_RIGHT = {"events": {"left": ["T1"], "right": ["T2"]}}
SPLIT = ("number <= '003'", "number >= '006'", "'003' < number <= '005'")  # train, test, validation
METHODS = ["model", "chance", "from_scratch", "eegnet", "shallow", "tangent"]


def _config(shards, **changes):
    values = {
        "model": "biosig-tiny",
        "shards": str(shards if isinstance(shards, str) else shards.folder),
        "query": "run == 'R04'",
        "target": LEFT_RIGHT,
        "windows": {"after": 2.0},
        "split": {"folds": 2, "validation": 0.34},
        "probe": {"lr": 5e-3, "epochs": 2, "warmup": 1, "mixup": False},
        "tune": {"lr": 1e-3, "epochs": 1, "warmup": 0, "batch_size": 16},
        "scratch": {"lr": 1e-3, "epochs": 1, "batch_size": 16},
        "baselines": METHODS[1:],
        "n_bootstrap": 100,
    }
    return configuration.load(FineTuneConfig, {**values, **changes})


@pytest.fixture(scope="module")
def finished(few_channels, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "tuned"
    calls = []
    config = _config(few_channels, seeds=[0, 1], out=str(out))
    return run_finetune(config, lambda *what: calls.append(what)), out, calls


def test_the_table_has_the_model_and_all_baselines_with_intervals_over_seeds(finished):
    table = finished[0].table
    assert list(dict.fromkeys(table["method"])) == METHODS
    ranks = table[table["metric"].isin(["auroc", "balanced_accuracy"])]
    assert (ranks["low"] <= ranks["value"]).all()
    assert (ranks["value"] <= ranks["high"]).all()
    assert len(ranks) == 2 * len(METHODS)
    seeds = table.set_index("method")["n_seeds"].to_dict()
    assert seeds == dict.fromkeys(METHODS, 2) | {"chance": 1, "tangent": 1}
    assert (ranks.set_index("method").loc["chance", "value"] == 0.5).all()


def test_every_window_is_tested_once_per_method_and_seed(finished):
    predictions = finished[0].predictions
    counts = predictions.groupby(["method", "seed", "recording", "onset"]).size()
    assert (counts == 1).all()
    assert predictions.groupby("subject")["fold"].nunique().eq(1).all()
    for tested, chose in zip(*(finished[0].splits[k] for k in ("test_subjects", "validation_subjects")), strict=True):
        assert tested
        assert chose
        assert not set(tested) & set(chose)


def test_the_value_is_the_mean_of_the_seeds_scores(finished):
    from sklearn.metrics import balanced_accuracy_score

    rows = finished[0].predictions.query("method == 'eegnet'")
    scores = [balanced_accuracy_score(run["y"], run["prediction"]) for _, run in rows.groupby("seed")]
    shown = finished[0].table.set_index(["method", "metric"]).loc[("eegnet", "balanced_accuracy")]
    assert shown["value"] == pytest.approx(np.mean(scores))
    assert shown["sd_seeds"] == pytest.approx(np.std(scores, ddof=1))


def test_the_result_folder_can_be_checked_and_its_weights_give_the_predictions(finished, few_channels):
    result, out, _ = finished
    assert configuration.load(FineTuneConfig, out / "config.yaml") == result.config
    again, _ = rate(pd.read_parquet(out / "predictions.parquet"), result.config)
    pd.testing.assert_frame_equal(again, result.table)
    assert json.loads((out / "splits.json").read_text()) == result.splits
    assert sorted(p.name for p in (out / "weights").glob("fold-*")) == [
        f"fold-{f}-seed-{s}" for f in (0, 1) for s in (0, 1)
    ]
    classifier, use = load_classifier(out / "weights" / "fold-1-seed-0")
    assert use.seconds == 2.0
    assert use.montages == [["C3", "Cz", "C4"]]
    assert classifier.objective.names == ("left", "right")
    model = biosig.load_model(out / "weights" / "fold-1-seed-0")
    labelled = label_windows(few_channels.by_content(), result.config.target, result.config.windows)
    rows = result.predictions.query("method == 'model' and fold == 1 and seed == 0")
    numbers = np.flatnonzero(np.isin(labelled.windows.subjects, rows["subject"].unique()))
    windows = [model.prepare(labelled.windows.read(i), labelled.windows.onset[i]) for i in numbers]
    with torch.no_grad():
        scores = classifier(pack(windows, model.contract)).softmax(dim=1).double().numpy()
    scores = classifier.calibration(scores)
    assert classifier.calibration.method == "temperature"
    np.testing.assert_allclose(rows[["score_left", "score_right"]], scores, atol=1e-5)


def test_progress_reaches_the_end_of_each_stage(finished):
    last = {stage: (done, total) for stage, done, total, *_ in finished[2]}
    assert {"prepare", "model, fold 0, seed 1, head", "model, fold 0, seed 1, tune"} <= set(last)
    assert all(done == total for done, total in last.values())


def test_the_test_part_is_not_looked_at_before_it_is_tested(few_channels, tmp_path):
    """Other signals and labels in the test part leave the tuned weights as they are, bit for bit."""
    with ShardWriter(tmp_path / "eeg.h5", recipe={}) as writer:
        for stored in few_channels:
            recording = stored.read()
            if recording.labels["number"] >= "006":
                (stream,) = recording.streams
                swapped = {"T1": "T2", "T2": "T1"}
                events = [replace(a, label=swapped.get(a.label, a.label)) for a in recording.annotations]
                stream = replace(stream, samples=np.asarray(stream.samples)[:, ::-1].copy())
                recording = replace(recording, streams=[stream], annotations=events)
            writer.add(recording)
    build_index(tmp_path)
    split = QuerySplit(*SPLIT)
    tuned, scores = [], []
    for number, shards in enumerate((few_channels, open_shards(tmp_path))):
        out = tmp_path / f"result-{number}"
        config = _config(shards, split=split, align="subject", baselines=["eegnet"], out=str(out))
        scores.append(run_finetune(config).predictions)
        tuned.append(load_classifier(out / "weights" / "fold-0-seed-0")[0])
    mine, others = (classifier.state_dict() for classifier in tuned)
    assert all(torch.equal(mine[name], others[name]) for name in mine)
    assert tuned[0].calibration == tuned[1].calibration
    columns = ["score_left", "score_right"]
    assert not np.allclose(scores[0][columns], scores[1][columns])


def test_what_pretraining_saw_of_the_test_part_is_named_or_refused(few_channels, tmp_path):
    seen = [recording for recording in few_channels if recording.subject.id in ("S001", "S007")]
    Model(biosig.build_model("biosig-tiny").encoder, trained=True).save(tmp_path)
    Ledger.of([recording.content_hash for recording in seen], []).save(tmp_path)
    changes = {"model": str(tmp_path), "split": QuerySplit(*SPLIT), "baselines": []}
    with pytest.raises(DataError, match=rf"saw 1 of the 2 recordings \({seen[1].id}\).* set leakage: flag"):
        run_finetune(_config(few_channels, **changes, leakage="refuse"))
    result = run_finetune(_config(few_channels, **changes, tune={"lr": 1e-3, "epochs": 1, "method": "probe"}))
    assert any(f"saw 1 of the 2 recordings ({seen[1].id})" in note for note in result.notes)


def test_the_same_config_gives_the_same_numbers_whatever_stands_beside(few_channels):
    changes = {"pooling": "flatten", "soup": 2, "probe": {"lr": 1e-3, "epochs": 1}}
    tune = {"lr": 1e-3, "epochs": 1, "batch_size": 16, "method": "full"}
    alone = run_finetune(_config(few_channels, **changes, tune=tune, baselines=[]))
    torch.rand(3)
    beside = run_finetune(_config(few_channels, **changes, tune=tune, baselines=["shallow"]))
    again = beside.predictions.query("method == 'model'")
    pd.testing.assert_frame_equal(alone.predictions, again)


def test_windows_without_a_token_are_left_out_and_counted(few_channels, tmp_path):
    with ShardWriter(tmp_path / "eeg.h5", recipe={}) as writer:
        for i, stored in enumerate(few_channels):
            recording = stored.read()
            (stream,) = recording.streams
            if i == 0:
                samples = np.asarray(stream.samples).copy()
                samples[:, : 20 * 160] = 0
                samples[0] = 0
                recording = replace(recording, streams=[replace(stream, samples=samples)])
            writer.add(recording)
    build_index(tmp_path)
    config = _config(str(tmp_path), baselines=["tangent"], tune={"lr": 1e-3, "epochs": 0})
    result = run_finetune(config)
    assert any("windows give the model no valid token" in note for note in result.notes)
    assert any("miss samples, which are zeros for tangent" in note for note in result.notes)


def test_windows_of_differing_montage_are_refused_where_one_is_needed(few_channels, tmp_path):
    with ShardWriter(tmp_path / "eeg.h5", recipe={}) as writer:
        for i, stored in enumerate(few_channels):
            recording = stored.read()
            if i == 3:
                odd = recording.id
                recording = replace(recording, streams=[recording.streams[0].pick([0, 1])])
            writer.add(recording)
    build_index(tmp_path)
    with pytest.raises(DataError, match=rf"'{odd}' gives windows of 2 eeg .* pooling=flatten needs the same"):
        run_finetune(_config(str(tmp_path), pooling="flatten", baselines=[]))
    with pytest.raises(DataError, match="baseline eegnet needs the same"):
        run_finetune(_config(str(tmp_path), baselines=["eegnet"]))
    switched_off = ["handmade", "random_weights"]
    mixed = run_finetune(_config(str(tmp_path), baselines=None, skip_baselines=switched_off, align="subject"))
    assert set(mixed.table["method"]) == {"model", "chance"}
    for name in ("tangent", "shallow"):
        assert any(note.startswith(f"The baseline {name} is left out: Recording '{odd}'") for note in mixed.notes)
    assert np.isfinite(mixed.table["value"]).all()
    assert any("aligned by person" in note for note in mixed.notes)


def test_a_divisor_replaces_z_scores_and_is_refused_with_robust_scales(few_channels, tmp_path):
    with pytest.raises(UsageError, match="robust scale"):
        run_finetune(_config(few_channels, amplitude_divisor=100.0))
    narrow = replace(preset("reve-small"), embed_dim=512, depth=1, num_heads=1, name="narrow")
    tune = {"lr": 1e-3, "epochs": 1, "batch_size": 16}
    out = tmp_path / "result"
    changes = {"model": "narrow", "amplitude_divisor": 100.0, "tune": tune, "baselines": ["chance"], "out": str(out)}
    with planted(PRESETS, Preset(narrow)):
        run_finetune(_config(few_channels, **changes))
    contract = biosig.load_model(out / "weights" / "fold-0-seed-0").contract["eeg"]
    assert (contract.normalisation, contract.divisor, contract.unit) == ("constant", 100.0, "uV")


def test_the_verb_prints_the_table(few_channels, tmp_path, capsys):
    values = configuration.to_dict(_config(few_channels, baselines=["chance"], tune={"lr": 1e-3, "epochs": 0}))
    (tmp_path / "finetune.yaml").write_text(yaml.safe_dump(values))
    assert finetune(tmp_path / "finetune.yaml", (f"out={tmp_path / 'result'}", "keep_weights=false")) == 0
    shown = capsys.readouterr()
    assert "left against right" in shown.out
    assert "head" in shown.err
    assert not (tmp_path / "result" / "weights").exists()
    with pytest.raises(UsageError, match="already holds something"):
        finetune(tmp_path / "finetune.yaml", (f"out={tmp_path / 'result'}",))


def test_leaving_subjects_out_tests_each_once_with_people_kept_apart(eeg_shards):
    labelled = label_windows(eeg_shards, Target(**LEFT_RIGHT), WindowPlan(after=4.0))
    parts, _ = make_parts(SubjectKFold("subjects", 0.34), labelled, seed=0)
    subjects = labelled.windows.subjects
    assert sorted(np.unique(subjects[part.test]).tolist() for part in parts) == [[s] for s in sorted(set(subjects))]
    for part in parts:
        groups = [set(subjects[rows]) for rows in (part.train, part.validation, part.test)]
        assert sum(map(len, groups)) == len(set.union(*groups)) == 7
        assert len(groups[1]) == 2


@pytest.mark.parametrize(
    ("split", "says"),
    [
        (QuerySplit("run == 'R04'", "run == 'R06'", 0.34), "both the training and the test part"),
        (QuerySplit("run == 'R09'", "run == 'R06'"), "No window is in the part"),
        (SubjectKFold(9), "9 folds over 7 subjects"),
    ],
)
def test_a_split_that_cannot_be_made_says_why(eeg_shards, split, says):
    labelled = label_windows(eeg_shards, Target(**LEFT_RIGHT), WindowPlan(after=4.0))
    with pytest.raises((UsageError, DataError), match=says):
        make_parts(split, labelled, seed=0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"target": {"label": "age"}}, "baseline tangent fits targets of kind classes"),
        ({"soup": 0}, "soup is 0"),
        ({"seeds": [1, 1]}, "seeds that differ"),
        ({"soup": 2, "tune": {"lr": 1e-3, "epochs": 0}}, "averages second stages"),
        ({"soup": 2, "tune": {"lr": 1e-3, "epochs": 1, "method": "probe"}}, "averages second stages"),
        ({"tune": {"lr": 1e-3, "epochs": 1, "blocks": 0}}, "give 1 or more"),
        ({"probe": {"lr": 1e-3, "epochs": 1, "ema": 1.0}}, "no average"),
        ({"split": {"folds": 3, "validation": 0.9}}, "at most 0.5"),
        ({"probe": {"lr": 1e-3, "epochs": -1}}, "cannot be negative"),
        ({"probe": {"lr": 1e-3, "epochs": 1, "dropout": 1.0}}, "it is a share"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(changes, says):
    with pytest.raises(UsageError, match=says):
        _config("anywhere", **changes)


def test_all_that_suits_stands_beside_unless_it_is_switched_off_by_name(few_channels):
    changes = {"baselines": None, "tune": {"lr": 1e-3, "epochs": 1, "method": "probe"}, "split": QuerySplit(*SPLIT)}
    beside = run_finetune(_config(few_channels, **changes, skip_baselines=["handmade", "shallow"])).table["method"]
    assert list(dict.fromkeys(beside)) == ["model", "chance", "random_weights", "tangent"]
    with pytest.raises(UsageError, match=r"'s4', which is not a baseline of this task; .* chance, random_weights"):
        run_finetune(_config(few_channels, **changes, skip_baselines=["s4"]))


def test_baselines_from_scratch_have_the_budget_of_both_stages():
    config = _config("anywhere", scratch=None)
    assert config.scratch_stage.epochs == config.probe.epochs + config.tune.epochs
    assert config.supervised_stage == config.scratch_stage
    assert (type(config.scratch_stage), type(config.tune)) == (TrainingStage, FineTuneStage)
    own = _config("anywhere", network_stage={"lr": 1e-2, "epochs": 7})
    assert (own.supervised_stage.epochs, own.scratch_stage.epochs) == (7, 1)


def test_every_shipped_configuration_loads(request):
    paths = sorted((request.config.rootpath / "configs" / "finetune").glob("*.yaml"))
    assert len(paths) >= 14
    for path in paths:
        config = configuration.load(FineTuneConfig, path)
        assert configuration.load(FineTuneConfig, configuration.to_dict(config)) == config


def test_rows_are_fused_seed_by_seed_and_a_pair_needs_both(few_channels):
    changes = {"split": QuerySplit(*SPLIT), "seeds": [0, 1], "baselines": ["chance", "random_weights"]}
    stages = {"probe": {"lr": 1e-3, "epochs": 1}, "tune": {"lr": 1e-3, "epochs": 1, "method": "probe"}}
    pairs = [["random_weights", "model"], ["chance", "model"]]
    result = run_finetune(_config(few_channels, **changes, **stages, fuse=pairs))
    seeds = {name: sorted(set(rows["seed"])) for name, rows in result.predictions.groupby("method")}
    assert seeds["random_weights + model"] == seeds["chance + model"] == seeds["model"] == [0, 1]
    assert seeds["chance"] == [0]
    rows = result.predictions.set_index(["method", "seed"])["score_left"]
    order = [np.argsort(rows[name, 1].to_numpy()).tolist() for name in ("chance + model", "model")]
    assert order[0] == order[1]  # chance has nothing to say
    assert any("means of two rows" in note for note in result.notes)
    with pytest.raises(UsageError, match=r"fuse names 'handmade', which is not a row .* rows are model, chance"):
        run_finetune(_config(few_channels, **changes, fuse=[["handmade", "model"]]))
