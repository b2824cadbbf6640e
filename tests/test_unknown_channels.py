"""Channels of unknown place: one policy, by default and by choice, wherever a model reads recordings."""

from dataclasses import replace

import mne
import numpy as np
import pandas as pd
import pytest

import biosig
from biosig import config as configuration
from biosig.cli.apply import embed, predict
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.experiments.probe import run_probe
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.probe.config import ProbeConfig
from biosig.errors import DataError, UsageError
from biosig.reading import read
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index

ELECTRODES = ["C3", "C4", "O1"]
REFUSED = "Channels Gizmo 7 have no known position"
STAGE = {"epochs": 1, "warmup": 0, "mixup": False}


@pytest.fixture(scope="module")
def tiny():
    return biosig.build_model("biosig-tiny")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Twelve of six people, each with three electrodes and a channel called EEG that is none."""
    folder, out = tmp_path_factory.mktemp("eeg"), []
    for number in range(12):
        x = np.random.default_rng(number).normal(0, 2e-5, (4, 800))
        raw = mne.io.RawArray(x, mne.create_info([*ELECTRODES, "Gizmo 7"], 200.0, "eeg"), verbose="error")
        raw.save(folder / f"r{number}_raw.fif", verbose="error")
        recording = read(folder / f"r{number}_raw.fif")
        out.append(replace(recording, subject=Subject(f"P{number // 2}"), labels={"side": "ab"[number % 2]}))
    return out


@pytest.fixture(scope="module")
def shards(recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder / "0.h5", recipe={}) as writer:
        for recording in recordings:
            writer.add(recording)
    build_index(folder)
    return folder


@pytest.fixture(scope="module")
def without(recordings):
    return [replace(one, streams=[one.streams[0].pick([0, 1, 2])]) for one in recordings]


def settings(shards, **more):
    target = {"label": "side", "classes": {"a": ["a"], "b": ["b"]}}
    how = {"windows": {"length": 4.0}, "split": {"folds": 2, "validation": 0.34}, "baselines": ["chance"]}
    return {"model": "biosig-tiny", "shards": str(shards), "target": target, "n_bootstrap": 100, **how, **more}


def tune(shards, **more):
    stages = {"probe": {"lr": 1e-3, **STAGE}, "tune": {"lr": 1e-3, **STAGE, "method": "last"}}
    return run_finetune(configuration.load(FineTuneConfig, settings(shards, **stages, seeds=[0], **more)))


def test_an_estimator_does_as_embed(tiny, recordings, without):
    def vectors(those, **policy):
        return biosig.EmbeddingTransformer(tiny, **policy).fit_transform(those)

    assert (vectors(recordings) == vectors(without)).all()
    assert (vectors(recordings, on_unknown="skip") == vectors(without)).all()
    kept = vectors(recordings, on_unknown="keep")
    assert np.abs(kept - vectors(without)).max() > 1e-3
    table = biosig.embed(tiny, recordings, window=None, on_unknown="keep")
    np.testing.assert_array_equal(kept, np.stack(table["vector"].to_pylist()))
    with pytest.raises(UsageError, match=REFUSED):
        vectors(recordings, on_unknown="raise")
    with pytest.raises(UsageError, match="on_unknown is 'maybe'"):
        vectors(recordings, on_unknown="maybe")
    assert all(wanted.on_unknown is None for wanted in tiny.contract.values())


def test_a_fine_tuned_estimator_keeps_the_policy(tiny, recordings):
    options = {"method": "probe", "epochs": 1, "random_state": 0, "validation": 0.5}
    tuned = biosig.FineTunedClassifier(tiny, on_unknown="keep", **options).fit(recordings, list("ab") * 6)
    assert {wanted.on_unknown for wanted in tuned.network_.encoder.config.contract.values()} == {"keep"}
    with pytest.raises(UsageError, match=REFUSED):
        biosig.FineTunedClassifier(tiny, on_unknown="raise", **options).fit(recordings, list("ab") * 6)


def test_probe_and_finetune_refuse_where_they_are_told_to(shards):
    with pytest.raises(UsageError, match=REFUSED):
        run_probe(configuration.load(ProbeConfig, settings(shards, on_unknown="raise")))
    with pytest.raises(UsageError, match=REFUSED):
        tune(shards, on_unknown="raise")


def test_tuned_weights_read_what_they_were_tuned_on(shards, tmp_path):
    weights = {}
    for policy in ("skip", "keep"):
        tune(shards, on_unknown=policy, out=str(tmp_path / policy))
        weights[policy] = tmp_path / policy / "weights" / "fold-0-seed-0"
        assert predict(weights[policy], shards, out=tmp_path / f"{policy}.parquet") == 0
        assert (pd.read_parquet(tmp_path / f"{policy}.parquet")["lacks"] == "").all()
        with pytest.raises(UsageError, match=REFUSED):
            predict(weights[policy], shards, out=tmp_path / "x.parquet", on_unknown="raise")
    with pytest.raises(DataError, match="they lack Gizmo 7"):
        predict(weights["keep"], shards, out=tmp_path / "x.parquet", on_unknown="skip")


def test_embed_and_predict_take_the_option_by_one_name(shards, tmp_path):
    assert embed("biosig-tiny", shards, out=tmp_path / "e.parquet", window=4.0) == 0
    assert pd.read_parquet(tmp_path / "e.parquet")["ch_names"].map(list).tolist() == [ELECTRODES] * 12
    with pytest.raises(UsageError, match=REFUSED):
        embed("biosig-tiny", shards, out=tmp_path / "f.parquet", window=4.0, on_unknown="raise")
