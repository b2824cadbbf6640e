"""An ingest that is killed, or its workers are, or that fills the disk: nothing published is lost, nothing is twice."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import biosig
from biosig import samples
from biosig.shards.verify import check_shards

pytestmark = pytest.mark.slow

N_RECORDINGS = 600
RUN = """
import os, signal, sys
import ingest.pipeline.run
import ingest.pipeline.workers
from ingest.adapters.wfdb.adapter import WfdbAdapter
from biosig.cli import main

ingest.pipeline.run._FILES_PER_WORKER = 1
ingest.pipeline.workers.SHARD_RECORDINGS = 6
read = WfdbAdapter.read

def read_or_die(self, path, **options):
    if path.stem in os.environ.get("DEADLY", "").split():
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self, path, **options)

WfdbAdapter.read = read_or_die

if __name__ == "__main__":
    main(["ingest", *sys.argv[1:]])
"""


@pytest.fixture
def clinic(tmp_path):
    """Copies of three ECGs under names of their own."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    source = samples.path("ptbxl") / "records100" / "00000"
    for i in range(N_RECORDINGS):
        name = f"0000{i % 3 + 1}_lr"
        (folder / f"r{i:03d}.hea").write_text((source / f"{name}.hea").read_text().replace(name, f"r{i:03d}"))
        shutil.copy(source / f"{name}.dat", folder / f"r{i:03d}.dat")
    return folder


@pytest.fixture
def command(tmp_path):
    """The ingest of a folder with two workers, under one key, in batches of half a dozen files."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    key = tmp_path / "secret.key"
    key.write_text("00112233445566778899aabbccddeeff")
    return [sys.executable, str(script), "--workers", "2", "--key", str(key)]


def test_killed_twenty_times_it_ends_with_what_an_undisturbed_run_gives(clinic, command, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert run([*command, str(clinic), "--out", str(whole)]).returncode == 0
    luck = random.Random(20)
    published: list[int] = []
    for _ in range(20):
        resume = ["--resume"] if out.exists() else []
        left = unfinished(out)
        process = subprocess.Popen([*command, str(clinic), "--out", str(out), *resume], **SILENT)
        wait_for(lambda p=process, left=left: unfinished(out) - left or p.poll() is not None)
        time.sleep(luck.uniform(0, 0.15))
        children = descendants_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda c=children: not any(Path(f"/proc/{child}").exists() for child in c))
        published.append(len(list(out.glob("*.h5"))))
    assert published == sorted(published)
    assert len(set(published)) > 3, "the kills met the work at one place"
    assert run([*command, str(clinic), "--out", str(out), "--resume"]).returncode == 0
    check_sound(out, N_RECORDINGS)
    assert what_is_in(out) == what_is_in(whole)


def test_killed_workers_cost_nothing_and_deadly_files_are_named(clinic, command, tmp_path):
    out = tmp_path / "out"
    deadly = ["r007", "r200", "r201"]
    process = subprocess.Popen(
        [*command, str(clinic), "--out", str(out)], env={**os.environ, "DEADLY": " ".join(deadly)}, **SILENT
    )
    wait_for(lambda: len(list(out.glob("*.h5"))) >= 3)
    server = next(child for child in children_of(process.pid) if children_of(child))
    os.kill(children_of(server)[0], signal.SIGKILL)
    assert process.wait(timeout=300) == 1
    check_sound(out, N_RECORDINGS - len(deadly))
    failures = pq.read_table(out / "failures.parquet").to_pylist()
    assert sorted(Path(row["file"]).stem for row in failures) == deadly
    assert all("ended the process that read it" in row["sentence"] for row in failures)


def test_ctrl_c_publishes_what_is_complete(clinic, command, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*command, str(clinic), "--out", str(out)], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: list(out.glob("*.h5")))
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was published stays whole" in errors
    published = len(biosig.open_shards(out))
    assert 0 < published < N_RECORDINGS
    check_sound(out, published)
    assert run([*command, str(clinic), "--out", str(out), "--resume"]).returncode == 0
    check_sound(out, N_RECORDINGS)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk_loses_nothing_that_was_published(clinic, command, tmp_path, workers):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small], **SILENT).returncode:
        pytest.skip("needs the right to mount a file system")
    out = small / "out"
    try:
        full = run([*command, str(clinic), "--out", str(out), "--workers", workers])
        assert full.returncode == 1, full.stderr
        assert "make room and continue with --resume" in full.stderr
        published = len(biosig.open_shards(out))
        assert 0 < published < N_RECORDINGS
        assert [p for p in check_shards(out).problems if "index" not in str(p)] == []
        subprocess.run(["mount", "-o", "remount,size=60m", small], check=True)
        assert run([*command, str(clinic), "--out", str(out), "--resume"]).returncode == 0
        check_sound(out, N_RECORDINGS)
    finally:
        subprocess.run(["umount", small], check=True)


SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def run(command):
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)


def check_sound(out, n_recordings):
    """Every recording once, all checksums right, nothing left behind."""
    report = check_shards(out)
    assert (report.n_recordings, report.problems) == (n_recordings, [])
    assert biosig.open_shards(out).to_pandas()["recording"].nunique() == n_recordings
    assert not list(out.glob(".*"))


def what_is_in(out):
    """Every recording's id, subject and checksum, which covers all that it says."""
    table = biosig.open_shards(out).to_pandas().sort_values("recording")
    return table[["recording", "subject", "checksum", "content_hash"]].to_numpy().tolist()


def unfinished(out):
    return set(out.glob(".*.h5.*.tmp"))


def wait_for(happened, seconds=60):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def children_of(pid):
    """Ids of a process's children (Linux); none where it has ended."""
    if not os.path.isdir("/proc"):
        pytest.skip("needs /proc")
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants_of(pid):
    """Ids of a process's children, of theirs, and so on."""
    children = children_of(pid)
    return children + [further for child in children for further in descendants_of(child)]
