"""The mapping file, as typed dataclasses: it says which column or variable is which channel.

A mapping describes one family of files: the one with signals that stands for a recording, or for many, and the files
beside it (slower signals, events, a text about the subject). ``{record}`` in a file name is the text that `record`
captured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biosig.config import load
from biosig.errors import UsageError
from biosig.given import Given
from ingest.adapters.tables.layout import Dialect, check_pattern
from ingest.adapters.tables.shipped import SHIPPED
from ingest.adapters.tables.signal_table import SignalTable, TimeUnit

BESIDE = "biosig.yaml"
"""A mapping under this name describes the files in its own folder."""


@dataclass(frozen=True)
class EventTable:
    """Events, from a table or a file of variables.

    Parameters
    ----------
    file : str
        Its name; ``{record}`` as in `SignalTable`.
    columns : dict
        Column or variable of onsets → annotation label.
    onset, duration, label : str or None
        Or one event per row: the columns of its onset, its duration (default 0) and its label.
    intervals : str or None
        Or a text of nothing but intervals, each beginning where the one before ended and the first with the
        recording: the label of all of them.
    sfreq : float or None
        Where times are sample numbers: samples per second.
    unit : {"s", "ms", "us", "ns"}
        Unit of times that are neither sample numbers nor date-times.
    ignore : tuple of str
        Columns that are left out on purpose.
    """

    file: str
    columns: dict[str, str] = field(default_factory=dict)
    onset: str | None = None
    duration: str | None = None
    label: str | None = None
    intervals: str | None = None
    sfreq: float | None = None
    unit: TimeUnit = "s"
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.columns) + bool(self.onset) + bool(self.intervals) != 1 or bool(self.onset) != bool(self.label):
            raise UsageError(
                f"Events of {self.file} need columns (onsets → label), or onset and label (columns), or intervals."
            )


@dataclass(frozen=True)
class SubjectText:
    """Source of the subject's facts: a text file and patterns, group 1 of each being the value.

    Without `file`, the names of variables in the recording's own file, or patterns over the lines before its table.
    """

    file: str | None = None
    id: str | None = None
    age: str | None = None
    sex: str | None = None


@dataclass(frozen=True)
class RecordNames:
    """Names for the indices of an array's record axis: a `column` of the table `file`, or a variable of the array's."""

    column: str
    file: str | None = None


@dataclass(frozen=True)
class TableMapping:
    """Description of one family of files.

    Parameters
    ----------
    record : str
        Regular expression over the whole name of the file that stands for a recording, or over the end of its path
        where it contains a slash; group 1 is the recording's name.
    signals : list of SignalTable
        One stream each. Without `record` and signals, the mapping states facts alone.
    unit, rename, sfreq
        Facts that are stated of recordings in whatever format (`biosig.given.Given`).
    record_names : RecordNames or None
        For arrays with an axis ``record``; default their indices.
    events : list of EventTable
        Each gives annotations.
    subject : SubjectText or None
        Source of the subject's id, age and sex.
    labels : dict
        Label → the variable of the recording's own file that holds it, or a pattern over the lines before its table.
    delimiter : str or None
        Default: tab for ``.tsv``, comma otherwise.
    decimal : str
        The decimal sign of tables.
    missing : tuple of str
        Cells that mean "no value"; they become invalid samples, as do samples of arrays with one of the numbers here.
    also : list of TableMapping
        Further families of files, for collections that have several.
    source : str
        Source that describes the layout.
    """

    record: str = ""
    signals: list[SignalTable] = field(default_factory=list)
    record_names: RecordNames | None = None
    events: list[EventTable] = field(default_factory=list)
    subject: SubjectText | None = None
    labels: dict[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    decimal: str = "."
    missing: tuple[str, ...] = Dialect().missing
    also: list[TableMapping] = field(default_factory=list)
    source: str = ""
    unit: dict[str, str] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    sfreq: float | None = None

    def __post_init__(self) -> None:
        if self.given and not self.record and not self.signals:
            return
        if lacks := [repr(name) for name in ("record", "signals") if not getattr(self, name)]:
            raise UsageError(f"TableMapping lacks {', '.join(lacks)}: add {'them' if lacks[1:] else 'it'}.")
        check_pattern("record", self.record)
        if len({table.has_records for table in self.signals}) > 1 or (
            self.record_names is not None and not self.has_records
        ):
            raise UsageError("An axis 'record' must stand in the array of every entry under signals, or in none.")

    @property
    def given(self) -> Given:
        """Facts that it states of recordings, whatever their format."""
        return Given(self.unit, self.rename, self.sfreq)

    @property
    def has_records(self) -> bool:
        """True if one file holds several recordings."""
        return self.signals[0].has_records

    @property
    def dialect(self) -> Dialect:
        """Layout of its text tables."""
        return Dialect(self.delimiter, self.decimal, self.missing)

    def dialect_of(self, table: SignalTable) -> Dialect:
        """Layout of the text table of one entry under `signals`."""
        return Dialect(
            table.delimiter or self.delimiter,
            table.decimal or self.decimal,
            self.missing,
            False if table.header is None and table.names else table.header,
            table.names,
            table.skip,
            table.comment,
            table.ignore,
        )

    @property
    def aside(self) -> tuple[str, ...]:
        """Variables of a file of many recordings that tell their labels and names."""
        if not self.has_records:
            return ()
        own = self.record_names is not None and self.record_names.file is None
        subject = self.subject if self.subject is not None and self.subject.file is None else None
        of_subject = (subject.id, subject.age, subject.sex) if subject is not None else ()
        names = (self.record_names.column if own and self.record_names else None, *self.labels.values(), *of_subject)
        return tuple(name for name in names if name)

    def for_file(self, path: Path) -> TableMapping | None:
        """The family that `path` belongs to, or None."""
        if self.record_of(path) is not None:
            return self
        return next((found for other in self.also if (found := other.for_file(path))), None)

    def record_of(self, path: Path) -> str | None:
        """The name of the recording that `path` stands for in this family, or None if it is not of this family."""
        match = re.fullmatch(self.record, self._end_of(path)) if self.signals else None
        return None if match is None else match[1]

    def _end_of(self, path: Path) -> str:
        """The end of a path that `record` is matched with."""
        return "/".join(path.absolute().parts[-self.record.count("/") - 1 :])

    def check_matches(self, paths: Sequence[Path]) -> None:
        """Refuse the mapping where there are files and none belongs to a family of it."""
        if not paths or not self.signals or any(self.for_file(path) for path in paths):
            return
        tables = (path for path in paths if path.suffix.lower() in (".csv", ".tsv", ".parquet", ".gz"))
        example = self._end_of(next(tables, paths[0]))
        patterns = " or ".join(f"'{family.record}'" for family in (self, *self.also))
        raise UsageError(
            f"The mapping's record {patterns} matches none of the {len(paths)} files looked at, such as '{example}': "
            "correct it."
        )


def load_mapping(source: str | Path | Mapping[str, Any] | TableMapping) -> TableMapping:
    """A mapping from a YAML file, a shipped one by its name, or a dict; one that is loaded comes back as it is.

    Raises
    ------
    UsageError
        If there is no such file and no such name, or a key or value is wrong.
    """
    if isinstance(source, TableMapping):
        return source
    if isinstance(source, str | Path) and not Path(source).exists():
        if str(source) not in SHIPPED:
            raise UsageError(f"There is no mapping file {source}; mappings that ship are {', '.join(SHIPPED)}.")
        source = SHIPPED[str(source)]
    return load(TableMapping, source)


def mapping_beside(path: Path) -> TableMapping | None:
    """The mapping in ``biosig.yaml`` beside a file, or None."""
    beside = path.parent / BESIDE
    return load_mapping(beside) if beside.is_file() else None
