"""Facts about the subject in the comments of a WFDB header, in the forms that public databases write."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from biosig.recording import Subject
from ingest.demographics import NOTHING, note_on_age, notes_on_unread, parse_age, parse_sex
from ingest.privacy.private_keys import is_private_key

_KEY_VALUE = re.compile(r"([^\W\d_][^:<>]{0,60}?)\s*:(?!//)\s*(.*)")
_ANGLE = re.compile(r"<([^<>]{1,60})>:\s*([^<]*)")
_AGE_SEX = re.compile(r"(\d{1,3})\s+([MF])\b.*")  # the MIT-BIH databases: "69 M 1085 1629 x1"
_STATED = re.compile(r"\b(?:dob|mrn|serial|accession|produced by)\b|\b(?:name|birth|address|phone)\b", re.IGNORECASE)
_FIELDS = {
    "gender": "sex",
    **dict.fromkeys(("patient id", "patient_id", "patient", "subject id", "subject_id", "subject"), "id"),
}
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(slots=True)
class Comments:
    """Facts in a header's comments.

    Parameters
    ----------
    subject : Subject or None
        Id, age and sex, as far as they are given.
    labels : dict
        ``dx``: list of diagnosis codes; ``chagas``: bool; ``source``: the collection that a record is from.
    report : str or None
        All other lines as they stand, but for those that name persons, dates or devices.
    notes : list of str
        Sentences on lines that were left out or not understood.
    """

    subject: Subject | None
    labels: dict[str, Any] = field(default_factory=dict)
    report: str | None = None
    notes: list[str] = field(default_factory=list)


def parse_comments(lines: list[str]) -> Comments:
    """Subject, labels and report from a header's comments, given without their "#".

    Known forms: "Age: 63", "Sex: F", "Dx: 426783006,164889003" (the PhysioNet challenges of 2020 and 2021),
    "Chagas label: True", "Source: CODE-15%", "Patient ID: 1" (2025), "<age>: 25 <sex>: M <diagnoses>: (none)" (ECG-ID
    and others), "69 M 1085 1629 x1" (MIT-BIH). A value that says nothing ("Unknown", "n/a") is passed over.
    """
    facts = Comments(None)
    who: dict[str, str] = {}
    report, n_private = [], 0
    for key, value, text in (part for line in lines for part in _parts(line.strip())):
        name = _FIELDS.get(key.lower(), key.lower())
        truth = _TRUTH.get(value.lower())
        if NOTHING.fullmatch(value):
            continue
        if name in ("id", "age", "sex"):
            who.setdefault(name, value)
        elif name == "dx":
            facts.labels["dx"] = [code.strip() for code in value.split(",") if code.strip()]
        elif name == "chagas label" and truth is not None:
            facts.labels["chagas"] = truth
        elif name == "source":
            facts.labels["source"] = value
        elif is_private_key(key) if key else _STATED.search(value):
            n_private += 1
        else:
            report.append(text)
    facts.subject = _subject(who, facts.notes)
    facts.report = "\n".join(report) or None
    if n_private:
        facts.notes.append(f"{n_private} comment line(s) of the header sound like names, dates or devices: left out.")
    return facts


def _parts(line: str) -> list[tuple[str, str, str]]:
    """Facts in a line, as (key, value, text to keep); the key is "" in free text.

    A line is kept as it stands: a time of day or an address taken apart at its colon would no longer be known as one.
    """
    if match := _AGE_SEX.fullmatch(line):
        return [("age", match[1], ""), ("sex", match[2], "")]
    if pairs := _ANGLE.findall(line):
        return [(key.strip(), value.strip(), f"{key.strip()}: {value.strip()}") for key, value in pairs]
    if match := _KEY_VALUE.fullmatch(line):
        return [(match[1], match[2], line)]
    return [("", line, line)]


def _subject(who: dict[str, str], notes: list[str]) -> Subject | None:
    if not who:
        return None
    age, sex = parse_age(who.get("age")), parse_sex(who.get("sex"))
    notes += note_on_age(who["age"]) if age is not None else []
    notes += notes_on_unread((who.get("age"), age), (who.get("sex"), sex))
    subject = Subject(who.get("id", ""), age, sex)
    return None if subject == Subject("") else subject
