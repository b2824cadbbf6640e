"""Kill an ingest with two workers in the middle, resume it: every recording once, nothing else left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import biosig
from biosig import samples
from biosig.shards.verify import check_shards

N_RECORDINGS = 300
SCRIPT = """
import sys
import ingest.batch as batch
import ingest.pipeline as pipeline
from biosig.cli import main

if __name__ == "__main__":
    batch.SHARD_RECORDINGS = 20
    pipeline._FILES_PER_WORKER = 1
    main(["ingest", sys.argv[1], "--out", sys.argv[2], "--workers", "2", *sys.argv[3:]])
"""


@pytest.fixture
def many(tmp_path):
    """Copies of three ECGs under names of their own."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    source = samples.path("ptbxl") / "records100" / "00000"
    for i in range(N_RECORDINGS):
        name = f"0000{i % 3 + 1}_lr"
        (folder / f"r{i:03d}.hea").write_text((source / f"{name}.hea").read_text().replace(name, f"r{i:03d}"))
        shutil.copy(source / f"{name}.dat", folder / f"r{i:03d}.dat")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("n_shards", [0, 1, 6, 12])
def test_a_killed_ingest_resumes_to_exactly_all(many, tmp_path, n_shards):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    out = tmp_path / "out"
    command = [sys.executable, str(script), str(many), str(out)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(out.glob("*.h5"))) >= n_shards and list(out.glob(".*.tmp")))
    children = children_of(run.pid)
    run.send_signal(signal.SIGKILL)
    run.wait()
    published = len(list(out.glob("*.h5")))
    assert n_shards <= published < N_RECORDINGS / 20
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert subprocess.run([*command, "--resume"], check=False, capture_output=True).returncode == 0
    names = biosig.open_shards(out).to_pandas()["recording"].tolist()
    assert sorted(names) == [f"r{i:03d}" for i in range(N_RECORDINGS)]
    report = check_shards(out)
    assert (report.n_recordings, report.problems) == (N_RECORDINGS, [])
    assert not list(out.glob(".*"))


def wait_for(happened, seconds=60):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def children_of(pid):
    """Ids of a process's children (Linux)."""
    if not os.path.isdir("/proc"):
        pytest.skip("needs /proc")
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
