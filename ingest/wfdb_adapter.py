"""WFDB records (PhysioNet): header, signal files in any storage format that wfdb decodes, annotations, comments.

WFDB's own names (`fs`, `sig_name`, `adc_gain`, …) stay inside the wfdb_*.py files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import wfdb

from biosig.recording import Recording, Source, Subject, content_hash
from ingest.demographics import note_on_age, parse_age, parse_sex
from ingest.files import check_present, sha256_of
from ingest.wfdb_annotations import read_annotations
from ingest.wfdb_header import header_lines, is_master, read_header
from ingest.wfdb_segments import join_segments, parts_of, read_master
from ingest.wfdb_signals import Signal, read_signals, signals_of, streams_of

_KEY_VALUE = re.compile(r"\s*([A-Za-z][\w ]*?)\s*:\s*(.*?)\s*")
_ANGLE = re.compile(r"<(\w+)>:\s*([^<]*)")
_AGE_SEX = re.compile(r"\s*(\d{1,3})\s+([MF])\b.*")  # the MIT-BIH databases: "69 M 1085 1629 x1"


class WfdbAdapter:
    """Reads WFDB records of one segment or many; the ``.hea`` stands for the record."""

    name = "wfdb"
    describes = "WFDB records (.hea)"

    def claims(self, path: Path) -> bool:
        """Whether `path` is a header, by its extension."""
        return path.suffix.lower() == ".hea"

    def read(self, path: Path, *, lazy: bool = False, **options: Any) -> Recording:  # noqa: ARG002
        """Read one record; the samples are the file's own integers.

        A multi-segment record becomes one recording: what no segment holds is invalid.

        Raises
        ------
        UnreadableError
            If the record is damaged or incomplete; the sentence names the file and the remedy.
        """
        if options:
            raise TypeError(f"The WFDB adapter takes no options, not {', '.join(options)}.")
        check_present(path)
        if is_master(header_lines(path)):
            master = read_master(path)
            fs, comments, files, notes = master.record.fs, master.record.comments, master.files, master.notes
            signals, joined = join_segments(path, master)
            notes = [*notes, *joined]
        else:
            header = read_header(path)
            fs, comments, files, notes = header.record.fs, header.record.comments, header.files, header.notes
            signals = read_signals(path, header)
        recording = self._recording(path.stem, signals, fs, comments)
        annotations, annotation_files, more = read_annotations(path, fs, recording.duration)
        recording.annotations = annotations
        recording.source = Source(str(path), self.name, sha256_of((*files, *annotation_files)))
        recording.notes = (*notes, *recording.notes, *more)
        return recording

    def parts(self, path: Path) -> list[Path]:
        """Headers of the segments that `read` joins into one recording: no recordings of their own beside it."""
        return parts_of(path)

    def convert(self, obj: object) -> Recording | None:
        """Turn a ``wfdb.Record`` that holds digital or physical signals into a Recording; None for anything else."""
        if not isinstance(obj, wfdb.Record):
            return None
        return self._recording(str(obj.record_name), signals_of(obj), obj.fs, obj.comments)

    def _recording(self, name: str, signals: list[Signal], fs: float, comments: list[str] | None) -> Recording:
        streams, notes = streams_of(signals, fs)
        told: list[str] = []
        subject, labels, left = _comments(comments or [], told)
        if left:
            told.append(f"{left} comment line(s) of the header are neither age, sex nor diagnosis codes: left out.")
        return Recording(
            id=name,
            streams=streams,
            subject=subject,
            labels=labels,
            source=Source(adapter=self.name),
            content_hash=content_hash(streams),
            notes=(*told, *notes),
        )


def _comments(lines: list[str], notes: list[str]) -> tuple[Subject | None, dict[str, Any], int]:
    """Subject and labels from a header's comments, and how many lines said something else.

    Known forms: "Age: 63", "Sex: F", "Dx: 426783006,164889003" (the PhysioNet challenges), "<age>: 25 <sex>: M"
    (ECG-ID and others), "69 M 1085 1629 x1" (MIT-BIH).
    """
    age, sex, left = None, None, 0
    labels: dict[str, Any] = {}
    for line in filter(str.strip, lines):
        pairs = _ANGLE.findall(line)
        if match := _AGE_SEX.fullmatch(line):
            pairs = [("age", match[1]), ("sex", match[2])]
        elif match := _KEY_VALUE.fullmatch(line):
            pairs = [(match[1], match[2])]
        known = False
        for key, value in pairs:
            match key.lower():
                case "age":
                    age, known = parse_age(value), True
                    notes += note_on_age(value)
                case "sex" | "gender":
                    sex, known = parse_sex(value), True
                case "dx":
                    labels["dx"], known = [code.strip() for code in value.split(",") if code.strip()], True
                case "chagas label":
                    labels["chagas"], known = value.lower() == "true", True
        left += not known
    subject = None if age is None and sex is None else Subject("", age, sex)
    return subject, labels, left
