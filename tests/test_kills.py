"""Every verb that writes, killed at moments spread over its run and started again, ends as one that was not killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors import safe_open

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.cli.data import verify
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.models import checkpoint
from biosig.models.encoder import Encoder
from biosig.models.presets import preset
from biosig.models.text import Tokenizer
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter

pytestmark = pytest.mark.slow

KILLS = ("last", "any", "time", "any") * int(os.environ.get("BIOSIG_KILLS", "1"))
"""Of each verb, at its last operation on the file system, at any one, or at any time; 64 over all verbs. Those of an
ingest are in `ingest/test_ingest_kill.py`."""

START = """
import json, os, signal, sys

import matplotlib.pyplot, mne, pandas, pyarrow.parquet, safetensors.torch, sklearn.linear_model, torch
import biosig.downstream.experiments.finetune, biosig.downstream.experiments.probe, biosig.embedding_file
import biosig.features.feature_table, biosig.features.registry, biosig.pretrain.loop
from biosig.cli.main import main, verbs

biosig.embedding_file.PART_WINDOWS = biosig.features.feature_table.PART_WINDOWS = 4
for point in verbs().values():
    point.load()
for line in sys.stdin:
    asked = json.loads(line)
    process = os.fork()
    if not process:
        break
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
else:
    sys.exit()

done = 0

def watch(event, arguments):  # a change of the file system, or a file opened to be written
    global done
    changes = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link") or (
        event == "open" and arguments[2] and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    )
    if changes and isinstance(arguments[0], (str, os.PathLike)) and asked["folder"] in os.path.abspath(arguments[0]):
        done += 1
        if done == asked["operation"]:
            os.kill(os.getpid(), signal.SIGKILL)

output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.dup2(output, 1)
os.dup2(output, 2)
os.chdir(asked["folder"])
sys.addaudithook(watch)
try:
    main(asked["arguments"])
finally:
    n_operations, done = done, -(10**9)
    print("operations:", n_operations)
"""
"""The command line with its imports done: for each line that it is given a process of its own, which is told to kill
itself at one of its operations on the file system, or says at its end how many there were."""

TASK = {
    "model": "biosig-tiny",
    "target": {"label": "half", "classes": {"even": ["even"], "odd": ["odd"]}},
    "windows": {"length": 5.0},
    "split": {"folds": 2, "validation": 0.34},
    "n_bootstrap": 100,
}
STAGE = {"lr": 1e-3, "epochs": 3, "patience": 9, "mixup": False}
TRAINING = {"epochs": 2, "batch_size": 8}
PARTS = {"train": "third == '0'", "validation": "third == '1'", "test": "third == '2'"}
REVE = Path(__file__).parent / "models" / "data" / "reve-2-layers"
RUNS = {
    "pretrain": {
        "model": "biosig-tiny",
        "steps": 20,
        "batch_tokens": 900,
        "checkpoint_every": 3,
        "device": "cpu",
        "precision": "float32",
    },
    "probe": {**TASK, "baselines": ["chance", "random_weights", "shallow"], "network": STAGE},
    "finetune": {**TASK, "baselines": ["shallow"], "probe": STAGE, "tune": STAGE, "scratch": STAGE},
    "waveform": {"model": "biosig-tiny", "inputs": ["II"], "targets": ["V1"], "split": PARTS, "training": TRAINING},
    "bench": {
        "tasks": {
            "half": {"title": "Half", "shards": "a", **{key: TASK[key] for key in ("target", "windows", "split")}}
        },
        "groups": ["frozen", "features"],
        "draws": 2,
        "n_bootstrap": 100,
    },
    "retrieve": {"split": PARTS, "length": 2.0, "embed_dim": 16, "training": TRAINING, "n_bootstrap": 100},
}
"""Configurations of verbs that take a file."""

VERBS = {
    **{verb: ["run.yaml"] for verb in RUNS},
    "embed": ["biosig-tiny", "{given}/a", "--window=1", "--batch-tokens=300", "--out=out.parquet"],
    "features": ["{given}/a", "--out=out.parquet"],
    "predict": ["{given}/result/weights/fold-0-seed-0", "{given}/a", "--out=out.parquet"],
    "merge": ["{given}/a", "{given}/b", "--out=out"],
    "export": ["{given}/a", "--out=out", "--format=wfdb"],
    "convert": [str(REVE), "--out=out"],
    "verify": ["result"],
    "index": ["a"],
    "evaluate": ["result"],
    "audit": ["result", "n_permutations=20"],
    "compare": ["{given}/result", "result", "--out=out.csv"],
}
"""The arguments of each verb, which runs in a folder of its own, where `a` and `result` are copies."""

DIFFERS = ("SHA256SUMS", "log.jsonl", "run.yaml", ".html", "environment.json", "run.json", "runs.csv")
"""Files with times, or with checksums of these."""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Two folders of shards, a model that reads reports, and a result with tuned weights."""
    folder = tmp_path_factory.mktemp("given")
    paths = sorted(samples.path("ptbxl").rglob("*_lr.hea"))
    for name, chosen in {"a": paths[:12], "b": paths[12:16]}.items():
        (folder / name).mkdir()
        with ShardWriter(folder / name / "00000.h5", recipe={}) as writer:
            for number, path in enumerate(chosen):
                labels = {"half": ("even", "odd")[number % 2], "third": str(number % 3)}
                subject = biosig.Subject(f"{name}{number}", age=40.0 + number)
                recording = replace(biosig.read(path), subject=subject, labels=labels, report=f"report {number}")
                writer.add(recording)
        build_index(folder / name)
        (folder / name / "recipe.yaml").write_text("name: native\n")
        (folder / name / "key_id.txt").write_text("0123\n")
        pd.DataFrame({"file": [name], "sentence": ["it broke"]}).to_parquet(folder / name / "failures.parquet")
    small = replace(preset("biosig-tiny"), embed_dim=32, depth=1, num_heads=1)
    checkpoint.save(Encoder(small), False, folder / "model", tokenizer=Tokenizer.default())
    values = {**RUNS["finetune"], "shards": str(folder / "a"), "out": str(folder / "result")}
    run_finetune(configuration.load(FineTuneConfig, values))
    return folder


def _place(verb, given, folder):
    """A fresh folder to run a verb in."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for argument in {"a", "result"} & set(VERBS[verb]):
        shutil.copytree(given / argument, folder / argument)
    if verb in RUNS:
        source = {"sources": [{"shards": str(given / "a")}]} if verb == "pretrain" else {"shards": str(given / "a")}
        source = {"shards": str(given)} if verb == "bench" else source
        values = {"model": str(given / "model"), **RUNS[verb], **source, "out": "out"}
        (folder / "run.yaml").write_text(yaml.safe_dump(values))
    return folder


@pytest.fixture(scope="module")
def command_line():
    """A running `START`."""
    with subprocess.Popen(
        [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield server
        server.stdin.close()


def _run(command_line, verb, given, folder, operation=0, seconds=None, by=signal.SIGKILL):
    """Exit status and what was told, of a verb that is killed at an operation or after some seconds."""
    arguments = [verb, *(argument.format(given=given) for argument in VERBS[verb])]
    printed = folder.parent / "printed.txt"
    asked = {"folder": str(folder), "arguments": arguments, "operation": operation, "output": str(printed)}
    command_line.stdin.write(json.dumps(asked) + "\n")
    command_line.stdin.flush()
    process = int(command_line.stdout.readline())
    if seconds is not None:
        time.sleep(seconds)
        with suppress(ProcessLookupError):  # it has ended
            os.kill(process, by)
    return int(command_line.stdout.readline()), printed.read_text()


def _content(path):
    """What of a file must be equal."""
    if path.name.endswith(DIFFERS):
        return None
    if path.suffix == ".parquet":
        return repr(pq.read_table(path).to_pylist())
    if path.suffix == ".safetensors":
        with safe_open(path, "np") as file:
            tensors = [(name, file.get_tensor(name).tobytes()) for name in sorted(file.keys())]
            return tensors, sorted((file.metadata() or {}).items())
    return path.read_bytes()


def _contents(folder):
    """Of every file under its final name; a log by its steps."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "tensorboard" not in str(path)]
    names = {path: str(path.relative_to(folder)) for path in paths}
    found = {
        name: _content(path) for path, name in names.items() if name[0] != "." and ".parts/" not in name
    }  # the others are not published
    for log in folder.glob("out/log.jsonl"):
        found["steps"] = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    return found


def _unfinished(verb, found):
    """Without what a pretraining writes in steps before its model is there, and a bench's tables as they come."""
    passing = ("out/training.safetensors", "steps") if verb == "pretrain" else ()
    suffixes = (".csv", "tables.json") if verb == "bench" else ()
    return {
        name: content
        for name, content in found.items()
        if name not in passing and "/." not in name and not name.endswith(suffixes)
    }


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_is_killed_and_started_again_ends_with_the_same(verb, command_line, given, tmp_path):
    began, luck = time.monotonic(), random.Random(verb)
    status, printed = _run(command_line, verb, given, _place(verb, given, tmp_path / "whole"))
    assert status == 0 or verb == "audit", printed
    seconds, n_operations = time.monotonic() - began, int(printed.rpartition("operations:")[2])
    folder = _place(verb, given, tmp_path / "killed")
    whole, before = _contents(tmp_path / "whole"), _contents(folder)
    kills, again = [*KILLS], False
    while kills or again:
        kind = kills[0] if kills and not again else ""
        if kind == "time" or (kind and not n_operations):
            by = luck.choice([signal.SIGKILL, signal.SIGTERM])
            status, printed = _run(command_line, verb, given, folder, 0, luck.uniform(0.4, 0.95) * seconds, by)
        else:
            operation = {"last": n_operations, "any": luck.randint(1, max(n_operations, 1)), "": 0}[kind]
            status, printed = _run(command_line, verb, given, folder, operation)
        if status in (-signal.SIGKILL, -signal.SIGTERM, 143):
            kills.pop(0)
            again = kind == "last" or not kills  # else what this kill left is gone on with, and killed again
            for name, content in _unfinished(verb, _contents(folder)).items():
                assert content in (whole.get(name), before.get(name, b"")), f"{name} is half-written"
            continue
        assert (
            status == 0 or verb == "audit" or "already holds something" in printed or "holds a checkpoint" in printed
        ), printed
        assert _contents(folder) == whole
        assert [*folder.rglob(".*"), *folder.rglob("*.parts")] == []
        if (folder / "out" / "SHA256SUMS").exists() or (folder / "result").exists():
            assert verify(next(path for path in (folder / "out", folder / "result") if path.exists())) == 0
        folder, again = _place(verb, given, folder), False
