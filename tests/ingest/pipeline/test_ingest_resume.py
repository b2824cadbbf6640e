"""An ingest that goes on in a folder: what is there is not lost, not doubled, not mixed with what is made otherwise."""

import fcntl
import os
import resource
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import biosig
from biosig import samples
from biosig.errors import UsageError
from biosig.file_sums import replacing
from biosig.lock import locked
from biosig.shards.verify import check_shards
from ingest.cli.ingest import ingest
from ingest.pipeline import batch

ECG = samples.path("ptbxl") / "records100" / "00000"


@pytest.fixture
def ward(tmp_path):
    """Two ECGs in a folder and one below it."""
    for folder, name in (("ward", "00001_lr"), ("ward", "00002_lr"), ("ward/below", "00003_lr")):
        copy(ECG, name, tmp_path / folder)
    return tmp_path / "ward"


def copy(source, name, folder):
    folder.mkdir(exist_ok=True)
    for suffix in (".hea", ".dat"):
        shutil.copy(source / f"{name}{suffix}", folder)


def failed(out):
    return sorted(Path(row["file"]).name for row in pq.read_table(out / "failures.parquet").to_pylist())


def test_more_shards_than_files_may_be_open(tmp_path, monkeypatch):
    ward, out = tmp_path / "ward", tmp_path / "out"
    ward.mkdir()
    for i in range(40):
        (ward / f"r{i}.hea").write_text((ECG / "00001_lr.hea").read_text().replace("00001_lr", f"r{i}"))
        shutil.copy(ECG / "00001_lr.dat", ward / f"r{i}.dat")
    (tmp_path / "l.csv").write_text("file,y\nr1,1\nr99,2\n")
    options = {"out": out, "workers": 1, "labels": (tmp_path / "l.csv",), "id_column": ("file",)}
    monkeypatch.setattr(batch, "SHARD_RECORDINGS", 1)
    assert ingest((ward,), **options) == 0
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 25, limits[1]))
    try:
        assert ingest((ward,), **options, resume=True) == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (len(list(out.glob("*.h5"))), len(biosig.open_shards(out))) == (40, 40)


def test_sources_under_other_names_are_not_ingested_twice(ward, tmp_path):
    out = tmp_path / "out"
    assert ingest((ward,), out=out, workers=1) == 0
    assert ingest((ward / "below",), out=out, workers=1, resume=True) == 1
    (failure,) = pq.read_table(out / "failures.parquet").to_pylist()
    assert "00003_lr.hea holds the same samples as recording '00003_lr'" in failure["sentence"]
    for path in ward.glob("00001_lr.*"):
        path.rename(path.with_name("renamed" + path.suffix))
    (ward / "renamed.hea").write_text((ward / "renamed.hea").read_text().replace("00001_lr", "renamed"))
    copy(ward, "00002_lr", ward / "copies")  # a true duplicate, beside the first
    assert ingest((ward,), out=out, workers=1, resume=True) == 1
    assert failed(out) == ["renamed.hea"]
    assert biosig.open_shards(out).to_pandas()["content_hash"].value_counts().tolist() == [2, 1, 1]


def test_failures_and_unmatched_recordings_of_earlier_runs_stay(ward, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "l.csv").write_text("file,y\n00002_lr,1\n")
    options = {"out": out, "workers": 1, "labels": (tmp_path / "l.csv",), "id_column": ("file",)}
    (ward / "empty.edf").touch()
    (ward / "below" / "hollow.edf").touch()
    assert ingest((ward,), **options) == 1
    (ward / "below" / "hollow.edf").unlink()
    shutil.copy(samples.path("eegmmidb") / "S001R04.edf", ward / "below" / "hollow.edf")
    copy(ECG, "00004_lr", ward)
    assert ingest((ward / "00004_lr", ward / "00002_lr"), **options, resume=True) == 0
    assert failed(out) == ["empty.edf", "hollow.edf"]
    unmatched = [row["name"] for row in pq.read_table(out / "unmatched.parquet").to_pylist()]
    assert unmatched == ["ward/00001_lr", "ward/below/00003_lr", "ward/00004_lr"]
    assert ingest((ward,), **options, resume=True) == 1
    assert failed(out) == ["empty.edf"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"labels": (), "id_column": ()}, "made with other --labels, "),
        ({"labels_spec": "s.yaml"}, "made with other --labels, "),
        ({"subject_pattern": r"(\d+)_lr"}, "made with other --subject-pattern: "),
        ({"recording_names": "hash"}, "made with other --recording-names: "),
        ({"mapping": "m.yaml"}, "made with other --mapping: "),
    ],
)
def test_what_was_made_otherwise_is_not_mixed(ward, tmp_path, changed, sentence):
    (tmp_path / "l.csv").write_text("file,y,z\n00002_lr,1,2\n")
    (tmp_path / "s.yaml").write_text("label_columns: [y]\n")
    (ward / "x.csv").write_text("a\n1\n2\n")
    (tmp_path / "m.yaml").write_text(
        "record: '(x)\\.csv'\nsignals: [{sfreq: 1, columns: {a: {kind: misc, unit: NU}}}]\n"
    )
    options = {"out": tmp_path / "out", "workers": 1, "labels": (tmp_path / "l.csv",), "id_column": ("file",)}
    changed = {k: tmp_path / v if str(v).endswith(".yaml") else v for k, v in changed.items()}
    assert ingest((ward,), **options) == 0
    with pytest.raises(UsageError, match=sentence):
        ingest((ward,), **{**options, **changed}, resume=True)
    (tmp_path / "l.csv").write_text("file,y,z\n00002_lr,1,2\n00004_lr,1,2\n")  # tables may grow
    assert ingest((ward,), **options, resume=True) == 0


def test_a_lock_that_was_removed_after_it_was_opened_is_taken_again(tmp_path, monkeypatch):
    flock, path = fcntl.flock, tmp_path / ".lock"

    def late(lock, how):
        monkeypatch.setattr(fcntl, "flock", flock)
        path.unlink()
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(tmp_path, "ingest"):
        with pytest.raises(UsageError, match="Another ingest is writing"), locked(tmp_path, "ingest"):
            pass
        assert path.exists()
    assert not path.exists()


def test_a_table_is_whole_or_the_old_one(tmp_path):
    path = tmp_path / "key_id.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:  # noqa: PT012
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("key_id.txt", "old")]


def test_a_run_that_broke_off_leaves_a_sound_folder(ward, tmp_path, monkeypatch):
    out = tmp_path / "out"
    replace = Path.replace

    def killed(self, target):
        if Path(target).name == "options.json":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        ingest((ward,), out=out, workers=1)
    monkeypatch.undo()
    assert ingest((ward,), out=out, workers=1, resume=True) == 0
    assert check_shards(out).problems == []
