"""Ctrl-C while this process writes shards: what is published is whole, whenever it comes."""

import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import biosig
from biosig import samples
from biosig.errors import DataError
from biosig.shards import ShardWriter
from biosig.shards.safe_file import FullDiskFile
from biosig.shards.verify import check_shards
from ingest.cli.ingest import ingest
from ingest.pipeline import batch

ECG = samples.path("ptbxl") / "records100" / "00000"


@pytest.fixture(autouse=True)
def _listens_to_ctrl_c():
    """A shell that starts the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def ward(tmp_path):
    folder = tmp_path / "ward"
    folder.mkdir()
    for name in ("00001_lr", "00002_lr", "00003_lr"):
        for suffix in (".hea", ".dat"):
            shutil.copy(ECG / f"{name}{suffix}", folder)
    return folder


def during(monkeypatch, where, name, number, act):
    """Do something in the middle of the `number`-th call of a function."""
    calls = iter(range(1, 1000))
    original = getattr(where, name)

    def called(*args, **kwargs):
        if next(calls) == number:
            act()
        return original(*args, **kwargs)

    monkeypatch.setattr(where, name, called)


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def check_interrupted(ward, out, n_published):
    with pytest.raises(KeyboardInterrupt):
        ingest((ward,), out=out, workers=1)
    report = check_shards(out)
    assert (report.n_recordings, report.problems) == (n_published, [])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert ingest((ward,), out=out, workers=1, resume=True) == 0
    report = check_shards(out)
    assert (report.n_recordings, report.problems) == (3, [])
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("number", [1, 5, 30])
def test_while_hdf5_writes_the_file_in_hand_is_finished(ward, tmp_path, monkeypatch, number):
    during(monkeypatch, FullDiskFile, "seek", number, ctrl_c)
    check_interrupted(ward, tmp_path / "out", 1 if number == 1 else 3)


def test_while_a_file_is_read_it_is_finished_and_pressed_again_left(ward, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        during(patch, batch, "apply", 2, ctrl_c)
        check_interrupted(ward, tmp_path / "once", 2)
    with monkeypatch.context() as patch:
        during(patch, batch, "apply", 2, lambda: (ctrl_c(), ctrl_c()))
        check_interrupted(ward, tmp_path / "twice", 1)


def test_an_interrupt_within_hdf5_is_kept_from_it_and_nothing_is_published(ward, tmp_path, monkeypatch):
    recording = biosig.read(ward / "00001_lr.hea")
    write = os.pwrite

    def interrupted(handle, data, offset):
        if offset > 4096:
            raise KeyboardInterrupt
        return write(handle, data, offset)

    with pytest.raises(KeyboardInterrupt), ShardWriter(tmp_path / "0.h5", {}) as writer:  # noqa: PT012
        writer.add(recording)
        monkeypatch.setattr(os, "pwrite", interrupted)
    assert not list(tmp_path.glob("*.h5"))


def test_a_shard_left_in_the_middle_of_a_recording_is_not_published(ward, tmp_path, monkeypatch):
    recording = biosig.read(ward / "00001_lr.hea")
    writer = ShardWriter(tmp_path / "0.h5", {})
    writer.add(recording)
    monkeypatch.setattr(writer, "_add_stream", lambda *_: ctrl_c())
    with pytest.raises(KeyboardInterrupt):
        writer.add(replace(recording, id="second"))
    with pytest.raises(DataError, match="in the middle of a recording"):
        writer.__exit__(None, None, None)
    assert not list(tmp_path.glob("*.h5"))


@pytest.mark.slow
def test_at_random_moments(edf_writer, ramp, tmp_path):
    """Twenty times SIGINT in the second or two that an ingest of some MB takes: every shard is sound."""
    ward, out = tmp_path / "ward", tmp_path / "out"
    ward.mkdir()
    for i in range(8):
        signals = [(name, "uV", -3276.8, 3276.7, ramp(400_000, seed=i)) for name in ("C3", "C4", "Cz", "Pz")]
        edf_writer(ward / f"r{i}.edf", signals, n_records=4000)
    main = "import sys\nfrom biosig.cli import main\nif __name__ == '__main__':\n    main(sys.argv[1:])\n"
    (tmp_path / "run.py").write_text(main)
    command = [sys.executable, str(tmp_path / "run.py"), "ingest", str(ward), "--out", str(out), "--workers", "1"]
    luck = random.Random(int(os.environ.get("BIOSIG_TEST_SEED", "1")))
    ends: collections.Counter[tuple[int, bool]] = collections.Counter()
    for _ in range(20):
        shutil.rmtree(out, ignore_errors=True)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not list(out.glob(".*.h5.*.tmp")) and process.poll() is None:
            time.sleep(0.005)
        time.sleep(luck.uniform(0, 1))
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]
        over = process.returncode == -signal.SIGINT and "8 of 8" in errors  # Python itself was on its way out
        assert process.returncode in (0, 130) or over, errors
        assert "Traceback" not in errors
        shards = list(out.glob("*.h5"))
        ends[process.returncode, bool(shards)] += 1
        if shards:
            assert [problem for problem in check_shards(out).problems if "index" not in problem.message] == []
    assert ends[130, True] > 3, f"the interrupts met the work at one place: {ends}"
