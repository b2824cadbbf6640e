"""A probe on made signals, of which each is there twice under another name and subject: copies win nothing."""

from dataclasses import replace

import numpy as np
import pytest

from biosig import config as configuration
from biosig.content_hash import content_hash
from biosig.downstream.data.splits import Contents
from biosig.downstream.experiments.probe import run_probe
from biosig.downstream.probe.config import ProbeConfig
from biosig.models.array_input import as_recordings
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index

N = 48


def signals():
    """Leads (48, 1, 1000) of ten seconds, mV, no two of which share anything, and no class of which is another."""
    return np.random.default_rng(0).normal(0, 0.3, (N, 1, 1000)).astype(np.float32)


@pytest.fixture(scope="module")
def recordings():
    made = as_recordings(signals(), 100.0, ["II"], "ecg", None, None, None, None, ("ecg",), check=False)
    known = [
        replace(one, labels={"class": "NA"[n % 2]}, content_hash=content_hash(one.streams))
        for n, one in enumerate(made)
    ]
    return [replace(one, id=f"A{n}", subject=Subject(f"A{n}")) for n, one in enumerate(known)]


def copy_of(number, recording):
    """Half of the copies have equal samples, the others half of the gain in steps of 1 uV."""
    (stream,) = recording.streams
    if number // 2 % 2:  # in both classes
        stream = replace(stream, samples=np.round(stream.samples * 500) / 1000)
    name = f"B{number}"
    hashed = content_hash([stream])
    return replace(recording, id=name, subject=Subject(name), streams=[stream], content_hash=hashed, fingerprint=b"")


@pytest.fixture
def folders(recordings, tmp_path):
    """Shards of the recordings alone, and of them and their copies."""
    copies = [copy_of(number, one) for number, one in enumerate(recordings)]
    for name, stored in (("alone", recordings), ("twice", [*recordings, *copies])):
        (tmp_path / name).mkdir()
        with ShardWriter(tmp_path / name / "0.h5", recipe={}) as writer:
            for recording in stored:
                writer.add(recording)
        build_index(tmp_path / name)
    return tmp_path / "alone", tmp_path / "twice"


def probed(folder):
    config = {
        "model": "biosig-tiny",
        "shards": str(folder),
        "target": {"label": "class", "classes": {"normal": ["N"], "other": ["A"]}},
        "windows": {"length": 10.0},
        "split": {"folds": 4},
        "baselines": ["chance"],
        "n_bootstrap": 200,
    }
    result = run_probe(configuration.load(ProbeConfig, config))
    return result, result.table.query("method == 'model' and metric == 'auroc'").iloc[0]


def blind(windows):
    """Each recording as a person of its own, as if nobody had looked for copies."""
    names = windows.recording.astype(str)
    return Contents(names, names, [])


def test_copies_win_nothing_and_are_one_person(folders, monkeypatch):
    (_, alone), (result, twice) = map(probed, folders)
    assert any(f"{N} recordings are there twice ({N // 2} with equal samples" in note for note in result.notes)
    assert (twice["n_subjects"], twice["n_recordings"]) == (N, 2 * N)
    assert twice["low"] < 0.5 < twice["high"]
    assert twice["high"] - twice["low"] > 0.8 * (alone["high"] - alone["low"])
    monkeypatch.setattr("biosig.downstream.data.task.content_of", blind)
    _, cheated = probed(folders[1])
    assert max(alone["value"], twice["value"]) < 0.65 < cheated["low"]
