"""The same recordings give the same folds and scores, whatever the key, the names and the folders are."""

import json
import shutil

import pandas as pd
import pytest
from safetensors.torch import load_file

from biosig import config as configuration
from biosig import samples
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.experiments.probe import run_probe
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.probe.config import ProbeConfig
from biosig.downstream.results.compare import compare
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.windows import load_windows
from biosig.shards import open_shards
from ingest.cli.ingest import ingest

TASK = {
    "model": "biosig-tiny",
    "query": "run == 'R04'",
    "target": {"events": {"left": ["T1"], "right": ["T2"]}},
    "windows": {"after": 1.0},
    "channels": ["C3", "Cz", "C4"],
    "n_bootstrap": 100,
}
PROBE = {
    "layer": "validation",
    "shots": [2, "all"],
    "split": {"folds": 3},
    "baselines": ["chance", "random_weights", "handmade"],
}
STAGE = {"epochs": 1, "batch_size": 8, "patience": 99}
FINETUNE = {
    "split": {"folds": 2, "validation": 0.4},
    "probe": {"lr": 5e-3, **STAGE},
    "tune": {"lr": 1e-3, **STAGE, "method": "last"},
    "baselines": ["shallow"],
    "scratch": {"lr": 1e-3, **STAGE},
    "seeds": [0],
}


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    """The EEG samples, ingested three times: each with a key of its own, and one of them from other folders."""
    folder = tmp_path_factory.mktemp("sites")
    for path in samples.path("eegmmidb").glob("*.edf"):
        place = folder / "in" / f"site-{10 - int(path.stem[3])}" / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    sources = (samples.path("eegmmidb"), samples.path("eegmmidb"), folder / "in")
    outs = [folder / name for name in ("first", "second", "third")]
    for source, out in zip(sources, outs, strict=True):
        assert ingest((source,), out=out, subject_pattern=r"(?P<subject>S\d{3})(?P<run>R\d{2})$") == 0
    return outs


@pytest.fixture(scope="module")
def probed(ingested, tmp_path_factory):
    return [
        _run(ProbeConfig, run_probe, PROBE, shards, tmp_path_factory.mktemp("probe") / "out") for shards in ingested
    ]


@pytest.fixture(scope="module")
def tuned(ingested, tmp_path_factory):
    tmp = tmp_path_factory.mktemp("finetune")
    return [_run(FineTuneConfig, run_finetune, FINETUNE, shards, tmp / shards.name) for shards in ingested]


def _run(cls, run, settings, shards, out):
    run(configuration.load(cls, {**TASK, **settings, "shards": str(shards), "out": str(out)}))
    return out


def _predictions(out):
    return pd.read_parquet(out / "predictions.parquet")


@pytest.mark.slow
def test_pseudonyms_and_names_differ(probed):
    names = [set(_predictions(out)["subject"]) | set(_predictions(out)["recording"]) for out in probed]
    assert not names[0] & names[1]
    assert not names[0] & names[2]


@pytest.mark.parametrize("runs", ["probed", "tuned"])
def test_folds_and_scores_are_the_same_to_the_last_digit(runs, request):
    first, *others = request.getfixturevalue(runs)
    for other in others:
        one, same = (_predictions(out).drop(columns=["recording", "subject"]) for out in (first, other))
        pd.testing.assert_frame_equal(one, same, check_exact=True)
        metrics = [json.loads((out / "metrics.json").read_text()) for out in (first, other)]
        assert metrics[0]["scores"] == metrics[1]["scores"]
        assert metrics[0].get("fits") == metrics[1].get("fits")
        splits = [json.loads((out / "splits.json").read_text()) for out in (first, other)]
        assert splits[0]["content_sha256"] == splits[1]["content_sha256"]
        for table in first.glob("tables/*.csv"):
            assert table.read_text() == (other / "tables" / table.name).read_text()


def test_tuned_weights_are_the_same_to_the_last_bit(tuned):
    first, *others = tuned
    for path in (path for name in ("model", "head") for path in first.rglob(f"{name}.safetensors")):
        weights = load_file(path)
        for other in others:
            theirs = load_file(other / path.relative_to(first))
            assert all(theirs[name].equal(tensor) for name, tensor in weights.items())


def test_runs_under_other_names_are_compared_window_by_window(probed):
    found = compare(probed)
    assert (found.differences["value"] == 0).all()
    assert sorted(set(found.differences["run"])) == sorted(map(str, probed[1:]))
    assert not [note for note in found.notes if "folds" in note or "cannot" in note]


def test_pretraining_holds_out_the_same_people(ingested, tmp_path):
    held_out = []
    for shards in ingested:
        config = {"out": str(tmp_path), "sources": [{"shards": str(shards)}], "window": 10.0, "validation": 0.3}
        _, validation = load_windows(configuration.load(PretrainConfig, config))
        hashes = [validation.ds[int(row)].content_hash for row in validation.recording]
        held_out.append(list(zip(hashes, validation.onset.tolist(), strict=True)))
    assert held_out[0]
    assert held_out[0] == held_out[1] == held_out[2]


def test_recordings_are_in_the_order_of_content(ingested):
    tables = [open_shards(shards).by_content().to_pandas() for shards in ingested]
    assert tables[0]["content_hash"].tolist() == sorted(tables[0]["content_hash"])
    assert tables[0]["content_hash"].tolist() == tables[2]["content_hash"].tolist()
