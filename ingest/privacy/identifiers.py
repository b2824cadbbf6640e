"""What the header of a source file says about who, when and with which device, format by format; no sample is read.

Only `biosig inspect --privacy` asks. An adapter of another package tells the same with a method
``identifiers(path) -> list[Identifier]``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biosig.reading import Adapter
from ingest.edf.header import open_edf
from ingest.mne.formats import format_of
from ingest.wfdb.header import header_lines

NEVER = "never read"
_SUBJECT = "id and name become one keyed hash"

_XDF_TAG = re.compile(rb"<(datetime|hostname|source_id|session_id|created_at|v[46]address)>([^<]+)</")
_XDF_HEAD = 2**20
_SHOWN = 4  # words of a value
_LONGEST = 48  # characters of it
_DICOM = {
    "PatientName": ("name", NEVER),
    "PatientID": ("subject id", "becomes a keyed hash"),
    "OtherPatientIDs": ("subject id", NEVER),
    "PatientBirthDate": ("birth date", "becomes an age in years"),
    "PatientAddress": ("address", NEVER),
    "PatientTelephoneNumbers": ("address", NEVER),
    "PatientComments": ("free text", NEVER),
    "StudyDate": ("recording date", NEVER),
    "StudyTime": ("recording date", NEVER),
    "AcquisitionDateTime": ("recording date", NEVER),
    "ContentDate": ("recording date", NEVER),
    "AccessionNumber": ("case number", NEVER),
    "StudyID": ("case number", NEVER),
    "InstitutionName": ("place", NEVER),
    "InstitutionAddress": ("address", NEVER),
    "ReferringPhysicianName": ("name", NEVER),
    "PhysiciansOfRecord": ("name", NEVER),
    "PerformingPhysicianName": ("name", NEVER),
    "OperatorsName": ("name", NEVER),
    "DeviceSerialNumber": ("device", NEVER),
    "StationName": ("device", NEVER),
    "StudyDescription": ("free text", NEVER),
}
_MNE_PERSON = {
    "his_id": ("subject id", "becomes a keyed hash"),
    "last_name": ("name", NEVER),
    "first_name": ("name", NEVER),
    "middle_name": ("name", NEVER),
    "birthday": ("birth date", "becomes an age in years"),
}


@dataclass(frozen=True, slots=True)
class Identifier:
    """Something in a file that may tell who was recorded or when.

    Parameters
    ----------
    field : str
        What the format calls it.
    sort : str
        "name", "birth date", "recording date", "device", "free text", …
    value : str
        As in the file; shown only through `mask`.
    fate : str
        What becomes of it when the file is ingested.
    """

    field: str
    sort: str
    value: str
    fate: str


def identifiers_in_header(adapter: Adapter, path: Path) -> list[Identifier] | None:
    """What a file's header tells; None if the adapter cannot say.

    Raises
    ------
    biosig.errors.UnreadableError
        If the file is damaged.
    """
    ask: Callable[[Path], Any] | None = getattr(adapter, "identifiers", None) or _READERS.get(adapter.name)
    if ask is None:
        return None
    found = ask(path)
    return None if found is None else [identifier for identifier in found if identifier.value.strip()]


def mask(value: str) -> str:
    """The shape of a value without what it says: "Mustermann 12.03.1994" → "M… (10 letters) 99.99.9999"."""

    def hidden(match: re.Match[str]) -> str:
        word = match[0]
        if word.isalpha() and len(word) > 1:
            return f"{word[0]}… ({len(word)} letters)"
        return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "9", word))

    words = value.split()
    first = " ".join(words[:_SHOWN])[:_LONGEST]
    more = len(words) > _SHOWN or len(first) == _LONGEST
    return re.sub(r"[^\W_]+", hidden, first) + (" and more" if more else "")


def _wfdb(path: Path) -> Iterator[Identifier]:
    lines, comments = header_lines(path)
    for text in lines[0].split()[4:]:
        what = "base date" if "/" in text else "base time"
        yield Identifier(what, "recording date", text, NEVER)
    for comment in comments:
        key, colon, value = comment.partition(":")
        if not re.fullmatch(r"\W*(age|sex|gender|dx)\W*", key, re.IGNORECASE):
            field = f"comment '{key.strip()[:24]}'" if colon and len(key) < 24 else "comment"
            fate = "left out if its key names a person, date or device; else part of the report, scrubbed"
            yield Identifier(field, "free text", value if colon else comment, fate)


def _edf(path: Path) -> Iterator[Identifier]:
    file = open_edf(path)
    parts = file.patient.split()
    if len(parts) >= 4 and parts[1] in ("F", "M", "X"):
        fields = (("code", "subject id", parts[0], _SUBJECT), ("birth date", "birth date", parts[2], "becomes an age"))
        for field, sort, value, fate in (*fields, ("name", "name", " ".join(parts[3:]), _SUBJECT)):
            yield Identifier(f"patient field, {field}", sort, "" if value.strip("X") == "" else value, fate)
    else:
        known = any(part.strip("X,_") for part in parts)
        yield Identifier("patient field", "free text", file.patient if known else "", _SUBJECT)
    words = [word for word in file.recorded.split() if word not in ("Startdate", "X")]
    yield Identifier("recording field", "recording date, device or name", " ".join(words), NEVER)
    with path.open("rb") as raw:
        raw.seek(168)
        date, time = (raw.read(8).decode("latin-1").strip() for _ in range(2))
    if (date, time) != ("01.01.85", "00.00.00"):
        yield Identifier("start date and time", "recording date", f"{date} {time}", NEVER)


def _mne(path: Path) -> Iterator[Identifier] | None:
    form = format_of(path)
    if form is None or form.isolated:
        return None  # a damaged file may end the interpreter
    import mne

    form.files(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        info = getattr(mne.io, f"read_raw_{form.reader}")(path, preload=False, verbose="error").info
    return _mne_info(info)


def _mne_info(info: Any) -> Iterator[Identifier]:
    person = info["subject_info"] or {}
    for key, (sort, fate) in _MNE_PERSON.items():
        yield Identifier(f"subject_info.{key}", sort, str(person.get(key) or ""), fate)
    yield Identifier("meas_date", "recording date", str(info["meas_date"] or ""), NEVER)
    for key, value in (info["device_info"] or {}).items():
        yield Identifier(f"device_info.{key}", "device", str(value or ""), NEVER)
    for key, sort in (("experimenter", "name"), ("description", "free text"), ("proj_name", "free text")):
        yield Identifier(key, sort, str(info[key] or ""), NEVER)


def _dicom(path: Path) -> Iterator[Identifier]:
    import pydicom

    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    for keyword, (sort, fate) in _DICOM.items():
        yield Identifier(keyword, sort, str(dataset.get(keyword) or ""), fate)
    n_private = sum(element.tag.is_private for element in dataset)
    yield Identifier("private elements", "unknown", f"{n_private} elements" if n_private else "", NEVER)


def _xdf(path: Path) -> Iterator[Identifier]:
    with path.open("rb") as file:
        head = file.read(_XDF_HEAD)
    sorts = {"datetime": "recording date", "created_at": "recording date"}
    for tag, value in dict.fromkeys(_XDF_TAG.findall(head)):
        field = tag.decode()
        yield Identifier(field, sorts.get(field, "device"), value.decode("utf-8", "replace"), NEVER)


_READERS: dict[str, Callable[[Path], Iterator[Identifier] | None]] = {
    "wfdb": _wfdb,
    "edf": _edf,
    "mne": _mne,
    "dicom": _dicom,
    "xdf": _xdf,
}
