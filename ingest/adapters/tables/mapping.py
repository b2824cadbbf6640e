"""Which column or variable is which channel: the mapping file, as typed dataclasses.

A mapping describes one family of files: the one with signals that stands for a recording, or for many, and the files
beside it (slower signals, events, a text about the subject). ``{record}`` in a file name is what `record` captured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from biosig.config import load
from biosig.errors import UsageError
from biosig.given import Given
from biosig.recording import KINDS
from ingest.adapters.tables.layout import Dialect, Head, Header, check_pattern, matching, starred
from ingest.adapters.tables.shipped import SHIPPED

BESIDE = "biosig.yaml"
"""A mapping under this name describes the files in its own folder."""

Axis = Literal["record", "channel", "time"]
Format = Literal["csv", "tsv", "parquet", "npy", "npz", "mat", "h5"]
TimeUnit = Literal["s", "ms", "us", "ns"]


@dataclass(frozen=True)
class Column:
    """One signal: its `name` (default the column's own), `kind` (default guessed from the name) and `unit`.

    Its value in `unit` is the file's number * `scale` + `offset`. The name "*" is what a star in the column's name
    stands for.
    """

    name: str | None = None
    kind: str | None = None
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise UsageError(f"A column has kind '{self.kind}'; known kinds are {', '.join(KINDS)}.")
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale == 0:
            raise UsageError(
                f"A column has scale {self.scale:g} and offset {self.offset:g}: physical values need finite ones, and "
                "a scale that is not 0."
            )


@dataclass(frozen=True)
class ArraySpec:
    """An array that holds several channels.

    Parameters
    ----------
    axes : tuple of {"record", "channel", "time"}
        What each of its axes is, as NumPy and MATLAB show its shape; with ``record``, each index of that axis is a
        recording; without ``channel``, there is one. Axes of length 1 may be left out.
    channels : tuple of str, or str
        The channels' names, or the variable that holds them.
    name : str or None
        The variable: a key of an ``.npz``, a path in HDF5 (``eeg/data``), a field in MATLAB (``ECG.data``); None = the
        only array of the file.
    default : Column
        Kind, unit, scale and offset of every channel that `SignalTable.columns` does not describe.
    """

    axes: tuple[Axis, ...]
    channels: tuple[str, ...] | str
    name: str | None = None
    default: Column = field(default_factory=Column)

    def __post_init__(self) -> None:
        if "time" not in self.axes or len(set(self.axes)) < len(self.axes):
            raise UsageError(f"axes are {list(self.axes)}; name 'time', and each axis once.")
        if self.default.name is not None:
            raise UsageError("An array's default has a name, but holds for many channels: name these under channels.")


@dataclass(frozen=True)
class RawSpec:
    """A file of bare numbers: their NumPy `dtype` with its byte order ("<i2"), after `skip` bytes of header."""

    dtype: str
    skip: int = 0

    def __post_init__(self) -> None:
        try:
            is_number = np.dtype(self.dtype).kind in "iuf"
        except TypeError:
            is_number = False
        if not is_number or self.skip < 0:
            raise UsageError(
                f"raw is dtype '{self.dtype}' after {self.skip} bytes; write a NumPy type of numbers, such as '<i2', "
                "and 0 bytes or more."
            )


@dataclass(frozen=True)
class Regularise:
    """Bring samples with irregular time stamps onto a regular grid by linear interpolation.

    Parameters
    ----------
    sfreq : float
        Rate of the grid in Hz; near the source's own.
    longest_gap : float
        Seconds; what lies between two samples that are farther apart is invalid.
    """

    sfreq: float
    longest_gap: float

    def __post_init__(self) -> None:
        if not (self.sfreq > 0 and self.longest_gap * self.sfreq >= 1):
            raise UsageError(
                f"regularise has sfreq {self.sfreq:g} Hz and longest_gap {self.longest_gap:g} s; the gap that is "
                "bridged must be at least one sample."
            )


@dataclass(frozen=True)
class SignalTable:
    """Signals of one rate: the columns of a table, one-dimensional variables, or an array of channels.

    Parameters
    ----------
    columns : dict
        Column header (without surrounding blanks) or variable → `Column`; a file needs to have at least one of them.
        A star in it stands for any text. With `array`: those of its channels that differ from its default.
    array : ArraySpec or None
        The array that holds all channels; of a text table, its rows and columns are the two axes.
    records : {"rows"} or None
        Of Parquet, whose cells are lists: each row is a recording.
    file : str or None
        The file's name, e.g. ``{record}_Numerics.csv`` (a ``.gz`` of it will do); None = the recording's own file.
    format : str or None
        What the file is, where its extension does not say it.
    raw : RawSpec or None
        For files of bare numbers; needs `array`.
    optional : bool
        Whether the file need not be there.
    sfreq : float, str or None
        Samples per second, or the variable that holds them (in HDF5 also an attribute, ``eeg/data@fs``); "given" =
        whoever reads it states them, as the files do not; None = from `time` or `head`.
    time : str or None
        Column or variable with the time of each sample, checked to be regular. One of `sfreq`, `time` and `head.sfreq`
        is needed.
    time_unit : {"s", "ms", "us", "ns"}
        Unit of `time`, where it holds numbers; date-times (of Parquet, or ISO text) tell their own.
    regularise : Regularise or None
        For time stamps that are not regular.
    ignore : tuple of str
        Columns, or channels of the array, that are left out on purpose; any other column of a table that `columns`
        does not name is an error. A star stands for any text.
    header, names, skip, comment, delimiter, decimal
        How a text table is written, as in `ingest.adapters.tables.layout.Dialect`; names make it one without a header,
        and the two signs win over those of the mapping.
    head : Head or None
        What the lines before a text table say.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    array: ArraySpec | None = None
    file: str | None = None
    format: Format | None = None
    raw: RawSpec | None = None
    sfreq: float | str | None = None
    time: str | None = None
    time_unit: TimeUnit = "s"
    regularise: Regularise | None = None
    ignore: tuple[str, ...] = ()
    records: Literal["rows"] | None = None
    optional: bool = False
    header: Header | None = None
    names: tuple[str, ...] = ()
    skip: int | str = 0
    comment: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    head: Head | None = None

    def __post_init__(self) -> None:
        if self.sfreq is None and self.time is None and (self.head is None or self.head.sfreq is None):
            raise UsageError(
                "Signals need sfreq (Hz), time (what holds each sample's time) or head.sfreq (a pattern over the lines "
                "before a table): add one to the mapping."
            )
        if isinstance(self.skip, str):
            check_pattern("skip", f"({self.skip})")
        elif self.skip < 0:
            raise UsageError(f"skip is {self.skip}; it must be a number of lines, or a pattern of the last of them.")
        if self.records and self.array is not None:
            raise UsageError("records goes with columns; an array names the axis 'record' among its axes.")
        if isinstance(self.sfreq, float | int) and not (self.sfreq > 0 and math.isfinite(self.sfreq)):
            raise UsageError(f"sfreq is {self.sfreq:g}; it must be a positive number of Hz.")
        if isinstance(self.sfreq, str) and (number := re.fullmatch(r"\s*([\d.]+)\s*hz\s*", self.sfreq, re.IGNORECASE)):
            raise UsageError(f"sfreq is '{self.sfreq}'; write the number alone, sfreq: {number[1]}, as it is in Hz.")
        if not self.columns and self.array is None:
            raise UsageError("Signals need columns (name → what it is) or an array: add one to the mapping.")
        if self.raw is not None and (self.array is None or isinstance(self.array.channels, str) or self.time):
            raise UsageError("A raw file knows no names: give it an array with a list of channels, and sfreq.")
        if self.regularise is not None and (self.time is None or self.sfreq is not None):
            raise UsageError("regularise goes by the time stamps: name them under time, and leave sfreq out.")

    @property
    def has_records(self) -> bool:
        """True if it holds several recordings."""
        return self.records is not None or (self.array is not None and "record" in self.array.axes)

    def column(self, name: str) -> Column | None:
        """The signal that a column of the file is; None where it is none."""
        if name in self.ignore:
            return None
        pattern = matching(name, self.columns)
        if pattern is None or (pattern != name and matching(name, self.ignore)):
            return None
        column = self.columns[pattern]
        return replace(column, name=starred(name, pattern)) if column.name == "*" else column


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
    """Who was recorded: a text file and patterns, group 1 of each being the value.

    Without `file`, the names of variables in the recording's own file, or patterns over what stands before its table.
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
    """How to read one family of files.

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
        Where the subject's id, age and sex are written.
    labels : dict
        Label → the variable of the recording's own file that holds it, or a pattern over what stands before its table.
    delimiter : str or None
        Default: tab for ``.tsv``, comma otherwise.
    decimal : str
        The decimal sign of tables.
    missing : tuple of str
        Cells that mean "no value"; they become invalid samples, as do samples of arrays with one of the numbers here.
    also : list of TableMapping
        Further families of files, for collections that have several.
    source : str
        Where the layout is described.
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
        """Whether one file holds several recordings."""
        return self.signals[0].has_records

    @property
    def dialect(self) -> Dialect:
        """How its text tables are written."""
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
        """The name of the recording that `path` stands for in this family, or None if it stands for none."""
        match = re.fullmatch(self.record, self._end_of(path)) if self.signals else None
        return None if match is None else match[1]

    def _end_of(self, path: Path) -> str:
        """As much of a path as `record` is about."""
        return "/".join(path.absolute().parts[-self.record.count("/") - 1 :])

    def check_matches(self, paths: Sequence[Path]) -> None:
        """Refuse to go on where no family is about any of the files, if there are some."""
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
