import pickle
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest

from biosig.config import load
from biosig.errors import DataError, UsageError
from biosig.recording import Annotation, Channel, Recording, Stream, Subject
from ingest.metadata.labels.labels import load_labels
from ingest.metadata.labels.row_index import IngestIndex
from ingest.metadata.labels.spec import LabelSpec
from ingest.privacy.pseudonyms import Pseudonyms


def recording(name="r1", seconds=10, sfreq=100, **more):
    channel = Channel("II", "II", "ecg", "mV")
    return Recording(name, [Stream(sfreq, (channel,), np.ones((1, seconds * sfreq), np.int16), 1, 0)], **more)


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_a_table_by_subject_fills_in_what_a_recording_does_not_know(write):
    people = write("people.csv", "patient,age,sex,smoker,site\n7,61,F,true,A\n8,,M,,B\n9,30,F,false,C\n")
    labels = load_labels((people,), None, (), "patient")
    joined, missed = labels.join(
        recording(subject=Subject("7", None, "male"), labels={"site": "ward"}), Path("/x/r1.hea")
    )
    assert missed == ()
    assert joined.subject == Subject("7", 61, "male")
    assert joined.labels == {"smoker": True, "site": "ward"}
    other, _ = labels.join(recording("r2", subject=Subject("8")), Path("/x/r2.hea"))
    assert (other.subject, other.labels) == (Subject("8", None, "male"), {"site": "B"})
    assert labels.join(recording("r3"), Path("/x/r3.hea"))[1] == ("people.csv",)
    hidden = Pseudonyms(b"x" * 16)
    stored = [(hidden("subject", "7"), None), (hidden("subject", "8"), "pre")]
    assert labels.unmatched(IngestIndex([], frozenset(stored), hidden)) == [("9", "people.csv")]
    assert labels.tables_without_match([("9", "people.csv")]) == []
    assert labels.tables_without_match([(name, "people.csv") for name in "789"]) == ["people.csv"]


def test_a_table_by_subject_and_sitting(write):
    visits = write("visits.csv", "patient,visit,stage\n7,pre,1\n7,post,2\n")
    spec = write("spec.yaml", "subject_column: patient\nsession_column: visit\n")
    labels = load_labels((visits,), spec)
    assert labels.join(recording(subject=Subject("7"), session="post"), Path("r1"))[0].labels == {"stage": 2}
    assert labels.join(recording(subject=Subject("7")), Path("r1")) == (ANY, ("visits.csv",))
    hidden = Pseudonyms(b"x" * 16)
    subject = hidden("subject", "7")
    assert labels.unmatched(IngestIndex([], frozenset([(subject, "post"), (subject, None)]), hidden)) == [
        ("7, session pre", "visits.csv")
    ]
    assert (
        labels.unmatched(IngestIndex([], frozenset([(subject, "post"), (subject, hidden("session", "pre"))]), hidden))
        == []
    )


def test_several_tables_each_go_by_the_columns_that_they_have(write):
    people = write("people.csv", "patient,age,y\n7,61,5\n")
    ecgs = write("ecgs.csv", "file,patient,x,y\nr1,7,1,\nr2,7,2,3\n")
    labels = load_labels((people, ecgs), None, ("file",), "patient")
    first, missed = labels.join(recording(), Path("/x/r1.hea"))
    assert (first.subject, first.labels) == (Subject("7", 61), {"x": 1, "y": 5})
    assert labels.join(recording("r2"), Path("/x/r2.hea"))[0].labels == {"x": 2, "y": 3}
    assert missed == ()
    hidden = Pseudonyms(b"x" * 16)
    assert labels.unmatched(IngestIndex([Path("/x/r1.hea")], frozenset([]), hidden)) == [
        ("r2", "ecgs.csv"),
        ("7", "people.csv"),
    ]
    again = pickle.loads(pickle.dumps(labels))
    assert again.join(recording(), Path("/x/r1.hea"))[0].labels == first.labels


def test_tables_that_contradict_each_other(write):
    one, two = write("one.csv", "file,ward,y\nr1,7,1\n"), write("two.csv", "file,ward,y\nr1,8,2\n")
    with pytest.raises(DataError, match=r"two\.csv contradicts another label table about ward, y of r1\.hea"):
        load_labels((one, two), None, ("file",)).join(recording(), Path("r1.hea"))
    people, more = write("people.csv", "ward,y\n7,1\n"), write("more.csv", "ward,y\n8,1\n")
    with pytest.raises(UsageError, match="both give the label 'y'"):
        load_labels((people, more), None, (), "ward")
    spec = write("spec.yaml", "tables: {two.csv: {id_columns: [file], subject_column: ward, label_columns: []}}\n")
    labels = load_labels((one, two), spec, ("file",), "ward")
    with pytest.raises(DataError, match="about the subject's id of r1"):
        labels.join(recording(), Path("r1.hea"))
    with pytest.raises(UsageError, match=r"describes two\.csv and none of the tables given, one\.csv"):
        load_labels((one,), spec, ("file",))


def test_what_rows_are_about_must_be_said(write):
    table = write("t.csv", "file,y\nr1,1\n")
    with pytest.raises(UsageError, match=r"Name the column of .*t\.csv .*it has file, y"):
        load_labels((table,), None)
    with pytest.raises(UsageError, match="name it with --labels"):
        load_labels((), None, ("file",))
    assert load_labels((), None) is None
    with pytest.raises(UsageError, match=r"names none of the 1 recordings \('other.hea', …\).* where it has 'r1'"):
        load_labels((table,), None, ("file",)).check([Path("/x/other.hea")])


def test_types_of_labels(write):
    table = write("t.csv", "file,codes,ok,year,note\nr1,AF;LBBB,1,1980,12\nr2,,0,,\nr3,x,perhaps,,\n")
    spec = write("s.yaml", "id_columns: [file]\ntypes: {codes: codes, ok: bool, note: text}\n")
    labels = load_labels((table,), spec)
    assert labels.join(recording(), Path("r1"))[0].labels == {
        "codes": ["AF", "LBBB"],
        "ok": True,
        "year": 1980,
        "note": "12",
    }
    assert labels.asked == {"codes", "ok"}  # free text is scrubbed
    assert labels.join(recording(), Path("r2"))[0].labels == {"ok": False}
    with pytest.raises(DataError, match=r"'perhaps' in column 'ok', row 4, where true or false was expected"):
        labels.join(recording(), Path("r3"))
    with pytest.raises(UsageError, match="types"):
        load_labels((table,), write("s2.yaml", "types: {ok: boolean}\n"), ("file",))


def test_events_become_annotations_in_order(write):
    table = write(
        "arousals.csv", "file,start,stop,what\nr1,5000,6500,apnea\nr2,0,1,x\nr1,1000,,arousal\nr1,99000,99500,late\n"
        "r1,,,nothing\nr1,9500,12000,long\n"
    )  # fmt: skip
    spec = write("s.yaml", "id_columns: [file]\nevents: {onset: start, end: stop, label: [what], unit: ms}\n")
    labels = load_labels((table,), spec)
    joined, missed = labels.join(recording(annotations=[Annotation(2.0, 0.0, "N")]), Path("/x/r1.hea"))
    assert joined.annotations == [
        Annotation(1.0, 0.0, "arousal"),
        Annotation(2.0, 0.0, "N"),
        Annotation(5.0, 1.5, "apnea"),
        Annotation(9.5, 0.5, "long"),
    ]
    assert missed == ()
    assert joined.labels == {}
    assert [note[0] for note in joined.notes] == ["1", "1", "1"]
    assert labels.unmatched(IngestIndex([Path("/x/r1.hea")], frozenset([]), Pseudonyms(b"x" * 16))) == [
        ("r2", "arousals.csv")
    ]


def test_events_in_samples_need_one_rate(write):
    table = write("e.csv", "file,sample,n,a,b\nr1,250,50,T1,left\n")
    text = "id_columns: [file]\nevents: {onset: sample, duration: n, label: [a, b], unit: samples"
    both = recording()
    both.streams.append(recording(sfreq=50).streams[0])
    labels = load_labels((table,), write("s.yaml", text + "}\n"))
    assert labels.join(recording(), Path("r1"))[0].annotations == [Annotation(2.5, 0.5, "T1/left")]
    with pytest.raises(DataError, match="rates of 50, 100 Hz: say which"):
        labels.join(both, Path("r1"))
    labels = load_labels((table,), write("s.yaml", text + ", sfreq: 50}\n"))
    assert labels.join(both, Path("r1"))[0].annotations == [Annotation(5.0, 1.0, "T1/left")]


def test_events_that_cannot_be(write):
    spec = write("s.yaml", "id_columns: [file]\nevents: {onset: begin, end: stop, label: [a]}\n")
    for row, wanted in (
        ("r1,2,1,x", "column 'stop', row 2, where an end after"),
        ("r1,soon,1,x", "column 'begin', row 2"),
    ):
        with pytest.raises(DataError, match=wanted):
            load_labels((write("e.csv", f"file,begin,stop,a\n{row}\n"),), spec).join(recording(), Path("r1"))
    with pytest.raises(UsageError, match="name one of them"):
        load(LabelSpec, {"events": {"onset": "a", "label": ["b"], "duration": "c", "end": "d"}})


def test_codes_of_the_header_get_their_names(write):
    table = write(
        "scored_diagnoses_2021.csv",
        "Dx,SNOMEDCTCode,Abbreviation\natrial fibrillation,164889003,AF\nsinus rhythm,426783006,NSR\n",
    )
    spec = write(
        "s.yaml",
        "maps: ["
        + ", ".join(
            f"{{label: {label}, column: dx, key: SNOMEDCTCode, value: {value}}}"
            for label, value in (("dx_scored", "Abbreviation"), ("dx_names", "Dx"))
        )
        + "]\n",
    )
    labels = load_labels((table,), spec)
    joined, missed = labels.join(recording(labels={"dx": ["426783006", "164889003", "999"]}), Path("r1.hea"))
    assert joined.labels["dx_scored"] == ["AF", "NSR"]
    assert joined.labels["dx_names"] == ["atrial fibrillation", "sinus rhythm"]
    assert joined.labels["dx"] == ["426783006", "164889003", "999"]
    assert missed == ()
    assert labels.join(recording(), Path("r1.hea"))[1] == ("scored_diagnoses_2021.csv",)
    assert labels.unmatched(IngestIndex([], frozenset([]), Pseudonyms(b"x" * 16))) == []
    assert labels.asked == {"dx_scored", "dx_names"}


CODES = "Dx,SNOMEDCTCode,Abbreviation\natrial fibrillation,164889003,AF\n"
SHIPPED = Path(__file__).parents[3] / "configs" / "ingest" / "cinc2021-labels.yaml"


def test_the_shipped_spec_of_the_challenge_of_2021(write, tmp_path):
    codes = write("scored_diagnoses_2021.csv", CODES)
    (tmp_path / "SPH").mkdir()
    shandong = write("SPH/metadata.csv", "ECG_ID,Patient_ID,SNOMEDCTCode,AHA_Code\nA1,S1,164889003,50\n")
    headers = recording(labels={"dx": ["164889003"]})
    for tables in ((codes,), (shandong, codes)):
        joined, _ = load_labels(tables, SHIPPED).join(headers, Path("training/r1.hea"))
        assert joined.labels == {"dx": ["164889003"], "dx_scored": ["164889003"], "dx_names": ["atrial fibrillation"]}
    joined, _ = load_labels((shandong, codes), SHIPPED).join(recording(), Path("SPH/A1.h5"))
    assert (joined.subject.id, joined.labels["dx_scored"]) == ("S1", ["164889003"])
    with pytest.raises(UsageError, match="need a table of codes: name it with --labels too"):
        load_labels((shandong,), SHIPPED)


def test_tables_may_share_the_recordings_among_them(write):
    one, two = write("one.csv", "file,x\nr1,1\n"), write("two.csv", "file,x\nr2,1\n")
    people = write("people.csv", "patient,age\n7,61\n")
    labels = load_labels((one, two, people), None, ("file",), "patient")
    assert labels.join(recording(subject=Subject("7")), Path("r1"))[1] == ()
    assert labels.join(recording(), Path("r2"))[1] == ("people.csv",)
    assert labels.join(recording(subject=Subject("7")), Path("r3"))[1] == ("one.csv", "two.csv")


def test_a_german_table_gives_its_numbers(write):
    """As a spreadsheet writes them (tests mirror a report: age 61.5 and hb 13.2 were lost)."""
    labels = load_labels((write("semi.csv", "id;dx;age;hb\n007;AF;61,5;13,2\n008;N;58,0;12,9\n"),), None, ("id",))
    joined, _ = labels.join(recording("007"), Path("/x/007.hea"))
    assert joined.subject == Subject("", 61.5, None)
    assert joined.labels == {"dx": "AF", "hb": 13.2}
    assert labels.remarks == ()
