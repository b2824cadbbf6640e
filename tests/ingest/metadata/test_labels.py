from pathlib import Path

import numpy as np
import pytest

from biosig import samples
from biosig.config import load
from biosig.errors import DataError, UsageError
from biosig.reading import read
from biosig.recording import Channel, Recording, Stream
from ingest.demographics import parse_age, parse_sex
from ingest.metadata.labels.spec import LabelSpec
from ingest.metadata.labels.subject_pattern import SubjectPattern
from ingest.metadata.labels.table import LabelTable

PTBXL = samples.path("ptbxl")
SPEC = Path(__file__).parents[3] / "configs" / "ingest" / "ptbxl-labels.yaml"


def recording(name="r1"):
    channel = Channel("II", "II", "ecg", "mV")
    return Recording(name, [Stream(100, (channel,), np.ones((1, 10), np.int16), 1, 0)])


def test_ptbxl_table_gives_subject_report_and_superclasses():
    table = LabelTable(PTBXL / "ptbxl_database.csv", load(LabelSpec, SPEC))
    path = PTBXL / "records100" / "00000" / "00001_lr.hea"
    joined = table.join(read(path), table.row_of(path))
    assert (joined.subject.id, joined.subject.age, joined.subject.sex) == ("15709", 56, "female")
    assert joined.labels["diagnostic_superclass"] == ["NORM"]
    assert joined.labels["scp_codes"] == ["NORM", "LVOLT", "SR"]
    assert joined.labels["strat_fold"] == 3
    assert joined.report.startswith("sinusrhythmus")
    assert "recording_date" not in joined.labels


def test_rows_match_by_the_end_of_the_path(tmp_path):
    (tmp_path / "l.csv").write_text("file,y\na/r1,1\nb/r1.hea,2\nr2.edf,3.5\n")
    table = LabelTable(tmp_path / "l.csv", LabelSpec(id_columns=("file",)))
    assert [table.row_of(Path(p)) for p in ("/x/a/r1.hea", "/x/b/r1.hea", "/y/r2.edf", "/x/r1.hea")] == [0, 1, 2, None]
    assert table.join(recording(), 2).labels == {"y": 3.5}


def test_columns_that_sound_private_are_left_out_unless_named(tmp_path):
    (tmp_path / "l.csv").write_text("id,recording_date,patient_name,ok\nr1,2020-01-01,Doe,True\n")
    table = LabelTable(tmp_path / "l.csv", LabelSpec(id_columns=("id",)))
    assert table.join(recording(), 0).labels == {"ok": True}
    assert table.left_out == ("recording_date", "patient_name")
    named = LabelTable(tmp_path / "l.csv", LabelSpec(id_columns=("id",), label_columns=("recording_date",)))
    assert named.join(recording(), 0).labels == {"recording_date": "2020-01-01"}


def test_columns_named_age_and_sex_are_the_subjects(tmp_path):
    (tmp_path / "l.csv").write_text("id,Age,sex\nr1,63,F\nr2,,\n")
    table = LabelTable(tmp_path / "l.csv", LabelSpec(id_columns=("id",)))
    joined = table.join(recording(), 0)
    assert (joined.subject.age, joined.subject.sex, joined.labels) == (63, "female", {})
    (tmp_path / "l.csv").write_text("id,sex\nr1,0\nr2,1\n")
    assert LabelTable(tmp_path / "l.csv", LabelSpec(id_columns=("id",))).join(recording(), 1).labels == {"sex": 1}


def test_two_rows_for_one_recording_and_absent_columns(tmp_path):
    (tmp_path / "l.csv").write_text("id,y\nr1,1\nr1.hea,2\n")
    with pytest.raises(
        DataError, match=r"two rows for the recording .* if each row is an event, say so in --labels-spec \(events\)"
    ):
        LabelTable(tmp_path / "l.csv", LabelSpec(id_columns=("id",)))
    with pytest.raises(UsageError, match="no column 'nr'"):
        LabelTable(tmp_path / "l.csv", LabelSpec(id_columns=("nr",)))


def test_subject_pattern_and_its_named_groups():
    joined = SubjectPattern(r"(?P<subject>S\d{3})(?P<run>R\d{2})").join(recording(), "eegmmidb/S003R06")
    assert (joined.subject.id, joined.labels) == ("S003", {"run": "R06"})
    assert SubjectPattern(r"(S\d{3})R\d{2}").join(recording(), "x/S003R06").subject.id == "S003"
    assert SubjectPattern(r"sub-(\w+)/ses-(?P<session>\w+)").join(recording(), "sub-a/ses-b/r").session == "b"
    assert SubjectPattern(r"(S\d{3})").join(recording(), "x/other") is None
    with pytest.raises(UsageError, match="parentheses"):
        SubjectPattern(r"S\d{3}")


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("63", 63),
        ("006M", 0.5),
        ("063Y", 63),
        ("89+", 90),
        ("> 88", 88),
        ("1980-01-02", None),
        ("63.0", 63),
        ("300", 90),
        ("> 89", 90),
        ("90+", 90),
        ("NaN", None),
        ("999", None),
        ("", None),
    ],
)
def test_ages(text, age):
    assert parse_age(text) == age


def test_ages_in_another_unit():
    assert parse_age("18", "months") == 1.5
    assert parse_age("18 years", "months") == 18


def test_a_class_of_ages_is_said(tmp_path):
    (tmp_path / "l.csv").write_text("id,age\nr1,300.0\n")
    joined = LabelTable(tmp_path / "l.csv", LabelSpec(id_columns=("id",), age_column="age")).join(recording(), 0)
    assert joined.subject.age == 90
    assert any("over 89" in note for note in joined.notes)


def test_sexes():
    assert [parse_sex(t) for t in ("F", "Male", "x", "")] == ["female", "male", None, None]


def test_a_table_without_rows_is_refused(tmp_path):
    (tmp_path / "l.csv").write_text("id,y\n")
    with pytest.raises(DataError, match="has no rows"):
        LabelTable(tmp_path / "l.csv", LabelSpec(id_columns=("id",)))
