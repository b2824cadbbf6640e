import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

import biosig
from biosig import samples
from biosig.errors import UsageError
from ingest.adapters.wfdb.adapter import WfdbAdapter
from ingest.cli.ingest import ingest
from ingest.pipeline.discover import discover

ECG = samples.path("ptbxl") / "records100" / "00000"


def put(folder: Path, name="00001_lr"):
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".hea", ".dat"):
        shutil.copy(ECG / f"{name}{suffix}", folder)
    return folder


def test_linked_folders_are_walked_once_and_loops_end(tmp_path):
    store = put(tmp_path / "store" / "north")
    ward = put(tmp_path / "ward", "00002_lr")
    (ward / "archive").symlink_to(store.parent)
    (ward / "self").symlink_to(ward)
    (ward / "again").symlink_to(store)
    found = discover([ward])
    assert sorted(item.name for item in found.items) == ["00001_lr", "00002_lr"]
    assert not found.failures


def test_a_link_to_nothing_a_loop_and_a_pipe_are_told(tmp_path, capsys):
    folder = put(tmp_path / "annexed")
    (folder / "absent.edf").symlink_to(tmp_path / "objects" / "MD5E-s1--0.edf")
    (folder / "loop.hea").symlink_to(folder / "loop.hea")
    (folder / "folder.edf").mkdir()
    os.mkfifo(folder / "pipe.edf")
    assert ingest((folder,), out=tmp_path / "out", workers=1) == 1
    text = capsys.readouterr().out
    assert "Ingested 1 recording (" in text
    assert "absent.edf is a link to nothing" in text
    assert "loop.hea cannot be opened" in text
    assert "pipe.edf is a folder or a device" in text
    assert "3 failed" in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_and_folders_are_told(tmp_path):
    folder = put(tmp_path / "ward")
    put(folder / "closed", "00002_lr")
    put(folder, "00003_lr")
    (folder / "00003_lr.dat").chmod(0)
    (folder / "closed").chmod(0)
    try:
        assert ingest((folder,), out=tmp_path / "out", workers=1) == 1
        found = discover([folder])
    finally:
        (folder / "closed").chmod(0o755)
    assert ["closed cannot be listed" in failure.sentence for failure in found.failures] == [True]


def test_files_that_are_left_aside_and_repeated_are_counted(tmp_path, capsys):
    folder = put(tmp_path / "ward")
    (folder / "notes.docx").write_text("x")
    (folder / "latest.hea").symlink_to(folder / "00001_lr.hea")
    assert ingest((folder, folder / "00001_lr"), out=tmp_path / "out", workers=1) == 0
    text = capsys.readouterr().out
    assert "1 .docx" in text
    assert discover([folder, folder]).unclaimed == {".docx": 1, ".dat": 1}
    assert "1 .dat" in text
    assert "ingested once: 2 files." in text


def test_folders_of_one_name_stay_apart(tmp_path):
    places = [put(tmp_path / year / "ecg") for year in ("east", "north")]
    names = [item.relative for item in discover(places).items]
    assert names == ["east/ecg/00001_lr", "north/ecg/00001_lr"]
    signals = places[1] / "00001_lr.dat"
    signals.rename(tmp_path / "late.dat")
    options = {"out": tmp_path / "out", "workers": 1, "recording_names": "keep"}
    assert ingest(tuple(places), **options) == 1
    (tmp_path / "late.dat").rename(signals)
    assert ingest(tuple(places), **options, resume=True) == 0
    first, second = biosig.open_shards(tmp_path / "out").to_pandas()["recording"].tolist()
    assert (first, len(second)) == ("00001_lr", 16)


def test_a_pattern_or_a_table_that_knows_nothing_is_refused(tmp_path):
    folder = put(tmp_path / "ward")
    with pytest.raises(UsageError, match=r"matches none of the 1 recordings' paths, such as 'ward/00001_lr'"):
        ingest((folder,), out=tmp_path / "out", subject_pattern=r"(S\d{3})")
    (tmp_path / "l.csv").write_text("file,y\nother,1\n")
    with pytest.raises(UsageError, match=r"names none of the 1 recordings .*'other': check --id-column"):
        ingest((folder,), out=tmp_path / "out", labels=(tmp_path / "l.csv",), id_column=("file",))
    assert not (tmp_path / "out").exists()


def test_a_resumed_ingest_knows_files_whatever_lies_beside_them(edf_writer, ramp, tmp_path):
    ward, out = tmp_path / "ward", tmp_path / "out"
    ward.mkdir()
    options = {"out": out, "workers": 1, "recording_names": "hash"}
    edf_writer(ward / "a.edf", [("EEG Cz", "uV", -3276.8, 3276.7, ramp(200, seed=1))], n_records=2)
    assert ingest((ward,), **options) == 0
    edf_writer(ward / "a.bdf", [("EEG Cz", "uV", -3276.8, 3276.7, ramp(200, seed=2))], n_records=2, bdf=True)
    assert ingest((ward,), **options, resume=True) == 0
    table = biosig.open_shards(out).to_pandas()
    assert [table[column].nunique() for column in ("recording", "subject", "content_hash")] == [2, 2, 2]


def test_a_walk_looks_up_real_paths_by_folder_and_asks_each_file_once(tmp_path, monkeypatch):
    for n in range(300):
        (tmp_path / f"{n // 100}").mkdir(exist_ok=True)
        (tmp_path / f"{n // 100}" / f"r{n}.hea").write_text(f"r{n} 1 500 10\nr{n}.dat 16 200/mV 16 0 0 0 0 I\n")
    calls = Counter()
    real, claims = os.path.realpath, WfdbAdapter.claims
    monkeypatch.setattr(os.path, "realpath", lambda path, **more: calls.update(["real"]) or real(path, **more))
    monkeypatch.setattr(WfdbAdapter, "claims", lambda self, path: calls.update([path.name]) or claims(self, path))
    assert len(discover([tmp_path]).items) == 300
    assert calls.pop("real") < 20
    assert set(calls.values()) == {1}
