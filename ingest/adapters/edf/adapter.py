"""EDF, EDF+ and BDF files as recordings: their own integers, each sampling rate a stream of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from biosig.electrodes import guess_kinds
from biosig.electrodes.channels import resolve_channel
from biosig.reading import NEVER, Adapter, Identifier, make_recording
from biosig.recording import UNKNOWN, Annotation, Channel, Recording, Stream, Subject
from ingest.adapters.edf.header import INT24, EdfFile, EdfSignal, open_edf
from ingest.adapters.edf.records import EdfSamples, Run, read_annotations, runs_of
from ingest.demographics import notes_on_unread, parse_sex
from ingest.metadata.bids.sidecars import apply_bids_sidecars

_SUBJECT = "id and name become one keyed hash"
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DATE = re.compile(rf"(\d\d)-({'|'.join(_MONTHS)})-(\d{{4}})")


class EdfAdapter(Adapter):
    """Reads EDF, EDF+, BDF and BDF+ files, continuous or not."""

    name = "edf"
    describes = "EDF and BDF (.edf, .bdf)"
    suffixes = (".edf", ".bdf")

    def read_recording(self, path: Path, *, lazy: bool) -> Recording:
        """Read one recording.

        Samples that no data record of a discontinuous file holds are invalid. Where the file has no annotations, the
        values of its trigger channels become some.

        Raises
        ------
        UnreadableError
            If the file is damaged, cut short or incomplete; the sentence names the file and the remedy.
        """
        file = open_edf(path)
        events, starts = read_annotations(file)
        runs, notes = runs_of(file, starts)
        subject, unread = _subject(file)
        notes = [*notes, *unread]
        recording = to_recording(file, self.name, events, runs, notes, subject, lazy)
        return apply_bids_sidecars(recording, path)

    def identifiers(self, path: Path) -> Iterator[Identifier]:
        """Fields of the header that tell who was recorded, when and with which device."""
        file = open_edf(path)
        parts = file.patient.split()
        if len(parts) >= 4 and parts[1] in ("F", "M", "X"):
            fields = (
                ("code", "subject id", parts[0], _SUBJECT),
                ("birth date", "birth date", parts[2], "becomes an age"),
            )
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
    streams = _streams(file, runs, lazy)
    notes = (*file.notes, *notes)
    return make_recording(file.path, adapter, streams, subject=subject, annotations=events or None, notes=notes)


def _streams(file: EdfFile, runs: Sequence[Run], lazy: bool) -> list[Stream]:
    """One stream per sampling rate and type of number, in the order of the file."""
    signals = [s for s in file.signals if not s.is_annotations and s.n_samples]
    kinds = guess_kinds([s.label for s in signals], [s.unit for s in signals])
    resolved = [_resolve(s, kind) for s, kind in zip(signals, kinds, strict=True)]
    streams = []
    for n, number in dict.fromkeys((s.n_samples, s.number) for s in signals):
        rows = [i for i, s in enumerate(signals) if (s.n_samples, s.number) == (n, number)]
        samples = EdfSamples(file, [signals[i] for i in rows], runs)
        streams.append(
            Stream(
                sfreq=n / file.record_duration,
                channels=tuple(resolved[i][0] for i in rows),
                samples=samples if lazy else samples.read(0, samples.shape[1]),
                scale=np.array([signals[i].scale * resolved[i][1] for i in rows]),
                offset=np.array([signals[i].offset * resolved[i][1] for i in rows]),
                invalid=samples.gaps,
            )
        )
    return streams


def _resolve(signal: EdfSignal, kind: str) -> tuple[Channel, float]:
    stim = signal.label.upper() in ("STATUS", "STI 014", "TRIGGER") or (
        signal.number == INT24 and signal.unit == "Boolean"
    )
    if stim:
        return Channel(signal.label, signal.label, "stim", signal.unit, UNKNOWN), 1.0
    return resolve_channel(signal.label, signal.unit, kind)


def _subject(file: EdfFile) -> tuple[Subject | None, list[str]]:
    """Subject from EDF+'s "code sex birthdate name" or EDF's free text; "X" and blanks mean unknown.

    The second value holds notes on a birth date that gives no age.
    """
    parts, notes = file.patient.split(), []
    sex, age = None, None
    if len(parts) >= 4 and parts[1] in ("F", "M", "X"):
        sex, age = parse_sex(parts[1]), _years(parts[2], file.recorded)
        if age is None and _recorded_on(file.recorded):
            notes = notes_on_unread((parts[2].strip("X"), age))
        parts = [parts[0], *parts[3:]]
    subject_id = patient_id(parts)
    return Subject(subject_id, age, sex) if subject_id or sex or age is not None else None, notes


def patient_id(words: Sequence[str]) -> str:
    """The known words of a patient's id: "X" and blanks stand for those left out."""
    return " ".join(word for word in words if word.strip("X,_"))


def _recorded_on(recorded: str) -> re.Match[str] | None:
    """EDF+'s "Startdate dd-MMM-yyyy"."""
    return _DATE.match(recorded.removeprefix("Startdate "))


def _years(birth: str, recorded: str) -> float | None:
    """Age in whole years on the day of the recording; None where one of the dates is not given."""
    born, start = _DATE.fullmatch(birth), _recorded_on(recorded)
    if born is None or start is None:
        return None
    (d0, m0, y0), (d1, m1, y1) = ((int(date[1]), _MONTHS.index(date[2]), int(date[3])) for date in (born, start))
    age = y1 - y0 - ((m1, d1) < (m0, d0))
    return float(age) if 0 <= age <= 130 else None
