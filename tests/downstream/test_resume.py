"""A fine-tuning that is killed goes on, and ends with the numbers of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pandas as pd
import pytest
from safetensors.torch import load_file

from biosig import config as configuration
from biosig.downstream.finetune import run_finetune
from biosig.downstream.settings import FineTuneConfig
from biosig.errors import DataError, UsageError
from biosig.shards import ShardWriter, build_index, open_shards

SPLIT = {"train": "number <= '003'", "validation": "'003' < number <= '005'", "test": "number >= '006'"}


def _values(shards, out, method="lora", epochs=2, **changes):
    return {
        "model": "biosig-tiny",
        "shards": str(shards.folder),
        "target": {"events": {"left": ["T1"], "right": ["T2"]}},
        "windows": {"after": 2.0},
        "split": SPLIT,
        "probe": {"lr": 5e-3, "epochs": epochs, "warmup": 1, "patience": 99, "mixup": True, "ema": 0.9},
        "tune": {"lr": 1e-3, "epochs": epochs, "batch_size": 8, "patience": 99, "method": method},
        "scratch": {"lr": 1e-3, "epochs": epochs, "batch_size": 8, "patience": 99},
        "baselines": ["chance", "shallow"],
        "n_bootstrap": 100,
        "seeds": [0, 1],
        "out": str(out),
        **changes,
    }


def _config(*args, **changes):
    return configuration.load(FineTuneConfig, _values(*args, **changes))


def _equal(one, other):
    """Whether two result folders hold the same predictions, scores, weights and calibration, bit for bit."""
    pd.testing.assert_frame_equal(
        *(pd.read_parquet(out / "predictions.parquet") for out in (one, other)), check_exact=True
    )
    scores = [json.loads((out / "metrics.json").read_text())["scores"] for out in (one, other)]
    assert scores[0] == scores[1]
    names = sorted(path.relative_to(one) for path in one.rglob("*.safetensors"))
    assert names == sorted(path.relative_to(other) for path in other.rglob("*.safetensors"))
    for name in names:
        mine, others = load_file(one / name), load_file(other / name)
        assert mine.keys() == others.keys()
        assert all(tensor.equal(others[key]) for key, tensor in mine.items())
    for name in one.rglob("classifier.json"):
        assert name.read_text() == (other / name.relative_to(one)).read_text()


class _Stop(BaseException):
    """As abrupt as Ctrl-C."""


def test_a_run_that_is_stopped_anywhere_ends_with_the_same_numbers(few_channels, tmp_path):
    undisturbed = run_finetune(_config(few_channels, tmp_path / "undisturbed"))
    told = []

    def stopping(*what):
        told.append(what)
        if what[0] != "prepare" and len([one for one in told if one[0] != "prepare"]) % 4 == 0:
            raise _Stop

    config, starts = _config(few_channels, tmp_path / "stopped"), 0
    while not (tmp_path / "stopped").exists():
        starts += 1
        assert starts < 30
        try:
            result = run_finetune(config, stopping)
        except _Stop:
            continue
    assert starts >= 3
    pd.testing.assert_frame_equal(result.table, undisturbed.table, check_exact=True)
    _equal(tmp_path / "undisturbed", tmp_path / "stopped")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_another_run_has_left_is_not_gone_on_with(few_channels, tmp_path):
    def stopping(stage, *_):
        if "tune" in stage:
            raise _Stop

    with pytest.raises(_Stop):
        run_finetune(_config(few_channels, tmp_path / "out", seeds=[0]), stopping)
    with pytest.raises(UsageError, match=r"unfinished run of another kind, which differs in tune: give another"):
        run_finetune(_config(few_channels, tmp_path / "out", method="full", seeds=[0]))
    with ShardWriter(tmp_path / "eeg.h5", recipe={}) as writer:
        for stored in few_channels:
            recording = stored.read()
            swapped = [replace(a, label={"T1": "T2", "T2": "T1"}.get(a.label, a.label)) for a in recording.annotations]
            writer.add(replace(recording, annotations=swapped))
    build_index(tmp_path)
    with pytest.raises(UsageError, match="differs in shards, recordings or labels:"):
        run_finetune(_config(open_shards(tmp_path), tmp_path / "out", seeds=[0]))


def test_a_run_that_cannot_work_leaves_nothing_behind(few_channels, tmp_path):
    with pytest.raises(DataError, match="lower the stage's lr"):
        run_finetune(_config(few_channels, tmp_path / "out", seeds=[0], probe={"lr": 1e30, "epochs": 3, "warmup": 0}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full", "probe"])
def test_a_killed_process_goes_on_where_it_was(few_channels, tmp_path, method):
    run_finetune(_config(few_channels, tmp_path / "undisturbed", method, epochs=3))
    settings = tmp_path / "finetune.yaml"
    configuration.dump(_config(few_channels, tmp_path / "killed", method, epochs=3), settings)
    command = [sys.executable, "-c", "from biosig.cli import main; main()", "finetune", str(settings)]
    work, kills = tmp_path / ".killed.partial" / "work", 0
    while not (tmp_path / "killed").exists():
        before = len(list(work.rglob("*.safetensors")))
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
        while kills < 3 and process.poll() is None and len(list(work.rglob("*.safetensors"))) <= before:
            time.sleep(0.01)
        if kills < 3 and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        assert process.wait(timeout=300) in (0, -signal.SIGKILL)
    assert kills == 3
    _equal(tmp_path / "undisturbed", tmp_path / "killed")
