"""Every verb that takes long, killed at random moments and started again, ends with what an undisturbed run gives."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import load_file

import biosig
from biosig import samples
from biosig.cli.data import verify
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter

pytestmark = pytest.mark.slow

N_KILLS = int(os.environ.get("BIOSIG_KILLS", "60"))
"""Over all verbs; those of an ingest are in `ingest/test_ingest_kill.py`."""

VERBS = ("pretrain", "embed", "probe", "finetune")
RUN = (
    "import sys; from biosig.cli.main import main; import biosig.embedding as e; e.PART_WINDOWS = 4; main(sys.argv[1:])"
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder / "00000.h5", recipe={}) as writer:
        for number, path in enumerate(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:12]):
            labels = {"half": ("even", "odd")[number % 2]}
            writer.add(replace(biosig.read(path), subject=biosig.Subject(f"p{number}"), labels=labels))
    build_index(folder)
    return folder


def _command(verb, shards, folder):
    """The command line of a verb that writes to `folder/out`."""
    task = {
        "model": "biosig-tiny",
        "shards": str(shards),
        "target": {"label": "half", "classes": {"even": ["even"], "odd": ["odd"]}},
        "windows": {"length": 5.0},
        "split": {"folds": 2, "validation": 0.34},
        "n_bootstrap": 100,
        "out": str(folder / "out"),
    }
    stage = {"lr": 1e-3, "epochs": 4, "patience": 9, "mixup": False}
    values = {
        "pretrain": {
            "out": str(folder / "out"),
            "sources": [{"shards": str(shards)}],
            "model": "biosig-tiny",
            "steps": 40,
            "batch_tokens": 900,
            "checkpoint_every": 3,
            "device": "cpu",
        },
        "probe": {**task, "baselines": ["chance", "random_weights", "shallow"], "network": stage},
        "finetune": {**task, "baselines": ["shallow"], "probe": stage, "tune": stage, "scratch": stage},
    }
    if verb == "embed":
        arguments = [
            "biosig-tiny",
            str(shards),
            "--window",
            "1",
            "--batch-tokens",
            "300",
            "--out",
            f"{folder}/out.parquet",
        ]
    else:
        (folder / "run.yaml").write_text(yaml.safe_dump(values[verb]))
        arguments = [str(folder / "run.yaml")]
    return [sys.executable, "-c", RUN, verb, *arguments]


def _what_came_out(verb, folder):
    """Everything that must be equal, as text or bytes."""
    if verb == "embed":
        table = pq.read_table(folder / "out.parquet")
        return [np.stack(table["vector"].to_pylist()).tobytes(), table.drop(["vector"]).to_pandas().to_json()]
    out = folder / "out"
    found = [array.tobytes() for path in sorted(out.rglob("*.safetensors")) for array in load_file(path).values()]
    if verb == "pretrain":
        steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
        return [*found, repr(steps)]
    predictions = pq.read_table(out / "predictions.parquet").to_pandas().to_json(double_precision=15)
    return [*found, predictions, (out / "metrics.json").read_text()]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_is_killed_again_and_again_ends_with_the_same(verb, shards, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    began = time.monotonic()
    subprocess.run(_command(verb, shards, whole), check=True, capture_output=True)
    seconds = time.monotonic() - began
    luck, kills, command = random.Random(verb), 0, _command(verb, shards, killed)
    while kills < N_KILLS // len(VERBS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, told = process.communicate(timeout=luck.uniform(0.2, 0.7) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(luck.choice([signal.SIGKILL, signal.SIGTERM]))
            _, told = process.communicate(timeout=600)
            kills += 1
        assert process.returncode in (0, -signal.SIGKILL, -signal.SIGTERM, 143), told.decode()
        if process.returncode == 0 or (killed / "out" / "metrics.json").exists():
            break
    else:
        subprocess.run(command, check=True, capture_output=True)
    assert kills
    assert _what_came_out(verb, killed) == _what_came_out(verb, whole)
    assert not [path for path in killed.rglob("*") if path.name.endswith((".tmp", ".parts"))]
    if verb != "embed":
        assert verify(killed / "out") == 0
