"""A table of labels joined to recordings: one row per recording, or one per subject."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.recording import Recording, Subject
from ingest.demographics import note_on_age, parse_age, parse_sex
from ingest.metadata.labels.codes import CodeNames
from ingest.metadata.labels.row_index import IngestIndex, RowIndex, recording_keys
from ingest.metadata.labels.spec import LabelSpec
from ingest.metadata.labels.typed_table import CellType, TypedTable
from ingest.privacy.private_keys import is_private_key


@dataclass(frozen=True, slots=True)
class _Facts:
    """Facts of one source about a recording."""

    subject: Subject
    session: str | None
    report: str | None
    labels: dict[str, Any]


class LabelTable:
    """A table with one row per recording; it wins over the recording's file.

    Parameters
    ----------
    path : Path
        CSV, TSV or Parquet.
    spec : LabelSpec
        Meaning of its columns.

    Raises
    ------
    UsageError
        If a column that the spec names is not there.
    DataError
        If two rows name one recording, or a cell cannot be understood.
    """

    wins = True

    def __init__(self, path: Path, spec: LabelSpec) -> None:
        self.path = path
        self._cells = cells = TypedTable(path, spec.missing)
        cells.require([*spec.named(), *(wanted.column for wanted in spec.maps)])
        apart = (*spec.id_columns, spec.subject_column, spec.session_column, spec.report_column)
        self.remarks = cells.read_marks(spec.decimal, apart)
        self.spec = spec = _with_age_and_sex(cells, spec)
        self._index = RowIndex(self._keys())
        repeated = self._index.first_repeated()
        if repeated:
            first, second = (row + 1 if cells.is_typed else row + 2 for row in repeated)
            raise DataError(
                f"{path} has two rows for {self._what} '{self.names_of(repeated[0])}' (rows {first} and {second}): "
                "keep one, or if each row is an event, say so in --labels-spec (events)."
            )
        self._types, self.left_out = _choose_labels(cells, spec)
        self._maps = [CodeNames(wanted, path) for wanted in spec.maps]
        self.gives = frozenset((*self._types, *(wanted.label for wanted in spec.maps)))
        asked = {*(spec.label_columns or ()), *spec.types, *(wanted.label for wanted in spec.maps)}
        self.asked = frozenset(name for name in asked if spec.types.get(name) != "text")
        cells.keep([*spec.named(), *self._types, *(wanted.column for wanted in spec.maps)])

    _what = "the recording"

    def _keys(self) -> Iterator[tuple[str, int]]:
        return recording_keys(self._cells, self.spec.id_columns)

    def __len__(self) -> int:
        return len(self._cells)

    def row_of(self, path: Path) -> int | None:
        """The row that names this file: by its whole path, else by ever shorter ends of it, else None."""
        rows = self._index.find_path(path)
        return int(rows[0]) if len(rows) else None

    def names_of(self, row: int) -> str:
        """A row's name for its recording or subject, for messages."""
        columns: tuple[str | None, ...] = self.spec.id_columns or (self.spec.subject_column,)
        return next(filter(None, (self._cells.text(row, column) for column in columns)), "")

    def knows(self, path: Path) -> bool:
        """True if a row names this file."""
        return self.row_of(path) is not None

    def matched(self, found: IngestIndex) -> NDArray[np.bool_]:
        """True for rows that name one of the files found."""
        return self._index.marked(len(self), found.paths)

    def add(self, recording: Recording, path: Path) -> Recording | None:
        """The recording with the table's facts about it, or None if it has no row."""
        row = self.row_of(path)
        return None if row is None else self.join(recording, row)

    def join(self, recording: Recording, row: int) -> Recording:
        """The recording with the facts of one row."""
        known = _Facts(recording.subject or Subject(""), recording.session, recording.report, recording.labels)
        stated, notes = self._facts(row)
        first, second = (stated, known) if self.wins else (known, stated)
        subject = Subject(
            first.subject.id or second.subject.id,
            second.subject.age if first.subject.age is None else first.subject.age,
            first.subject.sex or second.subject.sex,
        )
        return replace(
            recording,
            subject=None if subject == Subject("") else subject,
            session=first.session or second.session,
            report=first.report or second.report,
            labels={**second.labels, **first.labels},
            notes=(*recording.notes, *notes),
        )

    def _facts(self, row: int) -> tuple[_Facts, list[str]]:
        """Facts of a row, and notes on cells that could not be understood, without quoting them: they may be dates."""
        cells, spec = self._cells, self.spec
        age, sex = cells.text(row, spec.age_column), cells.text(row, spec.sex_column)
        subject = Subject(
            cells.text(row, spec.subject_column),
            parse_age(age, spec.age_unit),
            spec.sex_codes.get(sex) or parse_sex(sex),
        )
        notes = note_on_age(age)
        if age and subject.age is None:
            notes.append("The label table's age is not a number of years, months, weeks or days: left out.")
        if sex and subject.sex is None:
            notes.append("The label table's sex is neither female nor male: left out.")
        labels = {column: cells.value(row, column, type_) for column, type_ in self._types.items()}
        for names in self._maps:
            codes = cells.value(row, names.wanted.column, "codes")
            labels[names.wanted.label] = None if codes is None else names(codes)
        labels = {name: value for name, value in labels.items() if value is not None}
        session = cells.text(row, spec.session_column) or None
        return _Facts(subject, session, cells.text(row, spec.report_column) or None, labels), notes


class SubjectTable(LabelTable):
    """A table with one row per subject, or per subject and sitting; facts that a recording has already stay."""

    wins = False
    _what = "the subject"

    def _keys(self) -> Iterator[tuple[str, int]]:
        cells, spec = self._cells, self.spec
        return (
            (_sitting(cells.text(row, spec.subject_column), cells.text(row, spec.session_column)), row)
            for row in range(len(cells))
        )

    def row_of_subject(self, subject: str, session: str | None = None) -> int | None:
        """The row of a subject, or of one of its sittings where the table tells them apart; None if there is none."""
        rows = self._index.find(_sitting(subject, (session or "") if self.spec.session_column else ""))
        return int(rows[0]) if len(rows) else None

    def names_of(self, row: int) -> str:
        """The subject of a row and its sitting, for messages."""
        cells, spec = self._cells, self.spec
        columns = (spec.subject_column, spec.session_column)
        return ", session ".join(filter(None, (cells.text(row, column) for column in columns)))

    def matched(self, found: IngestIndex) -> NDArray[np.bool_]:
        """True for rows about a subject, or a sitting, of which a recording was stored."""
        by_sitting = self.spec.session_column is not None
        known = {(subject, (session or "") if by_sitting else "") for subject, session in found.sittings}

        def is_known(row: int) -> bool:
            subject = found.pseudonym("subject", self._cells.text(row, self.spec.subject_column))
            session = self._cells.text(row, self.spec.session_column)
            return (subject, session) in known or (subject, found.pseudonym("session", session)) in known

        return np.array([is_known(row) for row in range(len(self))], bool)

    def add(self, recording: Recording, path: Path) -> Recording | None:  # noqa: ARG002
        """The recording with the table's facts about its subject, or None if it has no row."""
        row = self.row_of_subject(recording.subject.id if recording.subject else "", recording.session)
        return None if row is None else self.join(recording, row)


def _sitting(subject: str, session: str) -> str:
    return f"{subject}\0{session}" if subject else ""


def _with_age_and_sex(cells: TypedTable, spec: LabelSpec) -> LabelSpec:
    """The spec with the columns of age and sex found by name.

    As labels they would hide behind the index columns of the same name, and queries would find nothing.
    """
    named = set(spec.named())
    for column in [name for name in cells.columns if name not in named]:
        if (
            column.lower() == "age"
            and not spec.age_column
            and any(parse_age(cell) is not None for cell in cells.texts(column))
        ):
            spec = replace(spec, age_column=column)
        if (
            column.lower() == "sex"
            and not spec.sex_column
            and any(cell in spec.sex_codes or parse_sex(cell) for cell in cells.texts(column))
        ):
            spec = replace(spec, sex_column=column)
    return spec


def _choose_labels(cells: TypedTable, spec: LabelSpec) -> tuple[dict[str, CellType], tuple[str, ...]]:
    """The columns that become labels with their types, and those that do not as they sound private."""
    special = {*spec.id_columns, spec.subject_column, spec.session_column, spec.age_column, spec.sex_column}
    special.add(spec.report_column)
    left_out: tuple[str, ...] = ()
    if spec.label_columns is not None:
        chosen = [*spec.label_columns, *(column for column in spec.types if column not in spec.label_columns)]
    else:
        others = [column for column in cells.columns if column not in special]
        private = [c for c in others if c not in spec.types and (is_private_key(c) or cells.holds_times(c))]
        chosen, left_out = [c for c in others if c not in private], tuple(private)
    return {column: spec.types.get(column) or cells.guess_type(column) for column in chosen}, left_out
