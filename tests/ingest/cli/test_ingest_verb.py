import re
import shutil

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

import biosig
from biosig import samples
from biosig.errors import DataError, UsageError
from ingest.cli.ingest import ingest
from ingest.cli.inspect import inspect

ECG = samples.path("ptbxl") / "records100" / "00000"


@pytest.fixture
def few(tmp_path):
    """Three ECGs, an EEG and a bedside record in one folder."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    for name in ("00001_lr", "00002_lr", "00003_lr"):
        for suffix in (".hea", ".dat"):
            shutil.copy(ECG / f"{name}{suffix}", folder)
    shutil.copy(samples.path("eegmmidb") / "S001R04.edf", folder)
    for path in samples.path("bidmc").glob("bidmc_01_*"):
        shutil.copy(path, folder)
    shutil.copy(samples.path("bidmc") / "biosig.yaml", folder)
    return folder


def test_labels_subjects_and_scales_reach_the_shard(tmp_path):
    labels = samples.path("ptbxl")
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "id_columns: [filename_lr]\nage_column: age\nlabel_columns: [strat_fold]\ntypes: {scp_codes: codes}\n"
    )
    status = ingest(
        (ECG / "00001_lr", ECG / "00002_lr.hea"),
        out=tmp_path / "out",
        labels=(labels / "ptbxl_database.csv",),
        labels_spec=spec,
        subject_column="patient_id",
    )
    assert status == 0
    ds = biosig.open_shards(tmp_path / "out")
    assert ds.labels["strat_fold"].tolist() == [3, 2]
    assert ds.to_pandas()["age"].tolist() == [56, 19]
    unmatched = pq.read_table(tmp_path / "out" / "unmatched.parquet").to_pandas()
    assert set(unmatched["what"]) == {"row"}
    assert len(unmatched) == 99
    assert b"00001_lr" in metadata(tmp_path / "out")  # the search finds what is there
    assert b"15709" not in metadata(tmp_path / "out")
    assert str(ECG).encode() not in metadata(tmp_path / "out")


def test_subjects_from_the_path_are_hidden_with_the_names(tmp_path, capsys):
    source = samples.path("eegmmidb")
    pattern = r"(?P<subject>S\d{3})(?P<run>R\d{2})"
    for out in ("a", "b"):
        assert ingest((source,), out=tmp_path / out, subject_pattern=pattern, key=_key(tmp_path)) == 0
    first, second = (biosig.open_shards(tmp_path / out) for out in ("a", "b"))
    assert first.to_pandas()["subject"].nunique() == 7
    assert first.to_pandas()["recording"].tolist() == second.to_pandas()["recording"].tolist()
    assert set(first.labels["run"]) == {"R04", "R06"}
    assert b"T1" in metadata(tmp_path / "a")
    assert b"S001" not in metadata(tmp_path / "a")
    assert "Keyed hashes of paths stand for 14 names that could tell the subject" in capsys.readouterr().out


def metadata(folder):
    """Every text that the shards of a folder and their index hold, unpacked."""
    texts = []

    def collect(_, item):
        if isinstance(item, h5py.Dataset) and item.dtype == np.uint8:
            texts.append(item[:].tobytes())

    for path in folder.glob("*.h5"):
        with h5py.File(path) as file:
            file.visititems(collect)
    return b"\n".join([*texts, pq.read_table(folder / "index.parquet").to_pandas().to_csv().encode()])


def _key(folder):
    path = folder / "secret.key"
    path.write_text("00112233445566778899aabbccddeeff")
    return path


def test_bad_files_fail_alone(few, tmp_path, capsys):
    (few / "00001_lr.dat").write_bytes((few / "00001_lr.dat").read_bytes()[:-7])
    (few / "00002_lr.dat").write_text("version https://git-lfs.github.com/spec/v1\n")
    shutil.copy(few / "00003_lr.hea", few / "orphan.hea")
    (few / "orphan.hea").write_text((few / "orphan.hea").read_text().replace("00003_lr", "orphan"))
    edf = (few / "S001R04.edf").read_bytes()
    (few / "half.edf").write_bytes(edf[: len(edf) // 2])
    (few / "empty.edf").write_bytes(b"")
    (few / "strange.xyz").write_text("what")
    status = ingest((few, tmp_path / "nowhere", few / "strange.xyz"), out=tmp_path / "out", workers=1)
    assert status == 1
    assert sorted(biosig.open_shards(tmp_path / "out").to_pandas()["recording"]) == ["00003_lr", "S001R04", "bidmc_01"]
    failures = pq.read_table(tmp_path / "out" / "failures.parquet").to_pylist()
    sentences = {row["file"].rsplit("/", 1)[-1]: row["sentence"] for row in failures}
    assert "truncated" in sentences["00001_lr.hea"]
    assert "git lfs pull" in sentences["00002_lr.hea"]
    assert "does not exist" in sentences["orphan.hea"]
    assert "cut short" in sentences["half.edf"]
    assert "0 bytes" in sentences["empty.edf"]
    assert "not in a format" in sentences["strange.xyz"]
    assert "does not exist" in sentences["nowhere"]
    assert len(failures) == 7
    assert "7 failed" in capsys.readouterr().out


def test_nothing_at_all_to_ingest(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        ingest((tmp_path / "nowhere",), out=tmp_path / "out")
    (tmp_path / "a.xyz").write_text("x")
    with pytest.raises(DataError, match="not in a format"):
        ingest((tmp_path / "a.xyz",), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_resume_adds_what_is_missing_and_nothing_twice(few, tmp_path):
    out = tmp_path / "out"
    late = few / "00003_lr.dat"
    late.rename(tmp_path / "late.dat")
    assert ingest((few,), out=out, workers=1) == 1
    (out / "index.parquet").unlink()  # as after a kill
    (tmp_path / "late.dat").rename(late)
    with pytest.raises(UsageError, match="--resume"):
        ingest((few,), out=out)
    assert ingest((few,), out=out, resume=True) == 0
    names = biosig.open_shards(out).to_pandas()["recording"].tolist()
    assert sorted(names) == ["00001_lr", "00002_lr", "00003_lr", "S001R04", "bidmc_01"]
    assert not (out / "failures.parquet").exists()
    assert ingest((few,), out=out, resume=True) == 0
    assert len(biosig.open_shards(out)) == 5
    with pytest.raises(UsageError, match="another recipe"):
        ingest((few,), out=out, resume=True, set_=("sfreq.ecg=250",))
    with pytest.raises(UsageError, match="another key"):
        ingest((few,), out=out, resume=True, key=_key(tmp_path))
    assert len(biosig.open_shards(out)) == 5


def test_one_name_in_two_folders_is_told_apart(few, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for suffix in (".hea", ".dat"):
            shutil.copy(few / f"00001_lr{suffix}", tmp_path / folder)
    assert ingest((tmp_path / "a", tmp_path / "b", tmp_path / "a" / "00001_lr"), out=tmp_path / "out") == 0
    first, second = biosig.open_shards(tmp_path / "out").to_pandas()["recording"].tolist()
    assert first == "00001_lr"
    assert re.fullmatch("[0-9a-f]{16}", second)  # folders may be named after people
    names = {"recording_names": "keep"}
    assert ingest((tmp_path / "a", tmp_path / "b"), out=tmp_path / "kept", **names) == 0
    first, second = biosig.open_shards(tmp_path / "kept").to_pandas()["recording"].tolist()
    assert (first, len(second)) == ("00001_lr", 16)  # a folder may be called after a person


def test_workers_give_the_same_recordings(few, tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.pipeline.run._FILES_PER_WORKER", 1)
    key = _key(tmp_path)
    assert ingest((few,), out=tmp_path / "one", workers=1, key=key) == 0
    assert ingest((few,), out=tmp_path / "two", workers=2, key=key) == 0
    assert biosig.open_shards(tmp_path / "one").hash == biosig.open_shards(tmp_path / "two").hash


def test_samples_beside_a_header_count_for_how_many_workers_a_set_is_worth(few, tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.pipeline.run._BYTES_PER_WORKER", 20_000)  # a header has 700 bytes, its samples 24,000
    headers = tuple(sorted(few.glob("*.hea")))
    assert ingest(headers, out=tmp_path / "out", workers=2) == 0
    assert len(list((tmp_path / "out").glob("*.h5"))) > 1


def test_inspect_names_places_and_what_the_model_sees(capsys):
    assert inspect(ECG / "00001_lr.hea") == 0
    text = capsys.readouterr().out
    assert "AVR          aVR" in text
    assert "(-0.180, 0.000, -0.250)" in text
    assert "ecg tokens" in text
    assert inspect(samples.path("bidmc")) == 0
    assert "abp+ecg+misc+ppg+resp+spo2" in capsys.readouterr().out


def test_gaps_in_what_is_known_do_not_stop_an_ingest(few, tmp_path):
    """No age, a flat lead, a lead that is missing throughout, a column without a number, a name that stands twice."""
    signals = np.fromfile(few / "00001_lr.dat", "<i2").reshape(-1, 12)
    signals[:, 3], signals[:, 4] = 0, -(2**15)
    signals.tofile(few / "00001_lr.dat")
    header = few / "00002_lr.hea"
    header.write_text(header.read_text().replace(" AVR\n", " II\n"))
    (few / "tables").mkdir()
    (few / "tables" / "t.csv").write_text("II,PLETH\n" + "".join(f"{np.sin(i):.3f},NaN\n" for i in range(500)))
    (few / "tables" / "biosig.yaml").write_text(
        "record: (.+)\\.csv\nsignals: [{sfreq: 100, columns: {II: {unit: mV}, PLETH: {unit: NU}}}]\n"
    )
    (tmp_path / "l.csv").write_text("id,age,sex\n00001_lr,,F\n00002_lr,63,\n00003_lr,unknown,x\n")
    (tmp_path / "spec.yaml").write_text("id_columns: [id]\nage_column: age\nsex_column: sex\n")
    given = {"labels": (tmp_path / "l.csv",), "labels_spec": tmp_path / "spec.yaml"}
    assert ingest((few,), out=tmp_path / "out", workers=1, **given) == 0
    stored = {r.id: r for r in biosig.open_shards(tmp_path / "out")}
    people = [(stored[f"0000{n}_lr"].subject.age, stored[f"0000{n}_lr"].subject.sex) for n in (1, 2, 3)]
    assert people == [(None, "female"), (63, None), (None, None)]
    (flat,) = stored["00001_lr"].read().streams
    assert flat.valid()[3].all()
    assert not flat.valid()[4].any()
    assert [name for name in stored["00002_lr"].read().ch_names if name.startswith("II")] == ["II", "III", "II (2)"]
    assert set(stored["t"].robust_scale) == {"ecg"}
    assert not stored["t"].read().streams[0].valid()[1].any()


def test_tables_by_recording_and_by_subject_and_what_neither_knows(tmp_path, capsys):
    (tmp_path / "ecgs.csv").write_text("file,patient,y\n00001_lr,7,1\n00002_lr,8,2\n00009_lr,7,3\n")
    (tmp_path / "people.csv").write_text("patient,age,smoker\n7,61,true\n9,50,false\n")
    given = {"labels": (tmp_path / "ecgs.csv", tmp_path / "people.csv"), "id_column": ("file",)}
    for resume in (False, True):
        names = ("00001_lr", "00002_lr", "00003_lr") if resume else ("00001_lr",)
        files = tuple(ECG / name for name in names)
        assert ingest(files, out=tmp_path / "out", subject_column="patient", resume=resume, **given) == 0
    stored = {r.id: r for r in biosig.open_shards(tmp_path / "out")}
    assert stored["00001_lr"].labels == {"y": 1, "smoker": True}
    assert stored["00001_lr"].subject.age == 61
    unmatched = pq.read_table(tmp_path / "out" / "unmatched.parquet").to_pylist()
    assert [tuple(row.values()) for row in unmatched] == [
        ("recording", "00000/00002_lr", "people.csv"),
        ("recording", "00000/00003_lr", "ecgs.csv, people.csv"),
        ("row", "00009_lr", "ecgs.csv"),
        ("row", "9", "people.csv"),
    ]


def test_a_table_of_subjects_that_knows_nobody_is_told(few, tmp_path, capsys):
    (tmp_path / "people.csv").write_text("who,smoker\nP1,true\nP2,false\n")
    options = {"labels": (tmp_path / "people.csv",), "subject_column": "who", "workers": 1}
    assert ingest((few,), out=tmp_path / "out", **options) == 1
    hint = "people.csv is about none of the recordings' subjects: check --subject-column, or say with --subject-pattern"
    assert hint in capsys.readouterr().out
    (tmp_path / "people.csv").write_text("who,smoker\nS001,true\nP2,false\n")
    assert ingest((few,), out=tmp_path / "more", subject_pattern=r"(S\d{3})R", **options) == 0


@pytest.mark.parametrize(
    ("step", "warned"), [("sfreq.eeg=100", True), ("reference=average", True), ("sfreq.ecg=50", False)]
)
def test_a_recipe_for_other_signals_is_told(tmp_path, capsys, step, warned):
    assert ingest((ECG / "00001_lr.hea",), out=tmp_path / "out", set_=(step,)) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert ("The recipe speaks of eeg, but none of these recordings has them" in text) == warned
