"""What `tools/compare_versions` compares: any number that differs is found, times and paths are not looked at."""

import json
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from digests import compare, leaves, read_results  # noqa: E402

OLD = ROOT / "tests" / "fixtures" / "0.1.0"
STEPS = ("shards/ecg", "pretrain/reve", "results/probe", "results/finetune")


@pytest.fixture
def copies(tmp_path):
    """The same results twice."""
    for version in ("old", "new"):
        for step in STEPS:
            shutil.copytree(OLD / step, tmp_path / version / step)
    return tmp_path / "old", tmp_path / "new"


def differences(old, new):
    """Kind of result → the first key that differs."""
    theirs, ours = read_results(old), read_results(new)
    rows = [compare(kind, theirs.get(kind, {}), ours.get(kind, {})) for kind in {**theirs, **ours}]
    assert all((row.old == row.new) == (row.where == "") for row in rows)
    return {row.what: row.where for row in rows if row.where}


def change_json(path, change):
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def test_all_kinds_of_results_are_read(copies):
    found = read_results(copies[0])
    assert set(found) == {"shards", "tables", "metrics", "weights"}
    assert "shards/ecg/00000.h5: recordings/content_hash" in found["shards"]
    assert "results/probe/predictions.parquet: score_abnormal" in found["tables"]
    assert "results/finetune/metrics.json: scores/0/value" in found["metrics"]
    assert sum("pretrain/reve/model/model.safetensors: " in key for key in found["weights"]) > 5
    assert differences(*copies) == {}


def test_a_weight_that_differs_in_its_last_bit_is_found(copies):
    path = copies[1] / "pretrain/reve/model/model.safetensors"
    weights = load_file(path)
    name = sorted(weights)[1]
    weights[name].flat[0] = np.nextafter(weights[name].flat[0], np.float32(np.inf))
    save_file(weights, path)
    assert differences(*copies) == {"weights": f"pretrain/reve/model/model.safetensors: {name}"}


def test_a_prediction_that_differs_is_found(copies):
    path = copies[1] / "results/finetune/predictions.parquet"
    table = pd.read_parquet(path)
    table.loc[0, "score_abnormal"] = np.nextafter(table.loc[0, "score_abnormal"], 1.0)
    table.to_parquet(path)
    assert differences(*copies) == {"tables": "results/finetune/predictions.parquet: score_abnormal"}


def test_a_metric_that_differs_is_found_and_so_is_a_loss(copies):
    change_json(copies[1] / "results/probe/metrics.json", lambda m: m["scores"][2].update(low=0.125))
    assert differences(*copies) == {"metrics": "results/probe/metrics.json: scores/2/low"}
    log = copies[1] / "pretrain/reve/log.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    lines[3]["loss"] += 1e-12
    log.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert differences(*copies) == {"metrics": "pretrain/reve/log.jsonl: 3/loss"}


def test_a_sample_of_a_shard_that_differs_is_found(copies):
    with h5py.File(copies[1] / "shards/ecg/00000.h5", "r+") as file:
        file["channels/position"][0, 0] += 0.001
    assert differences(*copies) == {"shards": "shards/ecg/00000.h5: channels/position"}


def test_what_only_one_version_has_is_found(copies):
    (copies[1] / "results/probe/predictions.parquet").unlink()
    change_json(copies[1] / "results/probe/splits.json", lambda splits: splits.update(extra=1))
    found = differences(*copies)
    assert found["metrics"] == "results/probe/splits.json: extra (only in NEW)"
    assert found["tables"].startswith("results/probe/predictions.parquet: ")
    assert found["tables"].endswith(" (only in OLD)")


def test_times_paths_versions_and_sentences_are_no_results(copies):
    new = copies[1]
    change_json(
        new / "results/probe/metrics.json", lambda m: m.update(notes=["Other words."], model="elsewhere", seconds=2.5)
    )
    change_json(new / "results/probe/environment.json", lambda e: e.update(torch="9.9", command="another"))
    log = new / "pretrain/reve/log.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    log.write_text("\n".join(json.dumps({**line, "tokens_per_second": 1.0}) for line in lines), encoding="utf-8")
    (new / "pretrain/reve/config.yaml").write_text("spelled: otherwise\n")
    with h5py.File(new / "shards/ecg/00000.h5", "r+") as file:
        file.attrs["software"] = np.bytes_(b"biosig-fm 9.9")
    index = new / "shards/ecg/index.parquet"
    pd.read_parquet(index).assign(shard_checksum="another").to_parquet(index)
    assert differences(*copies) == {}


def test_results_that_are_absent_are_no_equal_results():
    row = compare("demo: nothing", {}, {})
    assert row.old == row.new == "-"


def test_leaves_have_their_whole_key():
    assert dict(leaves({"a": [{"b": 1}, 2], "c": {}})) == {"a/0/b": 1, "a/1": 2}
