import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import biosig
from biosig import samples
from biosig.cli.data import index, merge
from biosig.errors import DataError, UsageError
from biosig.recording import Channel, Recording, Stream, Subject
from biosig.shards import ShardWriter, build_index
from biosig.shards.verify import check_shards

PTBXL = samples.path("ptbxl") / "records100" / "00000"


def recording(name, seed=0):
    x = np.random.default_rng(seed).integers(-500, 500, (2, 300)).astype(np.int16)
    channels = (Channel("I", "I", "ecg", "mV"), Channel("II", "II", "ecg", "mV"))
    return Recording(name, [Stream(100.0, channels, x, np.float64(0.001), np.float64(0))], Subject("p"))


@pytest.fixture
def folders(tmp_path):
    """Two folders: one shard of a real ECG and a made one; two shards of one recording each."""
    a, b = tmp_path / "a", tmp_path / "b"
    for folder, shards in ((a, [["a1", "a2"]]), (b, [["b1"], ["b2"]])):
        folder.mkdir()
        for number, names in enumerate(shards):
            with ShardWriter(folder / f"{number:05d}.h5", {"name": "native"}) as writer:
                for name in names:
                    writer.add(recording(name, sum(name.encode())))
        build_index(folder)
        (folder / "recipe.yaml").write_text("name: native\n")
        (folder / "key_id.txt").write_text("0123\n")
    with ShardWriter(a / "00001.h5", {"name": "native"}) as writer:
        writer.add(biosig.read(PTBXL / "00001_lr.hea"))
    (b / "failures.parquet").unlink(missing_ok=True)
    for folder in (a, b):
        pq.write_table(
            pa.table({"file": [folder.name], "stage": ["read"], "sentence": ["it broke"]}), folder / "failures.parquet"
        )
    build_index(a)
    return a, b


def test_all_recordings_of_both_are_there_and_sound(folders, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    assert merge(folders, out=out) == 0
    assert "5 recordings in 4 shard(s) into" in capsys.readouterr().out
    report = check_shards(out)
    assert (report.n_shards, report.n_recordings, report.problems) == (4, 5, [])
    ds = biosig.open_shards(out)
    assert ds.to_pandas()["recording"].tolist() == ["a1", "a2", "00001_lr", "b1", "b2"]
    before = biosig.open_shards(folders[0])[2].read()
    assert np.array_equal(ds[2].read().streams[0].samples, before.streams[0].samples)
    assert pq.read_table(out / "failures.parquet")["file"].to_pylist() == ["a", "b"]
    assert (out / "recipe.yaml").read_text() == "name: native\n"
    assert (out / "key_id.txt").read_text() == "0123\n"
    assert sorted(p.name for p in out.parent.iterdir()) == ["out"]
    assert os.stat(out / "00000.h5").st_ino == os.stat(folders[0] / "00000.h5").st_ino


def test_one_id_in_both_is_refused_and_nothing_written(folders, tmp_path):
    a, b = folders
    with ShardWriter(b / "00002.h5", {"name": "native"}) as writer:
        writer.add(recording("a2"))
    with pytest.raises(DataError, match="1 recording ids are taken twice, 'a2'"):
        merge((a, b), out=tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_other_keys_are_refused(folders, tmp_path):
    (folders[1] / "key_id.txt").write_text("4567\n")
    with pytest.raises(DataError, match="different keys"):
        merge(folders, out=tmp_path / "out")


def test_other_recipes_equal_samples_and_a_missing_key_are_told(folders, tmp_path, capsys):
    a, b = folders
    with ShardWriter(b / "00002.h5", {"name": "ecg"}) as writer:
        again = biosig.read(PTBXL / "00001_lr.hea")
        again.id = "again"
        writer.add(again)
    (b / "key_id.txt").unlink()
    assert merge((a, b), out=tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "1 recordings hold the same samples" in printed
    assert "recipes differ" in printed
    assert "Not every folder tells the key" in printed
    assert not (tmp_path / "out" / "recipe.yaml").exists()


def test_wrong_folders(folders, tmp_path):
    a, b = folders
    (tmp_path / "empty").mkdir()
    for wrong, printed in (
        ((a,), "at least two"),
        ((a, a), "named twice"),
        ((a, tmp_path / "empty"), "not a folder with shards"),
        ((a, tmp_path / "nowhere"), "not a folder with shards"),
    ):
        with pytest.raises(UsageError, match=printed):
            merge(wrong, out=tmp_path / "out")
    with pytest.raises(UsageError, match="already holds something"):
        merge((a, b), out=a)
    assert merge((a, b), out=tmp_path / "empty") == 0


def test_a_shard_that_cannot_be_linked_is_copied_and_checked(folders, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("biosig.shards.merge.os.link", refuse)
    assert merge(folders, out=tmp_path / "out") == 0
    assert not check_shards(tmp_path / "out").problems
    damaged = folders[1] / "00001.h5"
    damaged.write_bytes(damaged.read_bytes() + b"\0")
    with pytest.raises(DataError, match="biosig verify"):
        merge(folders, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_index_is_rebuilt_from_the_shards_alone(folders, capsys):
    a, _ = folders
    before = (a / "index.parquet").read_bytes()
    (a / "index.parquet").write_bytes(b"damaged")
    assert index(a) == 0
    assert "3 recordings in 2 shard(s)" in capsys.readouterr().out
    assert (a / "index.parquet").read_bytes() == before
    with pytest.raises(UsageError, match="holds no shard"):
        index(Path(__file__).parent)
