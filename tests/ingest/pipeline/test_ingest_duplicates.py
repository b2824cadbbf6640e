"""An ingest says which recordings are there twice, in the folder and in others, by name."""

import shutil

import numpy as np
import pandas as pd
import pytest

from biosig import samples
from biosig.errors import UsageError
from biosig.shards import open_shards
from ingest.cli.ingest import ingest

ECG = samples.path("ptbxl") / "records100" / "00000"


@pytest.fixture
def source(tmp_path):
    """Two ECGs, an equal copy of the first under another name, and the second at half its gain."""
    folder = tmp_path / "a"
    folder.mkdir()
    for name, copy in (("00001_lr", "B90001"), ("00002_lr", "B90002")):
        for suffix in (".hea", ".dat"):
            shutil.copy(ECG / f"{name}{suffix}", folder)
            shutil.copy(ECG / f"{name}{suffix}", folder / f"{copy}{suffix}")
        header = folder / f"{copy}.hea"
        header.write_text(header.read_text().replace(name, copy))
    half = np.fromfile(folder / "B90002.dat", "<i2") // 2
    half.astype("<i2").tofile(folder / "B90002.dat")
    header = folder / "B90002.hea"
    lines = header.read_text().splitlines()
    sums = half.reshape(-1, 12).sum(axis=0, dtype=np.int64)
    for i in range(12):  # initial value and checksum of each lead
        fields = lines[i + 1].split()
        fields[5], fields[6] = str(half[i]), str(int(sums[i]) & 0xFFFF)
        lines[i + 1] = " ".join(fields)
    header.write_text("\n".join(lines) + "\n")
    return folder


def table(out):
    return pd.read_parquet(out / "duplicates.parquet").sort_values("recording").to_dict("records")


def test_copies_of_one_source_are_named(source, tmp_path, capsys):
    out = tmp_path / "out"
    assert ingest((source,), out=out, recording_names="keep") == 0
    assert table(out) == [
        {"recording": "B90001", "other": "00001_lr", "kind": "equal", "folder": ""},
        {"recording": "B90002", "other": "00002_lr", "kind": "near", "folder": ""},
    ]
    printed = capsys.readouterr().out
    assert "2 recordings there twice (1 with equal samples, 1 as near copies" in printed
    assert "B90001 is equal to 00001_lr" in printed
    assert "B90002 is near 00002_lr" in printed


def test_copies_in_another_folder_are_named_with_it(source, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    ingest((source / "00002_lr.hea",), out=first, recording_names="keep")
    ingest((source / "B90002.hea", source / "00001_lr.hea"), out=second, recording_names="keep", against=(first,))
    assert table(second) == [{"recording": "B90002", "other": "00002_lr", "kind": "near", "folder": str(first)}]
    assert f"B90002 is near 00002_lr of {first}" in capsys.readouterr().out


def test_a_folder_that_holds_no_shards_is_refused_before_the_work(source, tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        ingest((source,), out=tmp_path / "out", against=(tmp_path / "nowhere",))
    assert not (tmp_path / "out").exists()


def test_nothing_twice_leaves_no_table(source, tmp_path, capsys):
    ingest((source / "00001_lr.hea", source / "00002_lr.hea"), out=tmp_path / "out")
    assert not (tmp_path / "out" / "duplicates.parquet").exists()
    assert "there twice" not in capsys.readouterr().out


def test_the_fingerprint_is_of_the_samples_before_the_recipe(source, tmp_path):
    for name, settings in (("plain", ()), ("processed", ("sfreq.ecg=50",))):
        ingest((source / "00001_lr.hea",), out=tmp_path / name, set_=settings)
    plain, processed = (open_shards(tmp_path / name) for name in ("plain", "processed"))
    assert plain[0].sfreqs != processed[0].sfreqs
    assert plain.fingerprints == processed.fingerprints == [plain[0].fingerprint]
