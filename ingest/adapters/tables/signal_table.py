"""Signals in a mapping file: one entry under ``signals``, its columns and arrays, as typed dataclasses."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from biosig.errors import UsageError
from biosig.recording import KINDS
from ingest.adapters.tables.layout import Head, Header, check_pattern, matching, starred

Axis = Literal["record", "channel", "time"]
Format = Literal["csv", "tsv", "parquet", "npy", "npz", "mat", "h5"]
TimeUnit = Literal["s", "ms", "us", "ns"]


@dataclass(frozen=True)
class Column:
    """One signal: its `name` (default the column's own), `kind` (default guessed from the name) and `unit`.

    Its value in `unit` is the file's number * `scale` + `offset`. The name "*" is the text for which a star in the
    column's name stands.
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
        Meaning of each of its axes, as NumPy and MATLAB show its shape; with ``record``, each index of that axis is a
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
        Seconds; the time between two samples that are farther apart is invalid.
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
        Format of the file, where its extension does not tell it.
    raw : RawSpec or None
        For files of bare numbers; needs `array`.
    optional : bool
        True if the file may be absent.
    sfreq : float, str or None
        Samples per second, or the variable that holds them (in HDF5 also an attribute, ``eeg/data@fs``); "given" =
        the caller states them, as the files do not; None = from `time` or `head`.
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
        Layout of a text table, as in `ingest.adapters.tables.layout.Dialect`; names make it one without a header,
        and the two signs win over those of the mapping.
    head : Head or None
        Patterns of facts in the lines before a text table.
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
            raise UsageError("Signals need columns (name → kind and unit) or an array: add one to the mapping.")
        if self.raw is not None and (self.array is None or isinstance(self.array.channels, str) or self.time):
            raise UsageError("A raw file holds no names: give it an array with a list of channels, and sfreq.")
        if self.regularise is not None and (self.time is None or self.sfreq is not None):
            raise UsageError("regularise needs time stamps: name their column under time, and leave sfreq out.")

    @property
    def has_records(self) -> bool:
        """True if it holds several recordings."""
        return self.records is not None or (self.array is not None and "record" in self.array.axes)

    def column(self, name: str) -> Column | None:
        """The signal that a column of the file holds; None where it holds none."""
        if name in self.ignore:
            return None
        pattern = matching(name, self.columns)
        if pattern is None or (pattern != name and matching(name, self.ignore)):
            return None
        column = self.columns[pattern]
        return replace(column, name=starred(name, pattern)) if column.name == "*" else column
