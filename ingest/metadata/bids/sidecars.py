"""Sidecars of a BIDS set, added to a recording: subject, session and task, channels, electrodes, events.

The TSV and JSON files are read here, and not by MNE-BIDS, as that reads the samples too, through MNE: integers, rates
per channel and samples that stay in their file would be lost, and one odd sidecar would cost the recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from biosig.annotations import mark_bad_spans
from biosig.electrodes.channels import deduplicate_names, notes_on, resolve_channel
from biosig.recording import Channel, Position, Recording, Stream, Subject
from ingest.demographics import parse_sex
from ingest.metadata.bids.electrodes import electrodes
from ingest.metadata.bids.files import BidsFile, bids_file, read_json
from ingest.metadata.labels.events import with_events
from ingest.metadata.labels.spec import EventColumns, LabelSpec
from ingest.metadata.labels.table import SubjectTable
from ingest.metadata.labels.typed_table import TypedTable

T = TypeVar("T")

_KINDS = {
    "EEG": "eeg", "EOG": "eog", "VEOG": "eog", "HEOG": "eog", "ECG": "ecg", "EMG": "emg", "RESP": "resp",
    "PPG": "ppg", "TEMP": "temp", "TRIG": "stim", "REF": "ref", "ACCEL": "acc",
}  # fmt: skip
"""Types of channels.tsv; all others (MISC, GSR, PUPIL, AUDIO, SEEG …) are misc here."""


def apply_bids_sidecars(recording: Recording, path: Path) -> Recording:
    """The recording with the facts of its BIDS set; unchanged where `path` does not lie in a BIDS set.

    From the file's name come the subject ("sub-01"), the session, and labels (task, run, …); from ``participants.tsv``
    and ``sessions.tsv`` age, sex and labels; from ``channels.tsv`` kinds, units that the file does not give, and bad
    channels, which become invalid throughout; from ``electrodes.tsv`` measured positions; from ``events.tsv``
    annotations "trial_type/value", besides those of the file. The set wins over the file. `content_hash` stays that
    of the file's samples.

    Parameters
    ----------
    recording : Recording
        As its adapter read it.
    path : Path
        Its file.

    Raises
    ------
    DataError, UsageError
        If one of these tables cannot be read or understood; the sentence names it.
    """
    file = bids_file(path)
    if file is None:
        return recording
    recording = _with_channels(recording, file)
    recording = _with_events(recording, file)
    return _with_subject(recording, file)


def _with_subject(recording: Recording, file: BidsFile) -> Recording:
    subject, session = f"sub-{file.entities['sub']}", file.entities.get("ses")
    entities = {key: value for key, value in file.entities.items() if key not in ("sub", "ses", "split")}
    old = recording.subject or Subject("")
    recording = replace(recording, subject=Subject(subject), session=session, labels={**recording.labels, **entities})
    tables = [(file.root / "participants.tsv", "participant_id", subject)]
    if session is not None:
        tables.insert(0, (file.root / subject / f"{subject}_sessions.tsv", "session_id", f"ses-{session}"))
    for path, column, key in tables:
        if not path.is_file():
            continue
        table = _table(path, column, _changes(path, path.with_suffix(".json")))
        row = table.row_of_subject(key)
        notes = [] if row is not None else [f"The set's {column.partition('_')[0]}s table has no row for it."]
        if table.left_out:
            notes.append(f"Not kept as labels, for privacy: {', '.join(table.left_out)}.")
        recording = recording if row is None else table.join(recording, row)
        recording = replace(recording, notes=(*recording.notes, *notes))
    new = recording.subject or Subject(subject)
    age = old.age if new.age is None else new.age
    return replace(recording, subject=Subject(subject, age, new.sex or old.sex))


def _changes(*paths: Path) -> tuple[int, ...]:
    """Times of the last change of files; a table is read again after a change."""
    return tuple(path.stat().st_mtime_ns for path in paths if path.is_file())


@lru_cache(maxsize=64)
def _table(path: Path, column: str, _changed: tuple[int, ...]) -> SubjectTable:
    meaning = read_json(path.with_suffix(".json"))
    described = {name: meaning[name] for name in ("age", "sex") if isinstance(meaning.get(name), dict)}
    levels = described.get("sex", {}).get("Levels")
    codes = {str(code): parse_sex(name) for code, name in levels.items()} if isinstance(levels, dict) else {}
    unit = str(described.get("age", {}).get("Units", "years")).lower()
    return SubjectTable(
        path,
        LabelSpec(
            subject_column=column,
            sex_codes={code: sex for code, sex in codes.items() if sex},
            age_unit=unit if unit in ("months", "weeks", "days") else "years",  # type: ignore[arg-type]
        ),
    )


def _with_channels(recording: Recording, file: BidsFile) -> Recording:
    found = file.sidecars("_channels.tsv")
    described = _described(found[0]) if found else {}
    places, notes = electrodes(file)
    old = recording.channels
    streams, bad, n_undescribed = [], [], 0
    for stream in recording.streams:
        rows = [_of(channel, described) for channel in stream.channels]
        resolved = [_channel(c, row or {}, _of(c, places)) for c, row in zip(stream.channels, rows, strict=True)]
        factor = np.array([factor for _, factor in resolved])
        stream = replace(
            stream,
            channels=tuple(channel for channel, _ in resolved),
            scale=stream.scale * factor,
            offset=stream.offset * factor,
        )
        dead = [i for i, row in enumerate(rows) if row and row.get("status", "").lower() == "bad"]
        bad += [stream.channels[i].source_name for i in dead]
        n_undescribed += rows.count(None)
        streams.append(_without(stream, dead))
    channels, renamed = deduplicate_names([channel for stream in streams for channel in stream.channels])
    for i, stream in enumerate(streams):
        streams[i] = replace(stream, channels=tuple(channels[: stream.n_chans]))
        channels = channels[stream.n_chans :]
    n_unmatched = len(described) - len(old) + n_undescribed
    if n_unmatched > 0:
        notes.append(f"{n_unmatched} rows of the set's table of channels name no channel of the file.")
    if described and n_undescribed:
        notes.append(f"{n_undescribed} channels are not in the set's table of channels: kept as the file has them.")
    if bad:
        notes.append(f"Marked bad in the set's table of channels, so invalid throughout: {', '.join(bad)}.")
    kept = [note for note in recording.notes if note not in notes_on(old)]
    recording = replace(recording, streams=streams)
    return replace(recording, notes=(*kept, *renamed, *notes, *notes_on(recording.channels)))


def _described(path: Path) -> dict[str, dict[str, str]]:
    """Rows of channels.tsv by the channels' names."""
    cells = TypedTable(path, may_be_empty=True)
    cells.require(("name", "type", "units"))
    columns = [column for column in ("type", "units", "status") if column in cells.columns]
    return {
        name.casefold(): {column: cells.text(row, column) for column in columns}
        for row, name in enumerate(cells.texts("name"))
    }


def _of(channel: Channel, table: Mapping[str, T]) -> T | None:
    """A table's entry for a channel, under its name in the file or its canonical one, in any case."""
    entry = table.get(channel.source_name.strip().casefold())
    return table.get(channel.name.casefold()) if entry is None else entry


def _channel(channel: Channel, row: Mapping[str, str], place: Position | None) -> tuple[Channel, float]:
    """A channel as the set's tables describe it, and the factor that its numbers must be multiplied by."""
    type_ = row.get("type", "").upper()
    kind = _KINDS.get(type_, "misc") if type_ else channel.kind
    unit = channel.unit or row.get("units", "")
    measured = channel.position if channel.position_source == "measured" else None
    place = (place or measured) if kind == "eeg" else None
    if (kind, unit, place) == (channel.kind, channel.unit, measured):
        return channel, 1.0
    return resolve_channel(channel.source_name, unit, kind=kind, position=place)


def _without(stream: Stream, rows: list[int]) -> Stream:
    """The stream with whole channels invalid."""
    runs = [run for run in stream.invalid.tolist() if run[0] not in rows] + [(row, 0, stream.n_times) for row in rows]
    return replace(stream, invalid=np.array(sorted(runs), np.int64).reshape(-1, 3)) if rows else stream


def _with_events(recording: Recording, file: BidsFile) -> Recording:
    found = file.sidecars("_events.tsv")
    if not found:
        return recording
    cells = TypedTable(found[0], may_be_empty=True)
    cells.require(("onset", "duration"))
    labels = tuple(name for name in ("trial_type", "value") if name in cells.columns)
    if not labels:
        note = "The set's table of events has neither trial_type nor value: not read."
        return replace(recording, notes=(*recording.notes, note))
    others = [name for name in cells.columns if name not in ("onset", "duration", *labels)]
    notes = [f"Not read of the set's table of events: {', '.join(others)}."] if others else []
    columns = EventColumns("onset", labels, "duration")
    alone = replace(recording, annotations=[], notes=())
    marked = mark_bad_spans(with_events(alone, cells, range(len(cells)), columns))
    annotations = sorted(dict.fromkeys((*recording.annotations, *marked.annotations)), key=lambda event: event.onset)
    return replace(marked, annotations=annotations, notes=(*recording.notes, *marked.notes, *notes))
