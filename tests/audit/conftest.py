"""Corpora of real signals, and a way to plant a cheat in them."""

from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.audit.config import AuditConfig
from biosig.content_hash import content_hash
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index


@pytest.fixture(scope="session")
def ecgs():
    """Thirty PTB-XL samples, 10 s of six leads at 100 Hz, each of another person."""
    recordings = []
    for path in sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:30]:
        ecg = biosig.read(path)
        streams = [ecg.streams[0].pick([0, 1, 6, 7, 9, 11])]
        content = content_hash(streams)
        recordings.append(replace(ecg, streams=streams, subject=Subject(path.stem), content_hash=content))
    return recordings


@pytest.fixture(scope="session")
def eegs():
    """Pieces of 8 s of eight channels of the EEGMMIDB samples, six of each of seven people."""
    pieces = []
    for path in sorted(samples.path("eegmmidb").glob("*R04.edf")):
        recording = biosig.read(path)
        few = replace(recording, streams=[recording.streams[0].pick(range(8))], annotations=[])
        for number in range(6):
            (stream,) = few.crop(8.0 * number, 8.0).streams
            name, subject = f"{path.stem}-{number}", Subject(path.stem[:4])
            pieces.append(replace(few, id=name, streams=[replace(stream, onset=0.0)], subject=subject))
    return pieces


@pytest.fixture
def plant(tmp_path):
    """Write recordings to shards, each with its label; gives the folder."""

    def write(recordings, labels, **changes):
        with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
            for recording, label in zip(recordings, labels, strict=True):
                writer.add(replace(recording, labels={"label": label}, **changes))
        build_index(tmp_path)
        return tmp_path

    return write


def audit_config(folder, checks, classes=("a", "b"), **changes):
    """An audit of which class a recording is of, by the tiny preset."""
    values = {
        "model": "biosig-tiny",
        "shards": str(folder),
        "target": {"label": "label", "classes": {name: [name] for name in classes}},
        "windows": {"length": 8.0},
        "split": {"folds": 3, "validation": 0.5},
        "head": "ridge",  # a closed form, which is quicker
        "n_bootstrap": 100,
        "n_permutations": 200,
        "checks": list(checks),
    }
    return configuration.load(AuditConfig, values | changes)


def coin(n, seed=0):
    """As many a as b, in random order."""
    return np.random.default_rng(seed).permutation(np.resize(["a", "b"], n)).tolist()


def by_check(result):
    """The findings by what was looked at."""
    return {finding.check: finding for finding in result.findings}
