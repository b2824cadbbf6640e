"""Headers and files that lie, by hand and by mutation: a Recording or one sentence, soon, and nothing from outside."""

import random
import shutil
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import wfdb

from biosig import samples
from biosig.errors import UnreadableError
from ingest.adapters.wfdb.adapter import WfdbAdapter

RECORD = samples.path("ptbxl") / "records100" / "00000" / "00001_lr.hea"
BILLION = "1000000000"
TOKENS = [
    BILLION, "9" * 30, "0", "-1", "nan", "inf", "1e400", "1e-320", "../../etc/passwd", "/etc/passwd", "..", "\0", "é",
    "16x1000000000", "16:1000000000", "16+1000000000", "212", "8", "508", "310", "~", "a/1", "", "1.5", "/", "()", "#",
    "200(99999999999999999999)/mV", "1e-300(0)/mV", "\t", "\\", "m", "m.hea", "a.dat", "~ 1000000000",
]  # fmt: skip

_opened: list[str] | None = None


def _note_opening(event, args):
    if event == "open" and _opened is not None:
        _opened.append(str(args[0]))


sys.addaudithook(_note_opening)


@pytest.fixture
def opened():
    """The paths that Python opens during a test."""
    global _opened
    _opened = []
    yield _opened
    _opened = None


def line(file="r.dat", fmt="16", name="I"):
    return f"{file} {fmt} 200(0)/mV 16 0 0 0 0 {name}"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([f"r 1 100 {BILLION}", line()], "truncated"),
        ([f"r {BILLION} 100 100", line()], "announces 1000000000 signals and describes 1"),
        (["r 1 100 50", line(fmt=f"16x{BILLION}")], "truncated"),
        (["r 1 100", line(fmt=f"16x{BILLION}")], "announces 0 samples"),
        (["r 1 100 50", line(fmt=f"16:{BILLION}")], "by 1000000000 of the record's 50 frames"),
        (["r 1 100 50", line(fmt=f"16+{BILLION}")], "truncated: 0 bytes"),
        (["r 1 100 50", line(fmt="16x" + "9" * 40)], "storage format"),
        (["r 1 100 50", line(fmt=f"516x{BILLION}")], "not a FLAC stream"),
        (["r 5000 100 50", *[line()] * 5000], "more than any device records"),
        (["r 1 100 50", line(), "#" * 5_000_000], "it is not a WFDB header"),
        (["r 2 100 50", line(), line(fmt="212")], "two storage formats"),
        (["r 1 100 50", line(file="r\0.dat")], "outside its own folder"),
        (["r 1 100 50", line(file="..")], "outside its own folder"),
        (["r 1 100 50", line(file="a\\..\\b")], "outside its own folder"),
        (["r 1 100 50", line(file="folder")], "is a folder or a device"),
        (["r 1 100 50", line(file="x" * 5000)], "cannot be opened"),
        (["r/2 1 100", f"~ {BILLION}", "a 50"], "a.hea, which r.hea refers to, does not exist"),
        (["r/1 1 100", f"~ {BILLION}"], "lists gaps and no segment"),
    ],
)
def test_a_lie_ends_in_a_sentence_soon(tmp_path, lines, words, opened):
    (tmp_path / "r.dat").write_bytes(np.arange(50, dtype="<i2").tobytes())
    (tmp_path / "folder").mkdir()
    (tmp_path / "r.hea").write_text("\n".join(lines))
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(UnreadableError, match=words) as failure:
        WfdbAdapter().read(tmp_path / "r.hea")
    assert time.monotonic() - start < 2
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()
    assert "\n" not in str(failure.value)
    check_opened(opened, tmp_path)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A real record as one segment and as two with a gap, with FLAC, packed and format-8 signals and annotations."""
    folder = tmp_path_factory.mktemp("originals")
    x = wfdb.rdrecord(str(RECORD.with_suffix("")), physical=False).d_signal
    for name, part, fmt in (("a", x[:500], "16"), ("b", x[500:], "212"), ("f", x, "516")):
        wfdb.wrsamp(
            name, 100, ["mV"] * 3, ["I", "II", "V1"], d_signal=part[:, [0, 1, 6]], fmt=[fmt] * 3,
            adc_gain=[1000.0] * 3, baseline=[0] * 3, comments=["Age: 63", "Sex: F", "Dx: 426783006"],
            write_dir=str(folder),
        )  # fmt: skip
    (folder / "m.hea").write_text("m/3 3 100 1100\na 500\n~ 100\nb 500\n")
    (folder / "e.dat").write_bytes(np.random.default_rng(0).integers(0, 256, 600, np.uint8).tobytes())
    (folder / "e.hea").write_text("e 2 100 100\ne.dat 8x2 200/mV 8 0 0 0 0 I\ne.dat 8:3 200/mV 8 0 0 0 0 II\n")
    for name in "amf":
        wfdb.wrann(name, "atr", np.array([1, 50, 99]), ["+", "N", "V"], aux_note=["(N", "", ""], write_dir=str(folder))
    return folder


@pytest.mark.parametrize("seed", range(240))
def test_mutated_records_end_in_a_recording_or_a_sentence(originals, tmp_path, seed, opened):
    rng = random.Random(seed)
    folder = tmp_path / "records"
    shutil.copytree(originals, folder)
    record = folder / f"{'amfe'[seed % 4]}.hea"
    mutate(rng.choice([record, record, record.with_name("a.hea")]), rng)
    if rng.random() < 0.4:
        spoil(rng.choice(sorted(path for path in folder.iterdir() if path.suffix != ".hea")), rng)
    start = time.monotonic()
    opened.clear()
    sentence = ""
    try:
        recording = WfdbAdapter().read(record, lazy=rng.random() < 0.5)
        for stream in recording.streams:
            assert stream.slice(0, 100).physical().shape[0] == stream.n_chans
    except UnreadableError as error:
        sentence = str(error)
    assert "\n" not in sentence
    assert time.monotonic() - start < 10
    check_opened(opened, folder)


def mutate(header, rng):
    lines = header.read_text().split("\n")
    for _ in range(rng.choice([1, 1, 2, 4])):
        row = rng.randrange(min(len(lines), 3)) if rng.random() < 0.6 else rng.randrange(len(lines))
        fields = lines[row].split(" ")
        fields[rng.randrange(len(fields))] = rng.choice(TOKENS)
        lines[row] = " ".join(fields)
    text = "\n".join(lines)
    header.write_text(text[: rng.randrange(len(text))] if rng.random() < 0.1 else text, encoding="utf-8")


def spoil(file, rng):
    raw = bytearray(file.read_bytes())
    if rng.random() < 0.4:
        raw = raw[: rng.randrange(len(raw))]
    for _ in range(20 if raw else 0):
        raw[rng.randrange(min(len(raw), 2000))] = rng.randrange(256)
    file.write_bytes(raw)


def check_opened(opened, folder):
    """Python's own modules apart, nothing outside the record's folder was opened."""
    modules = (sys.prefix, sys.base_prefix, *(str(Path(path).resolve()) for path in sys.path if path))
    outside = [path for path in opened if not path.startswith((str(folder), *modules))]
    assert outside == []
