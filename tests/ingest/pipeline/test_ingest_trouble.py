"""Sources and disks that give trouble in the middle of an ingest: each is told as what it is."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import biosig
from biosig import samples
from biosig.errors import DataError
from biosig.lazy_samples import LazySamples
from biosig.shards.verify import check_shards
from ingest.cli.ingest import ingest
from ingest.pipeline import batch
from ingest.preprocess.temporary_samples import Spool

ECG = samples.path("ptbxl") / "records100" / "00000"


@pytest.fixture
def ward(tmp_path):
    folder = tmp_path / "ward"
    folder.mkdir()
    for name in ("00001_lr", "00002_lr", "00003_lr"):
        for suffix in (".hea", ".dat"):
            shutil.copy(ECG / f"{name}{suffix}", folder)
    return folder


class Unreadable(LazySamples):
    def __init__(self, error):
        super().__init__((12, 1000), np.int16)
        self.error = error

    def read(self, start, stop):
        raise self.error


@pytest.mark.parametrize("error", [MemoryError(), ValueError("odd"), OSError(errno.EIO, "Input/output error")])
def test_a_source_that_cannot_be_read_while_it_is_written_fails_alone(ward, tmp_path, monkeypatch, error):
    out = tmp_path / "out"
    prepare = batch.prepare

    def broken(job, item, spool):
        outcome = prepare(job, item, spool)
        if item.name == "00002_lr":
            (stream,) = outcome.recording.streams
            outcome.recording.streams = [replace(stream, samples=Unreadable(error))]
        return outcome

    monkeypatch.setattr(batch, "prepare", broken)
    assert ingest((ward,), out=out, workers=1, key=key_in(tmp_path)) == 1
    assert sorted(biosig.open_shards(out).to_pandas()["recording"]) == ["00001_lr", "00003_lr"]
    (failure,) = pq.read_table(out / "failures.parquet").to_pylist()
    assert failure["stage"] == "write"
    assert f"The samples of recording '00002_lr' cannot be read ({type(error).__name__}" in failure["sentence"]
    assert check_shards(out).problems == []


def test_a_name_that_is_no_utf8(ward, tmp_path, capsys):
    odd = os.fsencode(ward) + b"/M\xfcller"
    os.makedirs(odd)
    for suffix in (b".hea", b".dat"):
        shutil.copy(os.fsencode(ECG / "00001_lr") + suffix, odd)
    (Path(os.fsdecode(odd)) / "broken.edf").write_bytes(b"")
    (tmp_path / "l.csv").write_text("file,y\n00002_lr,1\n")
    out = tmp_path / "out"
    options = {"labels": (tmp_path / "l.csv",), "id_column": ("file",), "key": key_in(tmp_path)}
    assert ingest((ward,), out=out, workers=1, **options) == 1
    assert "M\ufffdller/broken.edf holds 0 bytes" in capsys.readouterr().out
    assert len(biosig.open_shards(out)) == 4
    assert "M\ufffdller" in pq.read_table(out / "failures.parquet").to_pylist()[0]["file"]
    names = [row["name"] for row in pq.read_table(out / "unmatched.parquet").to_pylist()]
    assert "ward/M\ufffdller/00001_lr" in names
    assert ingest((ward,), out=out, workers=1, resume=True, **options) == 1
    assert len(biosig.open_shards(out)) == 4


def test_a_disk_that_is_full_of_spooled_samples_ends_the_ingest(ward, tmp_path, monkeypatch):
    spool = Spool(tmp_path)
    monkeypatch.setattr(spool, "_path", Path("/dev/full"))
    with pytest.raises(OSError, match="No space left") as full:
        spool.append(np.zeros((1, 10_000), np.float32))
    assert full.value.errno == errno.ENOSPC

    def fail(*_):
        raise full.value

    monkeypatch.setattr(batch, "apply", fail)
    with pytest.raises(DataError, match=r"ended early because writing to .*No space left"):
        ingest((ward,), out=tmp_path / "out", workers=1)


def key_in(folder):
    path = folder / "secret.key"
    path.write_text("00112233445566778899aabbccddeeff")
    return path


@pytest.mark.parametrize("suffix", [".hea", ".dat"])
def test_a_file_that_changes_while_it_is_read_fails_and_goes_in_later(ward, tmp_path, monkeypatch, suffix):
    out = tmp_path / "out"
    apply = batch.apply

    def changing(recipe, recording, spool):
        if recording.id == "00002_lr":
            with (ward / f"00002_lr{suffix}").open("ab") as file:
                file.write(b"\n\n")
        return apply(recipe, recording, spool)

    monkeypatch.setattr(batch, "apply", changing)
    assert ingest((ward,), out=out, workers=1) == 1
    assert "changed while it was read" in pq.read_table(out / "failures.parquet").to_pylist()[0]["sentence"]
    assert sorted(biosig.open_shards(out).to_pandas()["recording"]) == ["00001_lr", "00003_lr"]
    assert check_shards(out).problems == []
