"""Files as they are handed over: lists of paths, packed files, epochs, sheets: taken, or one sentence on what to do."""

import gzip
import shutil
import zipfile
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import biosig
from biosig.cli.apply import embed as embed_verb
from biosig.errors import BiosigError, DataError, UsageError
from ingest.cli.ingest import ingest
from ingest.cli.inspect import inspect
from ingest.pipeline.discover import discover

CASES = Path(__file__).parent / "cases"
EDF = CASES / "01" / "unit3.edf"
EMBED = {"window": 4.0, "batch_tokens": 4096}


@pytest.fixture(scope="module")
def model():
    return biosig.build_model("biosig-tiny")


@pytest.fixture
def two(tmp_path):
    """Two recordings of one name in two folders."""
    paths = [tmp_path / folder / "night.edf" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(EDF, path)
    return paths


def test_a_list_of_paths_is_taken_and_names_stay_apart(model, two):
    one = biosig.embed(model, two[0], **EMBED)
    both = biosig.embed(model, [str(two[0]), two[1]], **EMBED)
    assert set(both["recording"].to_pylist()) == {"a/night", "b/night"}
    assert both["vector"].to_pylist() == [*one["vector"].to_pylist()] * 2


def test_several_sources_of_the_command_line(two, tmp_path):
    ingest((two[0],), out=tmp_path / "s1", workers=1, recording_names="keep")
    ingest((EDF,), out=tmp_path / "s2", workers=1, recording_names="keep")
    embed_verb("biosig-tiny", (tmp_path / "s1", tmp_path / "s2"), out=tmp_path / "u.parquet", window=4.0)
    assert set(pq.read_table(tmp_path / "u.parquet")["recording"].to_pylist()) == {"night", "unit3"}
    with pytest.raises(UsageError, match="Two of the sources have a recording 'unit3'"):
        embed_verb("biosig-tiny", (tmp_path / "s2", EDF), out=tmp_path / "v.parquet", window=4.0)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("x.edf.gz", r"is compressed: unpack it \(gunzip -k x\.edf\.gz\), and give x\.edf\."),
        ("x.zip", r"is an archive: unpack it \(unzip x\.zip\), and give the folder\."),
        ("x.tar.gz", r"is an archive: unpack it \(tar -xzf"),
        ("x.xlsx", r"is a spreadsheet: export the sheet that is meant as CSV"),
        ("x.pkl", r"pickled objects, which are never loaded"),
        ("x-ave.fif", r"holds 'ave' in MNE's terms, not a recording"),
        ("x.csv", r"--mapping .*biosig inspect x\.csv --draft"),
    ],
)
def test_one_sentence_says_what_to_do(tmp_path, model, name, sentence):
    path = tmp_path / name
    path.write_bytes(b"0" * 100)
    for take in (biosig.read, lambda one: biosig.embed(model, one), lambda one: ingest((one,), out=tmp_path / "out")):
        with pytest.raises(BiosigError, match=sentence) as failure:
            take(path)
        assert len(str(failure.value)) < 320 + len(str(path))


def test_packed_files_in_a_folder_are_told_and_do_not_fail_it(tmp_path, capsys):
    shutil.copy(EDF, tmp_path)
    (tmp_path / "x.edf.gz").write_bytes(gzip.compress(EDF.read_bytes()))
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.write(EDF, "y.edf")
    assert inspect(tmp_path) == 0
    out = capsys.readouterr().out
    assert "gunzip -k x.edf.gz" in out
    assert "unzip y.zip" in out


def test_the_list_of_formats_is_told_once(tmp_path):
    for name in ("a.xyz", "b.xyz"):
        (tmp_path / name).write_text("?")
    first, second = discover([tmp_path / "a.xyz", tmp_path / "b.xyz"]).failures
    assert "EDF and BDF" in first.sentence
    assert len(second.sentence) < 120 + len(str(tmp_path))


def test_a_file_of_epochs_is_taken_epoch_by_epoch(tmp_path, model):
    info = mne.create_info(["Cz", "Pz"], 100, "eeg")
    x = np.random.default_rng(0).normal(0, 2e-5, (5, 2, 200))
    epochs = mne.EpochsArray(x, info, verbose="error")
    epochs.metadata = pd.DataFrame({"answer": list("ABABA")})
    epochs.save(tmp_path / "t-epo.fif", verbose="error")
    table, direct = biosig.embed(model, tmp_path / "t-epo.fif"), biosig.embed(model, epochs)
    assert table["epoch"].to_pylist() == list(range(5))
    assert table["answer"].to_pylist() == list("ABABA")
    np.testing.assert_allclose(np.stack(table["vector"].to_pylist()), np.stack(direct["vector"].to_pylist()), atol=1e-3)
    assert ingest((tmp_path / "t-epo.fif",), out=tmp_path / "out", workers=1) == 0
    assert any("epochs of 2 s" in note for note in biosig.open_shards(tmp_path / "out")[0].read().notes)
    (tmp_path / "u-epo.fif").write_bytes((tmp_path / "t-epo.fif").read_bytes()[:3000])
    with pytest.raises(DataError):
        biosig.embed(model, tmp_path / "u-epo.fif")


def test_what_is_no_file_of_labels_is_said(tmp_path):
    (tmp_path / "labels.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match="is a spreadsheet: export the sheet that is meant as CSV"):
        ingest((EDF,), out=tmp_path / "out", labels=(tmp_path / "labels.xlsx",), id_column=("id",))
    frame = pd.DataFrame({"id": ["unit3"], "dx": ["AF"]})
    for labels in (frame, (frame,)):
        with pytest.raises(UsageError, match=r"df\.to_parquet\('labels\.parquet'\)"):
            ingest((EDF,), out=tmp_path / "out", labels=labels, id_column=("id",))
    frame.to_parquet(tmp_path / "labels.parquet")
    ingest(EDF, out=tmp_path / "out", labels=tmp_path / "labels.parquet", id_column=("id",), workers=1)
    assert biosig.open_shards(tmp_path / "out")[0].labels == {"dx": "AF"}


def test_a_dataframe_of_signals_and_a_list_to_read_are_said(model):
    with pytest.raises(UsageError, match=r"df\.to_numpy\(\)\.T"):
        biosig.embed(model, pd.DataFrame({"I": [0.0, 1.0]}))
    with pytest.raises(UsageError, match=r"read takes one file, not a list"):
        biosig.read([EDF])


def test_case_10_a_record_line_with_a_folder_is_read():
    recording = biosig.read(CASES / "10" / "00001_medians.hea")
    values = recording.streams[0].physical()
    assert values.mean() == pytest.approx(0.071, abs=0.001)
    assert values.std() == pytest.approx(0.167, abs=0.001)
    assert any("with a folder before it" in note for note in recording.notes)


def test_cases_30_and_31_of_label_tables(tmp_path):
    shutil.copy(EDF, tmp_path / "007.edf")
    for name in ("latin1.csv", "latin1cell.csv"):
        with pytest.raises(DataError, match="export it again, as UTF-8"):
            ingest((tmp_path / "007.edf",), out=tmp_path / "o", labels=(CASES / name,), id_column=("id",))
    ingest((tmp_path / "007.edf",), out=tmp_path / "o", labels=(CASES / "semi.csv",), id_column=("id",), workers=1)
    recording = biosig.open_shards(tmp_path / "o")[0].read()
    assert (recording.subject.age, recording.labels["hb"]) == (61.5, 13.2)
