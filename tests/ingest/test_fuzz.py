"""Broken, strange and hostile files: each ends in a recording or in one clean sentence, soon, within its own folder.

Real recordings are written in every format, then cut, overwritten and given headers that lie. A process of its own
ingests them, so that a crash, a hang and a greedy reader are seen from outside.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_adapter_contract import SAMPLES

from biosig.errors import BiosigError
from biosig.reading import read

SECONDS = 10
MEGABYTES = 2048
PER_FORMAT = 70
RANDOM = (1, 3, 4, 5, 6, 7, 10, 11, 12, 13)
"""The ways to break a record that differ each time; the first cases of a format take each way once."""
SECRET = b"This file lies outside of the record's folder."

LIES = [
    b"0",
    b"-1",
    b"1000000000",
    b"999999999999",
    b"NaN",
    b"inf",
    b"1e300",
    b"",
    b"x",
    b"\xff\xfe\xb5",
    b"A" * 70_000,
]
"""What a number in a header is replaced by."""

PATHS = ["../secret.dat", "/etc/passwd", "..", ".", "../../secret.dat", "~/secret.dat", "sub/../../secret.dat", "con:"]
"""What a file name in a header is replaced by; `{absolute}` is added where the corpus is written."""

RUN = """
import json, os, sys, time
from pathlib import Path

folder = Path(sys.argv[1])
opened = []
watching = False

def watch(event, arguments):
    if watching and event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.append(os.path.realpath(os.fsdecode(arguments[0])))

sys.addaudithook(watch)

import mne, pandas, scipy.io, wfdb, pydicom, pymatreader
from ingest.cli.ingest import ingest

for case in sys.stdin:
    record, out = folder / case.strip() / "record", folder / case.strip() / "out"
    print(json.dumps({"begin": case.strip()}), flush=True)
    opened.clear()
    start = time.process_time()
    watching = True
    try:
        status = ingest((record,), out=out, workers=1)
        what = "usage"
    except ValueError as error:
        status, what = -1, f"{type(error).__name__}: {error}"
    watching = False
    inside = os.path.realpath(folder / case.strip())
    strange = [p for p in opened if p.startswith(os.path.realpath(folder)) and not p.startswith(inside)]
    strange += [p for p in opened if p.startswith(inside) and Path(p).name.startswith("secret")]
    strange += [p for p in opened if p == "/etc/passwd"]
    with open("/proc/self/status") as memory:  # ru_maxrss would begin with what the parent held
        peak = next(int(line.split()[1]) for line in memory if line.startswith("VmHWM:")) // 1024
    answer = {"end": case.strip(), "status": status, "what": what, "opened": strange, "peak": peak}
    answer["seconds"] = time.process_time() - start
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Folders with one broken record each, in ``record``, and secrets beside that folder."""
    folder = tmp_path_factory.mktemp("corpus")
    luck = random.Random(3)
    for family, samples in SAMPLES.items():
        for number, sample in enumerate(samples):
            base = folder / f"base-{family}-{number}"
            base.mkdir()
            path = sample.make(base)
            if path.parent != base:
                for file in path.parent.glob(f"{path.stem.split('_Signals')[0]}*"):
                    shutil.copy(file, base)
                if (path.parent / "biosig.yaml").exists():
                    shutil.copy(path.parent / "biosig.yaml", base)
            for i in range(PER_FORMAT):
                case = folder / f"{family}-{number}-{i:02d}"
                shutil.copytree(base, case / "record")
                (case / "secret.dat").write_bytes(SECRET * 10_000)
                mutate(case / "record", path.name, i if i < 14 else luck.choice(RANDOM), luck)
            shutil.rmtree(base)
    hdf5_links(folder)
    return folder


def mutate(record, name, kind, luck):
    """Break one file of a record; `kind` chooses how."""
    files = sorted(file for file in record.rglob("*") if file.is_file() and file.name != "biosig.yaml")
    main = record / name if (record / name).is_file() else luck.choice(files)  # a folder may be a recording
    target = luck.choice(files)
    raw = bytearray(target.read_bytes())
    head = bytearray(main.read_bytes())
    text = min(len(head), 20_000)
    match kind:
        case 0:
            target.write_bytes(raw[: len(raw) // 2])
        case 1:
            target.write_bytes(raw[: luck.randrange(1, 300)])
        case 2:
            target.write_bytes(b"")
        case 3:
            main.write_bytes(luck.randbytes(len(head)))
        case 4:
            target.write_bytes(raw + luck.randbytes(1000))
        case 5 | 6:
            for _ in range(1 if kind == 5 else 40):
                head[luck.randrange(text)] = luck.randrange(256)
            main.write_bytes(head)
        case 7:
            names = list(re.finditer(rb"[\w.-]+\.(dat|eeg|fdt|vmrk|edf|mat|gz|csv)", bytes(head)))
            if names:
                at = luck.choice(names)
                lie = luck.choice([*PATHS, str(record.parent / "secret.dat")]).encode()
                main.write_bytes(bytes(head[: at.start()]) + lie + bytes(head[at.end() :]))
            else:
                main.write_bytes(head[::-1])
        case 8:
            target.unlink()
            target.symlink_to(target.name)
        case 9:
            target.unlink()
            target.mkdir()
        case _:
            numbers = list(re.finditer(rb"(?<![\w.])-?\d+\.?\d*", bytes(head[:text])))
            for _ in range(1 if kind < 12 else 5):
                at, lie = luck.choice(numbers or [re.match(b"", b"")]), luck.choice(LIES)
                width = at.end() - at.start()
                same = luck.random() < 0.5 and len(lie) <= width  # fixed-width headers stay in step
                head = head[: at.start()] + (lie.ljust(width) if same else lie) + head[at.end() :]
                numbers = list(re.finditer(rb"(?<![\w.])-?\d+\.?\d*", bytes(head[:text])))
            main.write_bytes(head)


def hdf5_links(folder):
    """Arrays and external storage that point out of the file, out of the folder, and at themselves."""
    array = "{name: x, axes: [channel, time], channels: [II], default: {kind: ecg, unit: mV}}"
    mapping = f"record: (.+)\\.h5\nsignals: [{{sfreq: 100, array: {array}}}]\n"
    for i, link in enumerate(("external", "soft", "storage", "virtual", "loop")):
        record = folder / f"hdf5-links-{i:02d}" / "record"
        record.mkdir(parents=True)
        (record / "biosig.yaml").write_text(mapping)
        with h5py.File(record.parent / "secret.h5", "w") as secret:
            secret["x"] = np.arange(5000, dtype=np.int16)[None]
        (record.parent / "secret.dat").write_bytes(SECRET * 10_000)
        with h5py.File(record / "a.h5", "w") as file:
            if link == "external":
                file["x"] = h5py.ExternalLink("../secret.h5", "x")
            elif link == "soft":
                file["x"] = h5py.SoftLink("/y/z")
            elif link == "storage":
                file.create_dataset("x", (1, 5000), "i2", external=[("../secret.dat", 0, 10_000)])
            elif link == "virtual":
                layout = h5py.VirtualLayout((1, 5000), "i2")
                layout[:] = h5py.VirtualSource("../secret.h5", "x", (1, 5000))
                file.create_virtual_dataset("x", layout)
            else:
                file["x"] = h5py.SoftLink("/x")


@pytest.mark.slow
def test_every_broken_file_ends_in_a_recording_or_a_sentence(corpus):
    cases = sorted(path.name for path in corpus.iterdir())
    assert len(cases) >= 1400
    old = 1_000_000_000  # an access time long before the last change, which a read moves
    secrets = [path for path in corpus.rglob("secret*") if path.is_file() and not path.is_symlink()]
    for path in secrets:
        os.utime(path, (old, path.stat().st_mtime))
    outcomes = list(ingest_all(corpus, cases))
    assert [o["case"] for o in outcomes] == cases
    faults = {o["case"]: o["fault"] for o in outcomes if o["fault"]}
    assert not faults, json.dumps(faults, indent=1)
    assert {o["status"] for o in outcomes} >= {0, 1}
    assert [path for path in secrets if path.stat().st_atime != old] == []


def ingest_all(corpus, cases):
    """Outcome of each case; a process that crashes or hangs is replaced by the next."""
    rest, errors = list(cases), corpus.parent / "stderr.txt"  # a file: a pipe that nobody empties holds up who writes
    while rest:
        with errors.open("w") as stderr:
            child = subprocess.Popen(
                [sys.executable, "-c", RUN, str(corpus)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        child.stdin.write("\n".join(rest) + "\n")
        child.stdin.close()
        clock = None
        case = None
        for line in child.stdout:
            if not line.startswith("{"):
                continue
            answer = json.loads(line)
            if "begin" in answer:
                case = answer["begin"]
                clock = threading.Timer(12 * SECONDS, child.kill)
                clock.start()
                continue
            clock.cancel()
            rest.remove(case)
            yield {"case": case, "status": answer["status"], "fault": fault_of(corpus / case, answer)}
            case = None
        child.wait()
        if case is not None:
            slow = not clock.is_alive()
            clock.cancel()
            rest.remove(case)
            end = "hung" if slow else f"crashed ({child.returncode}): {errors.read_text()[-500:]}"
            yield {"case": case, "status": None, "fault": end}
        elif rest and child.returncode:
            raise AssertionError(errors.read_text()[-2000:])


def fault_of(case, answer):
    """Fault in the end of a case, or None."""
    import pyarrow.parquet as pq

    if answer["opened"]:
        return f"opened {answer['opened']}"
    if answer["seconds"] > SECONDS:  # of its own: a busy machine takes longer
        return f"took {answer['seconds']:.0f} s"
    if answer["peak"] > MEGABYTES:
        return f"took {answer['peak']} MB"
    if answer["status"] == -1 and not re.match(r"(DataError|UsageError|UnreadableError): ", answer["what"]):
        return answer["what"]
    failures = case / "out" / "failures.parquet"
    for row in pq.read_table(failures).to_pylist() if failures.exists() else []:
        if "failed with an unexpected" in row["sentence"] or "\n" in row["sentence"] or len(row["sentence"]) > 500:
            return row["sentence"][:1500]
    if SECRET[:20] in b"".join(path.read_bytes() for path in case.glob("out/*.h5")):
        return "a secret is in the shard"
    return None


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_edit_of_a_header_is_read_or_told(data, tmp_path_factory):
    family, number = data.draw(st.sampled_from([("wfdb", 0), ("wfdb", 1), ("edf", 1), ("mne", 1)]))
    folder = tmp_path_factory.mktemp("edit")
    path = SAMPLES[family][number].make(folder)
    if path.parent != folder:
        shutil.copy(path.with_suffix(".dat"), folder)
        path = Path(shutil.copy(path, folder))
    head = path.read_bytes()
    start = data.draw(st.integers(0, min(len(head), 1200)))
    length = data.draw(st.integers(0, 12))
    new = data.draw(st.sampled_from(LIES[:-1]) | st.binary(max_size=12))
    path.write_bytes(head[:start] + new + head[start + length :])
    try:
        recording = read(path, lazy=True)
        assert all(len(block.valid()) for stream in recording.streams for block in stream.blocks())
    except BiosigError as error:
        assert "\n" not in str(error)  # noqa: PT017
    finally:
        shutil.rmtree(folder)
