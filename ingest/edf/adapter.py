"""EDF, EDF+ and BDF files as recordings: their own integers, each sampling rate a stream of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from biosig.fingerprint import content_hash
from biosig.recording import UNKNOWN, Annotation, Channel, Recording, Source, Stream, Subject
from ingest.bids.sidecars import with_sidecars
from ingest.channels import notes_on, resolve, settle
from ingest.demographics import parse_sex
from ingest.edf.header import INT24, EdfFile, EdfSignal, open_edf
from ingest.edf.records import EdfSamples, Run, read_annotations, runs_of
from ingest.events import from_triggers, in_range, mark_bad_spans
from ingest.files import sha256_of

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DATE = re.compile(rf"(\d\d)-({'|'.join(_MONTHS)})-(\d{{4}})")


class EdfAdapter:
    """Reads EDF, EDF+, BDF and BDF+ files, continuous or not."""

    name = "edf"
    describes = "EDF and BDF (.edf, .bdf)"

    def claims(self, path: Path) -> bool:
        """Whether `path` is an EDF or BDF file by its name."""
        return path.suffix.lower() in (".edf", ".bdf")

    def read(self, path: Path, *, lazy: bool = False, **options: Any) -> Recording:
        """Read one recording.

        What no data record of a discontinuous file holds is invalid. Where the file has no annotations, the values
        of its trigger channels become some.

        Raises
        ------
        UnreadableError
            If the file is damaged, cut short or incomplete; the sentence names the file and the remedy.
        """
        if options:
            raise TypeError(f"The EDF adapter takes no options, not {', '.join(options)}.")
        file = open_edf(path)
        events, starts = read_annotations(file)
        runs, notes = runs_of(file, starts)
        recording = to_recording(file, self.name, events, runs, notes, _subject(file), lazy)
        return with_sidecars(recording, path)

    def convert(self, obj: object) -> Recording | None:  # noqa: ARG002
        """None: no library has an object of its own for these files."""
        return None


def to_recording(
    file: EdfFile,
    adapter: str,
    events: list[Annotation],
    runs: Sequence[Run],
    notes: Sequence[str],
    subject: Subject | None,
    lazy: bool,
) -> Recording:
    """A recording of data records: one stream per sampling rate, triggers where there are no events."""
    streams, renamed = _streams(file, runs, lazy)
    said: list[str] = []
    if not events:
        events, said = from_triggers(streams)
    events, late = in_range(events, max(s.duration for s in streams))
    recording = Recording(
        id=file.path.stem,
        streams=streams,
        subject=subject,
        annotations=events,
        source=Source(str(file.path), adapter, sha256_of([file.path])),
        content_hash=content_hash(streams),
        notes=(*file.notes, *notes, *renamed, *said, *late, *notes_on([c for s in streams for c in s.channels])),
    )
    return mark_bad_spans(recording)


def _streams(file: EdfFile, runs: Sequence[Run], lazy: bool) -> tuple[list[Stream], list[str]]:
    """One stream per sampling rate and type of number, in the order of the file, and notes on renamed channels."""
    signals = [s for s in file.signals if not s.is_annotations and s.n_samples]
    resolved = [_resolve(s) for s in signals]
    channels, notes = settle([channel for channel, _ in resolved])
    streams = []
    for n, number in dict.fromkeys((s.n_samples, s.number) for s in signals):
        rows = [i for i, s in enumerate(signals) if (s.n_samples, s.number) == (n, number)]
        samples = EdfSamples(file, [signals[i] for i in rows], runs)
        streams.append(
            Stream(
                sfreq=n / file.record_duration,
                channels=tuple(channels[i] for i in rows),
                samples=samples if lazy else samples.read(0, samples.shape[1]),
                scale=np.array([signals[i].scale * resolved[i][1] for i in rows]),
                offset=np.array([signals[i].offset * resolved[i][1] for i in rows]),
                invalid=samples.gaps,
            )
        )
    return streams, notes


def _resolve(signal: EdfSignal) -> tuple[Channel, float]:
    stim = signal.label.upper() in ("STATUS", "STI 014", "TRIGGER") or (
        signal.number == INT24 and signal.unit == "Boolean"
    )
    if stim:
        return Channel(signal.label, signal.label, "stim", signal.unit, UNKNOWN), 1.0
    return resolve(signal.label, signal.unit)


def _subject(file: EdfFile) -> Subject | None:
    """Who was recorded, from EDF+'s "code sex birthdate name" or EDF's free text; "X" and blanks mean unknown."""
    parts = file.patient.split()
    sex, age = None, None
    if len(parts) >= 4 and parts[1] in ("F", "M", "X"):
        sex, age = parse_sex(parts[1]), _years(parts[2], file.recorded)
        parts = [parts[0], *parts[3:]]
    subject_id = patient_id(parts)
    return Subject(subject_id, age, sex) if subject_id or sex or age is not None else None


def patient_id(words: Sequence[str]) -> str:
    """The words that say something: "X" and blanks stand for what was left out."""
    return " ".join(word for word in words if word.strip("X,_"))


def _years(birth: str, recorded: str) -> float | None:
    """Age in whole years at EDF+'s "Startdate dd-MMM-yyyy"; None where one of the dates is not given."""
    born, start = _DATE.fullmatch(birth), _DATE.match(recorded.removeprefix("Startdate "))
    if born is None or start is None:
        return None
    (d0, m0, y0), (d1, m1, y1) = ((int(date[1]), _MONTHS.index(date[2]), int(date[3])) for date in (born, start))
    age = y1 - y0 - ((m1, d1) < (m0, d0))
    return float(age) if 0 <= age <= 130 else None
