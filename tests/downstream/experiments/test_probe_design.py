"""Design of the probe: no test information in the fit, disjoint sites, and the effect of each option."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from biosig import config as configuration
from biosig.downstream.data.label_windows import label_windows
from biosig.downstream.data.split_config import SubjectKFold
from biosig.downstream.data.splits import make_parts
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.errors import DataError, UsageError
from biosig.shards import ShardWriter, build_index, open_shards

ECG = {
    "model": "biosig-tiny",
    "target": {
        "label": "diagnostic_superclass",
        "classes": {"normal": ["NORM"], "abnormal": ["MI", "STTC", "CD", "HYP"]},
    },
    "windows": {"length": 5.0},
    "split": {"folds": 3, "validation": 0.25},
    "n_bootstrap": 100,
}


def _run(folder, **changes):
    return run_probe(configuration.load(ProbeConfig, {"shards": str(folder), **ECG, **changes}))


def _in_parts(shards, folder, change):
    """Forty-two recordings as shards of two parts, those of the test part changed."""
    folder.mkdir()
    people = list(dict.fromkeys(recording.subject.id for recording in shards))
    with ShardWriter(folder / "ecg.h5", recipe={}) as writer:
        for number, recording in enumerate(list(shards)[:42]):
            person = people.index(recording.subject.id)
            part = "test" if person % 3 == 0 else "train"
            labels = {**recording.labels, "part": part, "site": f"site {person % 9}"}
            stored = replace(recording.read(), labels=labels)
            writer.add(change(stored, number) if part == "test" else stored)
    build_index(folder)
    return folder


def _as_it_was(recording, number):
    return recording


def _other_signals(recording, number):
    """Of every second recording: other gains, and gaps."""
    if number % 2:
        return recording
    rng = np.random.default_rng(number)
    streams = []
    for stream in recording.streams:
        values = stream.physical() * rng.normal(size=(len(stream.channels), 1))
        values[:, : rng.integers(1, values.shape[1])] = np.nan
        flat = {"scale": np.ones(len(values)), "offset": np.zeros(len(values))}
        streams.append(replace(stream, samples=values.astype(np.float32), **flat))
    return replace(recording, streams=streams)


def _other_labels(recording, number):
    others = ["MI"] if "NORM" in recording.labels["diagnostic_superclass"] else ["NORM"]
    return replace(recording, labels={**recording.labels, "diagnostic_superclass": others})


@pytest.mark.parametrize("change", [_other_signals, _other_labels])
def test_the_test_part_leaves_every_fit_as_it_is_to_the_last_bit(ecg_shards, tmp_path, change):
    changes = {
        "layer": "validation",
        "pooling": "mean+std",
        "calibration": "isotonic",
        "split": {"train": "part == 'train'", "validation": 0.25, "test": "part == 'test'"},
        "skip_baselines": ["xresnet", "handmade"],
    }
    folders = [_in_parts(ecg_shards, tmp_path / how.__name__, how) for how in (_as_it_was, change)]
    once, again = (_run(folder, **changes) for folder in folders)
    assert once.facts["shards_hash"] != again.facts["shards_hash"]
    assert [fit["method"] for fit in once.facts["fits"]] == ["model", "random_weights"]
    assert once.facts["fits"] == again.facts["fits"]
    untouched = [recording.id for number, recording in enumerate(list(ecg_shards)[:42]) if number % 2]
    seen = [
        rows.loc[rows["recording"].isin(untouched), ["method", "recording", "onset", "score_normal"]]
        for rows in (once.predictions, again.predictions)
    ]
    pd.testing.assert_frame_equal(*(rows.reset_index(drop=True) for rows in seen), check_exact=True)
    assert set(seen[0]["method"]) == {"model", "chance", "demographics", "random_weights"}


def test_sites_are_kept_apart_where_that_is_asked_for(ecg_shards, tmp_path):
    ds = open_shards(_in_parts(ecg_shards, tmp_path / "shards", _as_it_was))
    labelled = label_windows(ds, Target(label="age"), WindowPlan(length=10.0))
    site = ds.labels["site"].to_numpy()[labelled.windows.recording]
    parts, notes = make_parts(SubjectKFold(folds=3, validation=0.25, by="site"), labelled, seed=0)
    for part in parts:
        sides = [set(site[rows]) for rows in (part.train, part.validation, part.test)]
        assert all(not one & other for one, other in itertools.combinations(sides, 2))
    assert sorted(np.concatenate([part.test for part in parts])) == list(range(len(site)))
    assert notes == ["Parts share no site either: 9 groups of subjects hang together."]
    with pytest.raises(UsageError, match="form 9 groups, and the split needs 50"):
        make_parts(SubjectKFold(folds=50, by="site"), labelled, seed=0)
    with pytest.raises(DataError, match="has no session, and one is needed"):
        make_parts(SubjectKFold(folds=3, by="session"), labelled, seed=0)


EEG = {
    "target": {"events": {"rest": ["T0"], "imagery": ["T1", "T2"]}},
    "windows": {"after": 4.0},
    "channels": ["C3", "Cz", "C4"],
    "query": "run == 'R04' and subject <= 'S004'",
    "split": {"folds": 2, "validation": 0.5},
    "network": {"lr": 1e-3, "epochs": 1, "mixup": False},
}

SIX = "run == 'R04' and subject <= 'S006'"  # three to train on are the fewest to choose among


@pytest.fixture(scope="module")
def eeg_result(eeg_shards, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "eeg"
    options = {"layer": "validation", "shots": [1, "all"], "head": "ridge", "out": str(out), "query": SIX}
    return _run(eeg_shards.folder, **{**EEG, **options}), out


def test_everything_that_suits_eeg_stands_beside_the_model_unless_it_is_switched_off(eeg_result):
    methods = list(dict.fromkeys(eeg_result[0].table["method"]))
    assert methods == ["model", "chance", "random_weights", "handmade", "tangent", "shallow"]


def test_a_layer_that_nobody_could_choose_is_not_said_to_be_chosen(eeg_shards):
    options = {"layer": "validation", "head": "ridge", "baselines": [], "n_bootstrap": 100}
    result = _run(eeg_shards.folder, **{**EEG, **options})
    assert any("too few subjects to choose" in note for note in result.notes)
    assert not any("the layer was chosen" in note for note in result.notes)
    assert "layers" not in result.tables


def test_what_was_chosen_is_told_and_saved(eeg_result):
    result, out = eeg_result
    fits = [fit for fit in result.facts["fits"] if fit["method"] == "model"]
    layers = result.tables["layers"]
    for fit in fits:
        in_fold = layers[layers["fold"] == fit["fold"]].set_index("layer")["inner_score"]
        assert fit["layer"] == in_fold.idxmax()
        assert len(fit["sha256"]) == 64
    saved = json.loads((out / "metrics.json").read_text())["fits"]
    assert saved == json.loads(json.dumps(result.facts["fits"]))
    assert any("the layer was chosen by inner folds" in note for note in result.notes)
    parts = json.loads((out / "splits.json").read_text())
    for train, validation, test in zip(*(parts[f"{p}_subjects"] for p in ("train", "validation", "test")), strict=True):
        assert not set(train) & set(validation) | set(validation) & set(test) | set(train) & set(test)


def test_the_few_shot_curve_ends_at_the_score_of_all_labels_without_calibration(eeg_result, eeg_shards):
    curve = eeg_result[0].tables["shots"].set_index(["shots", "metric"])
    assert curve.loc[("1", "auroc"), "n_draws"] == 5
    options = {"layer": "validation", "head": "ridge", "baselines": [], "calibration": "none", "query": SIX}
    plain = _run(eeg_shards.folder, **{**EEG, **options}).table.set_index("metric")["value"]
    assert curve.loc[("all", "auroc"), "value"] == pytest.approx(plain["auroc"], abs=1e-12)


def test_the_subject_is_erased_and_the_reader_told(eeg_shards):
    erased, plain = (_run(eeg_shards.folder, **EEG, baselines=[], erase=erase) for erase in ("subject", ""))
    assert any("tell of the subject was taken out" in note for note in erased.notes)
    assert [fit["sha256"] for fit in erased.facts["fits"]] != [fit["sha256"] for fit in plain.facts["fits"]]


def test_channels_that_are_left_out_take_no_part(eeg_shards):
    named = (["C3"], ["C3", "Cz"], ["Cz", "C3"])
    options = {**EEG, "baselines": ["chance"]}
    one, two, turned = (_run(eeg_shards.folder, **{**options, "channels": names}).predictions for names in named)
    assert (one["score_rest"] != two["score_rest"]).any()
    pd.testing.assert_frame_equal(two, turned)
    with pytest.raises(UsageError, match="No recording has the channel or modality 'ppg'"):
        _run(eeg_shards.folder, **{**options, "channels": ["ppg"]})


@pytest.mark.parametrize("head", ["knn", "prototype", "attention"])
def test_every_head_gives_a_table(eeg_shards, head):
    stage = {"lr": 5e-3, "epochs": 1, "mixup": False}
    result = _run(eeg_shards.folder, **EEG, head=head, attention=stage, layer=1, baselines=["chance", "random_weights"])
    assert list(dict.fromkeys(result.table["method"])) == ["model", "chance", "random_weights"]
    assert np.isfinite(result.table["value"]).all()


def test_a_baseline_that_does_not_fit_is_left_out_with_a_note_unless_it_was_named(ecg_shards, tmp_path):
    def fewer_leads(recording, number):
        stream = recording.streams[0]
        return replace(recording, streams=[stream.pick(range(8))])

    folder = _in_parts(ecg_shards, tmp_path / "shards", fewer_leads)
    changes = {"skip_baselines": ["random_weights", "handmade", "demographics"]}
    result = _run(folder, **changes)
    assert list(dict.fromkeys(result.table["method"])) == ["model", "chance"]
    assert any(note.startswith("The baseline xresnet is left out: Recording") for note in result.notes)
    with pytest.raises(DataError, match="xresnet needs the same channels"):
        _run(folder, baselines=["xresnet"])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"head": "cox"}, "head cox does not predict a target of kind classes"),
        ({"head": "attention", "pooling": "mean"}, "reads tokens, not pooled features: leave pooling out"),
        ({"head": "attention", "layer": "validation"}, "trained on one layer"),
        ({"shots": [0]}, "give whole numbers from 1, or all"),
        ({"shots": [1], "erase": "subject"}, "give shots or erase"),
        ({"skip_baselines": ["tangent"]}, "'skip_baselines' names 'tangent'"),
    ],
)
def test_what_cannot_be_is_refused(ecg_shards, changes, match):
    with pytest.raises(UsageError, match=match):
        _run(ecg_shards.folder, **changes)
