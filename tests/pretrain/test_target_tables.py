"""Targets are measured once, kept beside the shards, and are what `biosig.features` measures of the same windows."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig import config, samples
from biosig.errors import UnreadableError
from biosig.features import extract
from biosig.pretrain import target_tables
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.target_tables import load_targets
from biosig.pretrain.targets import TARGETS, TargetMaker
from biosig.pretrain.targets.features import FeatureTargets
from biosig.pretrain.windows import load_windows
from biosig.recording import Subject
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter

ECG = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:4]


def write(folder, recordings):
    folder.mkdir(parents=True, exist_ok=True)
    with ShardWriter(folder / "all.h5", recipe={}) as writer:
        for number, recording in enumerate(recordings):
            writer.add(replace(recording, subject=Subject(f"p{number}")))
    build_index(folder)
    return folder


@pytest.fixture(scope="module")
def recordings(bedside):
    return [*map(biosig.read, ECG), bedside.crop(0, 20)]


@pytest.fixture(scope="module")
def written(recordings, tmp_path_factory):
    return write(tmp_path_factory.mktemp("targets") / "shards", recordings)


@pytest.fixture
def run(written, tmp_path):
    shutil.copytree(written, tmp_path / "shards", ignore=shutil.ignore_patterns("targets"))
    return PretrainConfig(out=tmp_path / "run", sources=[SourceConfig(tmp_path / "shards")], validation=0.25)


def tables(run):
    return sorted((run.sources[0].shards / "targets").glob("*.parquet"))


def test_each_window_has_the_features_that_are_extracted_of_it_and_nan_for_what_it_lacks(run, recordings):
    train, validation = load_windows(run)
    by_id = {recording.id: recording for recording in recordings}
    for windows in (train, validation):
        targets = load_targets(run, windows, ["features"])
        names, values = targets.columns["features"], targets.values["features"]
        assert values.dtype == np.float32
        assert values.shape == (len(windows), len(names))
        assert not any(name.startswith(("ecg.noise", "ppg.clipped")) for name in names)
        for number in range(len(windows)):
            recording = by_id[windows.ds[int(windows.recording[number])].id]
            row = extract(recording.crop(float(windows.onset[number]), 10)).reindex(names)
            assert np.allclose(values[number], row, rtol=1e-4, atol=1e-4, equal_nan=True)
    assert len(tables(run)) == 1


def test_a_second_run_reads_what_the_first_measured(run, monkeypatch):
    train, _ = load_windows(run)
    first = load_targets(run, train, ["features"])
    monkeypatch.setattr(FeatureTargets, "__call__", lambda *_: pytest.fail("measured again"))
    other = replace(run, seed=5, steps=7, out=run.out / "other")
    again = load_targets(other, train, ["features"])
    assert np.array_equal(first.values["features"], again.values["features"], equal_nan=True)


class Means(TargetMaker):
    """The mean and largest value of each lead, of ECGs alone."""

    name = "means"
    shape = (2, 12)
    columns = ("mean", "max")
    version = "1"

    def __call__(self, recording):
        streams = [stream for stream in recording.streams if stream.n_chans == 12]
        if not streams:
            return None
        x = streams[0].physical()
        return np.stack([x.mean(1), x.max(1)])


@pytest.fixture
def means(monkeypatch):
    list(TARGETS)
    monkeypatch.setattr(TARGETS, "_members", {**TARGETS._members})
    return TARGETS.register(Means)


def test_a_maker_of_another_package_may_give_an_array_a_window(run, means):
    train, _ = load_windows(run)
    targets = load_targets(run, train, ["means"])
    assert targets.columns["means"] == ("mean", "max")
    for number, found in enumerate(targets.values["means"]):
        expected = Means()(train.read(number))
        assert np.isnan(found).all() if expected is None else np.allclose(found, expected, atol=1e-5)


def test_another_version_changed_shards_and_an_altered_source_are_measured_anew(run, means, monkeypatch, recordings):
    load_targets(run, load_windows(run)[0], ["means"])
    monkeypatch.setattr(Means, "version", "2")
    load_targets(run, load_windows(run)[0], ["means"])
    assert len(tables(run)) == 2
    for path in run.sources[0].shards.glob("all.h5*"):
        path.unlink()
    write(run.sources[0].shards, recordings[1:])
    load_targets(run, load_windows(run)[0], ["means"])
    assert len(tables(run)) == 3
    monkeypatch.setattr(target_tables, "_alterations", lambda _: {"copies": 2})
    load_targets(run, load_windows(run)[0], ["means"])
    assert len(tables(run)) == 4


def test_a_damaged_table_is_named_and_may_be_deleted(run, means):
    train, _ = load_windows(run)
    load_targets(run, train, ["means"])
    (path,) = tables(run)
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes([content[60] ^ 255]) + content[61:])
    with pytest.raises(UnreadableError, match=r"means-.*\.parquet is damaged.*delete it, and it is measured again"):
        load_targets(run, train, ["means"])
    path.unlink()
    load_targets(run, train, ["means"])


KILLED = """
import os, signal, sys
from biosig import config
from biosig.pretrain import target_tables
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.windows import load_windows

target_tables.PART_WINDOWS = 2

def progress(stage, done, total, note):
    if done == 4:
        os.kill(os.getpid(), signal.SIGKILL)

run = config.load(PretrainConfig, sys.argv[1])
target_tables.load_targets(run, load_windows(run)[0], ["features"], progress)
"""


def test_killed_and_begun_again_it_goes_on_where_it_was(run, tmp_path, monkeypatch):
    config.dump(run, tmp_path / "run.yaml")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "run.yaml"], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not tables(run)
    monkeypatch.setattr(target_tables, "PART_WINDOWS", 2)
    train, _ = load_windows(run)
    done = []
    found = load_targets(run, train, ["features"], lambda stage, number, *_: done.append(number))
    assert done == [3, 4, 5, 6]
    shutil.rmtree(run.sources[0].shards / "targets")
    whole = load_targets(run, train, ["features"])
    assert np.array_equal(found.values["features"], whole.values["features"], equal_nan=True)
