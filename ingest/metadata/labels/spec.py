"""Meaning of the columns of label tables: the file of ``--labels-spec``, as typed dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from biosig.errors import UsageError
from ingest.demographics import AgeUnit
from ingest.metadata.labels.typed_table import MISSING, CellType


@dataclass(frozen=True)
class CodeMap:
    """A label derived from codes: each code that a table knows, replaced by its name in the table, each name once.

    Parameters
    ----------
    label : str
        The new label; a list.
    column : str
        Source of the codes: a column of the label table, or a label that the recording has from its file.
    value : str
        Column of the code table with the names; a code whose cell is empty gives none.
    table : str or None
        The code table: one of --labels, or a path from the label table's folder; None = the label table itself.
    key : str or None
        Its column of codes; None = its first.
    where : str or None
        Only rows in which this column is neither empty nor 0 nor false.
    """

    label: str
    column: str
    value: str
    table: str | None = None
    key: str | None = None
    where: str | None = None


@dataclass(frozen=True)
class EventColumns:
    """The columns of a table in which each row is an event or an interval of a recording.

    Parameters
    ----------
    onset : str
        Time at which it begins, from the recording's start.
    label : tuple of str
        Name of the event; the cells of several columns are joined by "/".
    duration, end : str or None
        Its length, or the time at which it ends; without either, or where the cell is empty, it is a moment.
    unit : {"s", "ms", "samples"}
        Of these three columns.
    sfreq : float or None
        Samples per second; None = the recording's own rate, if it has but one.
    """

    onset: str
    label: tuple[str, ...]
    duration: str | None = None
    end: str | None = None
    unit: Literal["s", "ms", "samples"] = "s"
    sfreq: float | None = None

    def __post_init__(self) -> None:
        if self.duration and self.end:
            raise UsageError(f"events names both duration '{self.duration}' and end '{self.end}': name one of them.")
        if not self.label:
            raise UsageError("events.label names no column: name the one that says what each event is.")


@dataclass(frozen=True)
class LabelSpec:
    """Meaning of the columns of a label table.

    With `id_columns` each row is about one recording. Without them, and with `subject_column`, each row is about one
    subject (and one sitting, with `session_column`) and goes to all of its recordings, whose own facts stay.
    With neither, the table only serves `maps`.

    Parameters
    ----------
    id_columns : tuple of str
        Columns that name the recording, by its file's name or by the end of its path, with or without extension.
    subject_column, session_column, age_column, sex_column, report_column : str or None
        Columns of the subject's id, the sitting, age, sex and free text. A column named "age" or "sex" is
        taken as that unless it is named here as something else, or no cell of it can be understood.
    age_unit : {"years", "months", "weeks", "days"}
        Of ages that stand without one.
    sex_codes : dict
        Cell → "female" or "male", where the cells do not say it themselves.
    label_columns : tuple of str or None
        Columns to keep as labels, to the letter, beside those in `types`; None = all the others, but for dates and
        for columns whose name sounds like a date, a time or a name.
    types : dict
        Column → "bool", "number", "text" or "codes" (a list); a cell of another type is an error. A column that
        is not here has the type that a Parquet file states, else the narrowest of bool, number and text that fits all.
        A column of type "text" here is free text, and goes through the scrubber like a report.
    decimal : {".", ","} or None
        The decimal mark of numbers; the other mark, spaces and apostrophes then part thousands. None = as the table
        shows: commas where its cells are separated by semicolons or tabs and a column of numbers has some.
    missing : tuple of str
        Cells that mean that nothing is known; they give no label.
    maps : tuple of CodeMap
        Labels derived from codes.
    events : EventColumns or None
        Set where each row is an event; rows then give annotations and no labels.
    """

    id_columns: tuple[str, ...] = ()
    subject_column: str | None = None
    session_column: str | None = None
    age_column: str | None = None
    sex_column: str | None = None
    age_unit: AgeUnit = "years"
    sex_codes: dict[str, str] = field(default_factory=dict)
    report_column: str | None = None
    label_columns: tuple[str, ...] | None = None
    types: dict[str, CellType] = field(default_factory=dict)
    decimal: Literal[".", ","] | None = None
    missing: tuple[str, ...] = MISSING
    maps: tuple[CodeMap, ...] = ()
    events: EventColumns | None = None

    def named(self) -> list[str]:
        """The columns that must be there."""
        columns: list[str | None] = [*self.id_columns, *(self.label_columns or ()), *self.types]
        columns += [self.subject_column, self.session_column, self.age_column, self.sex_column, self.report_column]
        if self.events:
            columns += [self.events.onset, *self.events.label, self.events.duration, self.events.end]
        return [column for column in columns if column]


@dataclass(frozen=True)
class LabelSpecs(LabelSpec):
    """Spec of all tables, but for those that `tables` describes on their own, by their file names."""

    tables: dict[str, LabelSpec] = field(default_factory=dict)
