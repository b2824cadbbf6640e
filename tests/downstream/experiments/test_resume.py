"""A fine-tuning that is killed goes on, and ends with the numbers of one that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from biosig import config as configuration
from biosig.downstream.experiments import resume
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.errors import DataError, UsageError
from biosig.file_sums import DamagedWorkWarning, write_guarded
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
    """True if two result folders hold the same predictions, scores, weights and calibration, bit for bit."""
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
    calls = []

    def stopping(*what):
        calls.append(what)
        if what[0] != "prepare" and len([one for one in calls if one[0] != "prepare"]) % 4 == 0:
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


OLD_TARGET = {
    "label": "", "classes": {}, "labels": {}, "weights": "", "worth": [], "events": {"left": ["T1"], "right": ["T2"]},
    "every": 0.0, "otherwise": "", "where": {}, "measure": "", "rate": "", "plausible": [-np.inf, np.inf], "time": "",
    "event": "",
}  # fmt: skip
"""The target of `_values`, as version 0.1.0 wrote it."""
OLD_KEYS = {"skip_baselines": "without", "network_stage": "convolutional", "amplitude_divisor": "divisor"}


def test_work_that_is_described_by_old_names_of_keys_is_gone_on_with(few_channels, tmp_path):
    config = _config(few_channels, tmp_path / "out")
    now = {**resume._settings(config), "order of recordings": "content"}
    old = {OLD_KEYS.get(key, key): value for key, value in now.items()} | {"target": OLD_TARGET}
    old["windows"] = {{"max_windows": "at_most"}.get(key, key): value for key, value in now["windows"].items()}

    def begin():
        with resume.resumable_folder(config, old) as places:
            write_guarded(places.work / "done", "work")
            raise _Stop

    with pytest.raises(_Stop):
        begin()
    other = {**now, "skip_baselines": ["s4"]}
    with pytest.raises(UsageError, match="differs in skip_baselines:"), resume.resumable_folder(config, other):
        pass
    with resume.resumable_folder(config, now) as places:
        assert (places.work / "done").read_text() == "work"


def test_a_run_that_cannot_work_leaves_nothing_behind(few_channels, tmp_path):
    with pytest.raises(UsageError, match="has no token per window: choose pooling="):
        run_finetune(_config(few_channels, tmp_path / "out", pooling="cls"))
    assert list(tmp_path.iterdir()) == []


def test_an_error_deletes_nothing_that_was_finished(few_channels, tmp_path):
    config = _config(few_channels, tmp_path / "out", seeds=[0], tune={"lr": 1e30, "epochs": 3, "warmup": 0})
    stages = []
    for _ in range(2):
        with pytest.raises(DataError, match="lower the stage's lr"):
            run_finetune(config, lambda stage, *_: stages.append(stage))
    assert stages.count("model, fold 0, seed 0, head") == 2  # epochs of the first start


def _damage(path, how):
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"short": content[:-9], "doubled": content * 2, "flipped": _flipped(content)}[how])


def _flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


def _short(shards, out):
    return _config(shards, out, epochs=1, baselines=["chance"])


@pytest.fixture(scope="module")
def undisturbed(few_channels, tmp_path_factory):
    """A result, and an unfinished run of the same, stopped in the first epoch of its second model's second stage."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run_finetune(_short(few_channels, folder / "whole"))

    def stopping(stage, *_):
        if stage == "model, fold 0, seed 1, tune":
            raise _Stop

    with pytest.raises(_Stop):
        run_finetune(_short(few_channels, folder / "half"), stopping)
    return folder


WORK = [
    "run.json",
    "work/run.json",
    "work/model/fold-0-seed-0.safetensors",
    "work/model/fold-0-seed-1/head.safetensors",
    "work/model/fold-0-seed-1/tune-0.safetensors",
    "result/weights/fold-0-seed-0/model.safetensors",
    "result/weights/fold-0-seed-0/seen.safetensors",
    "work/model/SHA256SUMS",
]
HOW = ["gone", "short", "doubled", "flipped"]
EACH = [
    pytest.param(name, how, marks=[] if (row + column) % 4 == 0 else pytest.mark.slow)
    for row, name in enumerate(WORK)
    for column, how in enumerate(HOW)
]
"""Every file with every damage; in fast tests every file with one, and every damage twice."""


@pytest.mark.parametrize(("name", "how"), EACH)
def test_a_file_of_unfinished_work_that_is_not_whole_is_named_and_made_again(
    few_channels, undisturbed, tmp_path, name, how
):
    partial = shutil.copytree(undisturbed / ".half.partial", tmp_path / ".half.partial")
    _damage(partial / name, how)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run_finetune(_short(few_channels, tmp_path / "half"))
    warned = " ".join(str(warning.message) for warning in caught if warning.category is DamagedWorkWarning)
    named = name if "weights" not in name else "result/weights/fold-0-seed-0"
    assert f".half.partial/{named}" in warned
    _equal(undisturbed / "whole", tmp_path / "half")
    assert [path.name for path in tmp_path.iterdir()] == ["half"]


def test_without_what_says_of_which_run_it_is_unfinished_work_is_kept_and_refused(few_channels, undisturbed, tmp_path):
    partial = shutil.copytree(undisturbed / ".half.partial", tmp_path / ".half.partial")
    for name in ("run.json", "work/run.json"):
        (partial / name).unlink()
    with pytest.warns(DamagedWorkWarning), pytest.raises(DataError, match=r"run\.json with the settings is damaged"):
        run_finetune(_short(few_channels, tmp_path / "half"))
    assert (partial / "work/model/fold-0-seed-0.safetensors").exists()


def test_of_two_runs_into_one_folder_the_second_is_refused(few_channels, undisturbed, tmp_path):
    shutil.copytree(undisturbed / ".half.partial", tmp_path / ".half.partial")

    def second(*_):
        with pytest.raises(UsageError, match="Another run is writing to"):
            run_finetune(_short(few_channels, tmp_path / "half"))
        raise _Stop

    with pytest.raises(_Stop):
        run_finetune(_short(few_channels, tmp_path / "half"), second)


def test_a_full_disk_is_a_sentence_and_what_was_finished_is_gone_on_with(few_channels, undisturbed, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", small]
    if subprocess.run(mount, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        with pytest.raises(DataError, match=r"cannot be written \(.*[Nn]o space.*\): make room"):
            run_finetune(_short(few_channels, small / "out"))
        assert any((small / ".out.partial/work").rglob("*.safetensors"))
        subprocess.run(["mount", "-o", "remount,size=90m", small], check=True)
        run_finetune(_short(few_channels, small / "out"))
        _equal(undisturbed / "whole", small / "out")
    finally:
        subprocess.run(["umount", small], check=True)


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
