"""Annotation files of any extension, their spans, and the files beside a record that are none."""

import os
import shutil
import time

import numpy as np
import pytest
import wfdb

from biosig import samples
from biosig.errors import UnreadableError
from biosig.reading import read

RECORD = samples.path("ptbxl") / "records100" / "00000" / "00001_lr.hea"


@pytest.fixture
def record(tmp_path):
    """10 s at 100 Hz."""
    for suffix in (".hea", ".dat"):
        shutil.copy(RECORD.with_suffix(suffix), tmp_path / f"r{suffix}")
    (tmp_path / "r.hea").write_text(RECORD.read_text().replace("00001_lr", "r"))
    return tmp_path / "r.hea"


def annotate(record, extension, samples_, symbols, texts=None):
    texts = texts or [""] * len(symbols)
    folder = str(record.parent)
    wfdb.wrann("r", "tmp", np.array(samples_), symbols, aux_note=texts, fs=100, write_dir=folder)
    record.with_name("r.tmp").rename(record.with_name(f"r.{extension}"))


def events(record):
    return [(round(a.onset, 2), round(a.duration, 2), a.label) for a in read(record).annotations]


@pytest.mark.parametrize("extension", ["qrs", "gqrsh", "st-", "16a", "anI", "in.qrs"])
def test_any_extension_is_read_under_its_name(record, extension):
    annotate(record, extension, [10, 250], ["N", "V"])
    assert events(record) == [(0.1, 0, f"{extension}:N"), (2.5, 0, f"{extension}:V")]


def test_spans(record):
    """A rhythm until the next, flutter and waves until they close; other text stays with its symbol."""
    annotate(
        record,
        "atr",
        [0, 100, 200, 250, 300, 400, 500, 520, 540, 600, 700, 800],
        ["+", "N", "[", "!", "]", "+", "(", "p", ")", "s", '"', "["],
        ["(N", "", "", "", "", "(AFIB", "", "", "", "(ST0+", "tape slip", ""],
    )
    assert events(record) == [
        (0, 4, "(N"),
        (1, 0, "N"),
        (2, 1, "["),
        (2.5, 0, "!"),
        (3, 0, "]"),
        (4, 6, "(AFIB"),
        (5, 0.4, "("),
        (5.2, 0, "p"),
        (5.4, 0, ")"),
        (6, 0, "s (ST0+"),
        (7, 0, "tape slip"),
        (8, 0, "["),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.txt", b"N\0\0"),
        ("r.all", b"Record 100: 12 beats\n"),
        ("r.xyz", b"\x12\x04\x33"),
        ("r.csv", b"\0\0"),
        ("r2.qrs", b"\x0a\x04\0\0"),
        ("rr.qrs", b"\x0a\x04\0\0"),
    ],
)
def test_other_files_beside_a_record_are_none(record, name, content):
    (record.parent / name).write_bytes(content)
    (record.parent / "r.qrs").mkdir()
    assert events(record) == []
    assert not any("annotations" in note for note in read(record).notes)


def test_a_damaged_reference_is_an_error_and_another_a_note(record):
    record.with_suffix(".qrs").write_bytes(b"\0\xec\0\0")
    notes = read(record).notes
    assert any(".qrs cannot be read" in note for note in notes) or events(record) == []
    record.with_suffix(".atr").write_bytes(b"\xff\xff\x01")
    with pytest.raises(UnreadableError, match=r"r\.atr cannot be read as WFDB annotations"):
        read(record)


def test_a_file_that_comes_after_the_folder_was_listed_is_found(record):
    past = time.time() - 3600
    os.utime(record.parent, (past, past))  # a listing of such a folder is kept
    assert events(record) == []
    annotate(record, "qrs", [10], ["N"])
    assert events(record) == [(0.1, 0, "qrs:N")]
