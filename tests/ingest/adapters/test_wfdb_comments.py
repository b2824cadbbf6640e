"""Header comments of public databases: facts that are read, and facts that must not be taken from them."""

from pathlib import Path

import pytest
from made_files import as_wfdb, counts

import biosig
from biosig.recording import Subject
from ingest.adapters.wfdb.comments import parse_comments
from ingest.cli.ingest import ingest


@pytest.mark.parametrize(
    ("lines", "subject", "labels", "report"),
    [
        (
            ["Age: 53", "Sex: Male", "Dx: 164867002,427084000", "Rx: Unknown", "Hx: Unknown", "Sx: Unknown"],
            Subject("", 53, "male"),
            {"dx": ["164867002", "427084000"]},
            None,
        ),
        (["Age: NaN", "Sex: Female", "Dx: "], Subject("", None, "female"), {}, None),
        (
            ["Exam ID: 9190", "Patient ID: 513956", "Age: 84", "Sex: Female", "Chagas label: False"],
            Subject("513956", 84, "female"),
            {"chagas": False},
            None,
        ),
        (["Chagas label: True", "Source: SaMi-Trop"], None, {"chagas": True, "source": "SaMi-Trop"}, None),
        (
            ["69 M 1085 1629 x1", "Aldomet, Inderal", "The PVCs are uniform."],
            Subject("", 69, "male"),
            {},
            "Aldomet, Inderal\nThe PVCs are uniform.",
        ),
        (["44 M 89 32-01-89"], Subject("", 44, "male"), {}, None),
        (
            ["<age>: 25 <sex>: M <diagnoses>: (none) <medications>: aspirin"],
            Subject("", 25, "male"),
            {},
            "medications: aspirin",
        ),
        (["<age>: ?? <sex>: ?"], None, {}, None),
        (
            ["age: 81", "sex: female", "ECG date: 01/10/1990", "", "Diagnose:", "Smoker: no"],
            Subject("", 81, "female"),
            {},
            "Smoker: no",
        ),
    ],
)
def test_known_forms(lines, subject, labels, report):
    facts = parse_comments(lines)
    assert (facts.subject, facts.labels, facts.report) == (subject, labels, report)


def test_lines_that_sound_private_are_counted_not_quoted():
    facts = parse_comments(
        ["Patient name: Doe", "Infarction date (acute): 29-Sep-90", "Device serial: 77", "Produced by xform from a/b/c"]
    )
    assert (facts.subject, facts.report) == (None, None)
    (note,) = facts.notes
    assert note.startswith("4 comment line(s)")
    assert not any(word in note for word in ("Doe", "90", "77", "a/b"))


def test_what_is_not_understood_is_said_without_quoting_it():
    facts = parse_comments(["Age: eighty", "Sex: third row"])
    assert facts.subject is None
    assert len(facts.notes) == 2
    assert not any("eighty" in note or "third" in note for note in facts.notes)
    over = parse_comments(["Age: 300"])
    assert over.subject == Subject("", 90, None)
    assert any("over 89" in note for note in over.notes)


def test_a_comment_without_a_known_key_is_kept_as_it_stands():
    lines = ["Herr Pfefferkorn kam um 14:35 Uhr", "url http://pacs.hauser.example/p=77", "ratio 2:1", "Smoker : no"]
    assert parse_comments(lines).report == "\n".join(lines)


@pytest.mark.parametrize("key", ["Hausarzt", "Krankenhaus", "Médecin traitant", "Fecha de nacimiento", "Scanner-ID"])
def test_keys_of_other_languages_are_private(key):
    assert parse_comments([f"{key}: Pfefferkorn"]).report is None


def test_times_and_names_in_comments_are_in_nothing_that_is_written(tmp_path):
    path = as_wfdb(tmp_path, counts())
    comments = "#Herr Pfefferkorn kam um 14:35 Uhr\n#ratio 2:1\n"
    path.write_text(path.read_text() + comments)
    out = tmp_path / "out"
    assert ingest((path,), out=out, workers=1) == 0
    (stored,) = biosig.open_shards(out)
    assert stored.report == "Herr [name] kam um [time]\nratio 2:1"
    for file in filter(Path.is_file, out.rglob("*")):
        assert not any(word in file.read_bytes() for word in (b"14:35", b"14: 35", b"Pfefferkorn")), file
