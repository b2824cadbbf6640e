"""A table in which each row is an event or an interval of a recording: rows become annotations, in order of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.annotations import in_range
from biosig.errors import DataError, UsageError
from biosig.recording import Annotation, Recording
from ingest.metadata.labels.row_index import IngestIndex, RowIndex, recording_keys
from ingest.metadata.labels.spec import EventColumns, LabelSpec
from ingest.metadata.labels.typed_table import TypedTable


class EventTable:
    """A table of many rows per recording.

    Parameters
    ----------
    path : Path
        CSV, TSV or Parquet.
    spec : LabelSpec
        With `id_columns` and `events`.

    Raises
    ------
    UsageError
        If a column that the spec names is not there.
    """

    left_out: tuple[str, ...] = ()
    gives: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()

    def __init__(self, path: Path, spec: LabelSpec) -> None:
        if spec.events is None or not spec.id_columns:
            raise UsageError(f"Events are of recordings: name the column of {path} that holds their names, id_columns.")
        self.path, self.spec, self._events = path, spec, spec.events
        self._cells = TypedTable(path, spec.missing)
        self._cells.require(spec.named())
        numbers = {self._events.onset, self._events.duration, self._events.end}
        self.remarks = self._cells.read_marks(spec.decimal, set(self._cells.columns) - numbers)
        self._index = RowIndex(recording_keys(self._cells, spec.id_columns))
        self._cells.keep(spec.named())

    def __len__(self) -> int:
        return len(self._cells)

    def names_of(self, row: int) -> str:
        """A row's name for its recording, for messages."""
        return next(filter(None, (self._cells.text(row, column) for column in self.spec.id_columns)), "")

    def knows(self, path: Path) -> bool:
        """True if a row names this file."""
        return len(self._index.find_path(path)) > 0

    def matched(self, found: IngestIndex) -> NDArray[np.bool_]:
        """True for rows that name one of the files found."""
        return self._index.marked(len(self), found.paths)

    def add(self, recording: Recording, path: Path) -> Recording | None:
        """The recording with its rows as annotations, or None if there are none."""
        rows = self._index.find_path(path).tolist()
        return with_events(recording, self._cells, rows, self._events) if rows else None


def with_events(recording: Recording, cells: TypedTable, rows: Iterable[int], columns: EventColumns) -> Recording:
    """The recording with rows of a table as annotations besides those that it has, in order of time.

    Rows without onset or label, and those that lie outside the recording, are left out; those that go on beyond its
    end are cut there. Notes say how many.

    Raises
    ------
    DataError
        If a time is not a number, an event ends before it begins, or samples are to be counted at several rates.
    """
    factor = _seconds_per_unit(recording, cells.path, columns)
    events: list[Annotation] = []
    n_blank = 0
    for row in rows:
        onset = cells.value(row, columns.onset, "number")
        label = "/".join(filter(None, (cells.text(row, column) for column in columns.label)))
        if onset is None or not label:
            n_blank += 1
            continue
        events.append(Annotation(onset * factor, _duration(cells, row, columns, onset) * factor, label))
    events, notes = in_range(events, recording.duration)
    if n_blank:
        notes.append(f"{n_blank} rows of the table of events have no onset or no label: left out.")
    annotations = sorted(dict.fromkeys((*recording.annotations, *events)), key=lambda event: event.onset)
    return replace(recording, annotations=annotations, notes=(*recording.notes, *notes))


def _duration(cells: TypedTable, row: int, columns: EventColumns, onset: float) -> float:
    """The row's duration in the table's unit; 0 where the cell holds no value."""
    column = columns.duration or columns.end
    value: Any = cells.value(row, column, "number") if column else None
    if value is None:
        return 0.0
    duration = value - onset if columns.end else value
    if duration < 0:
        cells.refuse(row, str(column), "an end after the onset" if columns.end else "a duration of 0 or more")
    return float(duration)


def _seconds_per_unit(recording: Recording, path: Path, columns: EventColumns) -> float:
    if columns.unit != "samples":
        return {"s": 1.0, "ms": 1e-3}[columns.unit]
    rates = {stream.sfreq for stream in recording.streams}
    if columns.sfreq is None and len(rates) > 1:
        raise DataError(
            f"{path} counts samples of recording '{recording.id}', which has rates of "
            f"{', '.join(f'{rate:g}' for rate in sorted(rates))} Hz: say which with events.sfreq in --labels-spec."
        )
    return 1.0 / (columns.sfreq or rates.pop())
