"""Facts that a mapping finds beside the signals: events, labels, and the subject."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError, UsageError
from biosig.recording import Annotation, Subject
from ingest.adapters.tables.array_files import (
    format_of,
    is_text,
    numbers,
    open_arrays,
    small,
    stamp_of,
    texts,
    times_of,
)
from ingest.adapters.tables.head import find
from ingest.adapters.tables.layout import check_pattern
from ingest.adapters.tables.mapped_signals import beside, check_columns
from ingest.adapters.tables.mapping import EventTable, TableMapping
from ingest.adapters.tables.text_table import TextTable, head_of
from ingest.adapters.tables.timestamps import SECONDS
from ingest.demographics import note_on_age, notes_on_unread, parse_age, parse_sex

_MOST_TEXT = 2**26


def events_of(
    path: Path, events: EventTable, mapping: TableMapping, duration: float, origin: float, notes: list[str]
) -> list[Annotation]:
    """Annotations from one entry under ``events``.

    Parameters
    ----------
    path : Path
        Its file.
    events, mapping : EventTable, TableMapping
        The entry, and the mapping that it is of.
    duration : float
        The recording's length in seconds; events outside are left out, with a note.
    origin : float
        Seconds to subtract from times in seconds: the clock's time at the recording's start.
    notes : list of str
        Notes are appended to it.

    Raises
    ------
    UnreadableError
        If the file is damaged or does not fit the mapping.
    """
    unit = 1 / events.sfreq if events.sfreq else SECONDS[events.unit]
    origin = 0.0 if events.sfreq else origin
    if events.intervals is not None:
        lengths = _plain_numbers(path) * unit
        found = [
            (end - length, length, events.intervals) for end, length in zip(np.cumsum(lengths), lengths, strict=True)
        ]
    elif events.onset is not None:
        onsets, lengths, labels = _rows(path, events, mapping)
        found = list(zip(onsets * unit - origin, lengths * unit, labels, strict=True))
    else:
        found = [
            (onset * unit - origin, 0.0, label)
            for onsets, label in _onsets(path, events, mapping)
            for onset in onsets[~np.isnan(onsets)]
        ]
    annotations = []
    for onset, length, label in found:
        if 0 <= onset < duration and length >= 0 and label:
            annotations.append(Annotation(float(onset), float(min(length, duration - onset)), label))
    if left_out := len(found) - len(annotations):
        what = " or ".join(
            dict.fromkeys(f"'{label}'" for label in (*events.columns.values(), events.intervals) if label)
        )
        notes.append(f"{left_out} events{what and f' of {what}'} have no label or lie outside the signals: left out.")
    return annotations


def labels_of(path: Path, mapping: TableMapping, index: int) -> dict[str, Any]:
    """Labels from variables of the recording's own file: text or a number; with an axis ``record``, the one at `index`.

    Raises
    ------
    UnreadableError
        If a variable is absent or holds more than one value per recording.
    """
    found = {label: _own_value(path, mapping, index, name) for label, name in mapping.labels.items()}
    return {label: value for label, value in found.items() if value != ""}


def subject_of(
    path: Path, record: str, mapping: TableMapping, index: int, notes: list[str]
) -> tuple[Subject | None, Path | None]:
    """Subject, if the mapping says where it is written, and the text file that was read for it, if any."""
    spec = mapping.subject
    if spec is None:
        return None, None
    file = None if spec.file is None else beside(path, spec.file, record)
    if file is not None and file.stat().st_size > _MOST_TEXT:
        raise UnreadableError(f"{file} is too large for a text about a subject: correct subject in the mapping.")
    text = "" if file is None else file.read_text(encoding="utf-8", errors="replace")

    def find(where: str | None) -> str:
        if where is None:
            return ""
        if file is None:
            return str(_own_value(path, mapping, index, where))
        match = re.search(where, text)
        return match[1] or "" if match else ""

    age, sex = find(spec.age), find(spec.sex)
    subject = Subject(find(spec.id), parse_age(age), parse_sex(sex))
    notes += note_on_age(age) + notes_on_unread((age, subject.age), (sex, subject.sex))
    return (None if subject == Subject("") else subject), file


def _own_value(path: Path, mapping: TableMapping, index: int, name: str) -> Any:
    table = mapping.signals[0]
    if is_text(path, table) and table.file is None and not mapping.has_records:
        dialect = mapping.dialect_of(table)
        if not (dialect.skip or dialect.comment):
            raise UsageError(
                f"{path} has no lines before its table (skip, comment) in which to look for '{name}': use a "
                "table of labels."
            )
        check_pattern("A label of a text table", name)
        return find(name, head_of(path, dialect, stamp_of(path)))
    if (is_text(path, table) and table.array is None) or table.raw is not None or table.file is not None:
        raise UsageError(f"{path} is not a file of variables: '{name}' cannot be read from it; use a table of labels.")
    values = small(open_arrays(path, table, mapping.has_records, mapping), name).ravel()
    if mapping.has_records and len(values) > 1:
        values = values[index : index + 1]
    if len(values) != 1:
        raise UnreadableError(
            f"{path}: '{name}' holds {len(values)} values, where one was expected: correct the mapping."
        )
    value = values[0].item() if hasattr(values[0], "item") else values[0]
    return value.strip() if isinstance(value, str) else value


def _onsets(path: Path, events: EventTable, mapping: TableMapping) -> list[tuple[NDArray[np.float64], str]]:
    if format_of(path) in ("csv", "tsv"):
        times = dict.fromkeys(events.columns, events.unit)
        cells = TextTable(path, mapping.dialect, wanted=list(events.columns), times=times)
        names = check_columns(cells.names, {*events.columns, *events.ignore}, events.columns, path)
        return [(cells.numbers(name), events.columns[name]) for name in names]
    file = open_arrays(path)
    return [(times_of(file, name, events.unit), label) for name, label in events.columns.items()]


def _rows(
    path: Path, events: EventTable, mapping: TableMapping
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Onset, duration and label of each row."""
    onset, label = str(events.onset), str(events.label)
    wanted = [onset, *([events.duration] if events.duration else [])]
    if format_of(path) in ("csv", "tsv"):
        cells = TextTable(path, mapping.dialect, wanted=wanted, as_text=[label], times={onset: events.unit})
        check_columns(cells.names, {*wanted, label, *events.ignore}, {onset: None}, path)
        columns, labels = [cells.numbers(name) for name in wanted], cells.texts(label)
    else:
        file = open_arrays(path)
        columns = [times_of(file, onset, events.unit), *(numbers(file, name) for name in wanted[1:])]
        labels = texts(file, label)
    if {len(column) for column in columns} != {len(labels)}:
        raise UnreadableError(f"{path}: '{onset}' and '{label}' are not of one length: correct the mapping.")
    lengths = np.nan_to_num(columns[1]) if events.duration else np.zeros(len(labels))
    return columns[0], lengths, labels


def _plain_numbers(path: Path) -> NDArray[np.float64]:
    """A text of nothing but numbers, separated by blanks, commas or lines."""
    if path.stat().st_size > _MOST_TEXT:
        raise UnreadableError(f"{path} is too large for a text of intervals: correct events in the mapping.")
    words = path.read_text(encoding="utf-8-sig", errors="replace").replace(",", " ").replace(";", " ").split()
    try:
        return np.array([float(word) for word in words])
    except ValueError as error:
        raise UnreadableError(f"{path} is not a text of numbers ({error}): correct events in the mapping.") from None
