"""Which column of a table is which channel: the mapping file, as typed dataclasses.

A mapping describes one family of tables: the file with signals that stands for a recording, and the files beside it
(slower signals, events, a text about the subject). ``{record}`` in a file name is what `record` captured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biosig.config import load
from biosig.errors import UsageError
from biosig.recording import KINDS

BESIDE = "biosig.yaml"
"""A mapping under this name describes the tables in its own folder."""


@dataclass(frozen=True)
class Column:
    """One signal: its `name` (default the column's own), `kind` (default guessed from the name) and `unit`."""

    name: str | None = None
    kind: str | None = None
    unit: str = ""


@dataclass(frozen=True)
class SignalTable:
    """A table with one signal per column and one time per row.

    Parameters
    ----------
    columns : dict
        Column header (without surrounding blanks) → `Column`; a file needs to have at least one of them.
    file : str or None
        The file's name, e.g. ``{record}_Numerics.csv`` (a ``.gz`` of it will do); None = the recording's own file.
    sfreq : float or None
        Rows per second; None = from the `time` column.
    time : str or None
        Column of seconds, checked to be regular. One of `sfreq` and `time` is needed.
    ignore : tuple of str
        Columns that are left out on purpose; any other that `columns` does not name is an error.
    """

    columns: dict[str, Column]
    file: str | None = None
    sfreq: float | None = None
    time: str | None = None
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sfreq is None and self.time is None:
            raise UsageError(
                "A table of signals needs sfreq (Hz) or time (the column of seconds): add one to the mapping."
            )
        if self.sfreq is not None and not self.sfreq > 0:
            raise UsageError(f"sfreq is {self.sfreq:g}; it must be a positive number of Hz.")
        for name, column in self.columns.items():
            if column.kind is not None and column.kind not in KINDS:
                raise UsageError(f"Column '{name}' has kind '{column.kind}'; known kinds are {', '.join(KINDS)}.")


@dataclass(frozen=True)
class EventTable:
    """A table of moments: column header → annotation label; cells are seconds, or samples where `sfreq` is given."""

    file: str
    columns: dict[str, str]
    sfreq: float | None = None
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubjectText:
    """A text file about the subject; group 1 of each pattern is the value."""

    file: str
    id: str | None = None
    age: str | None = None
    sex: str | None = None


@dataclass(frozen=True)
class TableMapping:
    """How to read one family of tables.

    Parameters
    ----------
    record : str
        Regular expression over the whole name of the file that stands for a recording; group 1 is the recording's name.
    signals : list of SignalTable
        One stream each.
    events : list of EventTable
        Each gives annotations.
    subject : SubjectText or None
        Where the subject's id, age and sex are written.
    delimiter : str or None
        Default: tab for ``.tsv``, comma otherwise.
    missing : tuple of str
        Cells that mean "no value"; they become invalid samples.
    """

    record: str
    signals: list[SignalTable]
    events: list[EventTable] = field(default_factory=list)
    subject: SubjectText | None = None
    delimiter: str | None = None
    missing: tuple[str, ...] = ("", "NaN", "nan", "NA", "-")

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.record).groups
        except re.error as error:
            raise UsageError(f"record is '{self.record}', which is not a regular expression ({error}).") from None
        if groups < 1:
            raise UsageError(f"record is '{self.record}'; put parentheses around the recording's name in it.")
        if not self.signals:
            raise UsageError("The mapping lists no table of signals: describe at least one under signals.")


def load_mapping(source: str | Path | Mapping[str, Any] | TableMapping) -> TableMapping:
    """A mapping from a YAML file or a dict; one that is loaded already comes back as it is."""
    return source if isinstance(source, TableMapping) else load(TableMapping, source)


def mapping_beside(path: Path) -> TableMapping | None:
    """The mapping in ``biosig.yaml`` beside a table, or None."""
    beside = path.parent / BESIDE
    return load_mapping(beside) if beside.is_file() else None
