"""From a file to its named arrays, whatever its format; and the small variables that tell rates, names and labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from ingest.adapters.tables.array_readers import ArrayFile, NpyFile, NpzFile, ParquetFile, RawFile, Variable
from ingest.adapters.tables.hdf5 import Hdf5File
from ingest.adapters.tables.layout import Dialect
from ingest.adapters.tables.mapping import TableMapping
from ingest.adapters.tables.matlab import open_matlab
from ingest.adapters.tables.signal_table import SignalTable, TimeUnit
from ingest.adapters.tables.text_grid import TextGrid
from ingest.adapters.tables.timestamps import SECONDS

ARRAY_SUFFIXES = {
    ".npy": "npy",
    ".npz": "npz",
    ".mat": "mat",
    ".h5": "h5",
    ".hdf5": "h5",
    ".parquet": "parquet",
}
TABLE_SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".txt": "csv"}
_OPENERS: dict[str, Callable[[Path], ArrayFile]] = {
    "npy": NpyFile,
    "npz": NpzFile,
    "mat": open_matlab,
    "h5": Hdf5File,
    "parquet": ParquetFile,
}
_MOST_SMALL = 2**26  # elements of a rate, names, labels, or times

Stamp = tuple[int, int]


def format_of(path: Path, stated: str | None = None) -> str | None:
    """The format that a mapping states or the extension tells; None if neither does."""
    known = {**TABLE_SUFFIXES, **ARRAY_SUFFIXES}
    return stated or known.get(Path(path.name.lower().removesuffix(".gz")).suffix)


def stamp_of(path: Path) -> Stamp:
    """Time of change and size of a file, which tell that it was written again."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def is_text(path: Path, table: SignalTable | None = None) -> bool:
    """True if a file is a text table, by its name or as the mapping says."""
    stated = table.format if table is not None else None
    return (table is None or table.raw is None) and format_of(path, stated) in ("csv", "tsv")


def open_arrays(
    path: Path, table: SignalTable | None = None, keep: bool = False, mapping: TableMapping | None = None
) -> ArrayFile:
    """The arrays of a file.

    Parameters
    ----------
    path : Path
        The file.
    table : SignalTable, optional
        The mapping's entry for it.
    keep : bool
        Keep it until another is asked for: a file of many recordings is read once for each of them.
    mapping : TableMapping, optional
        The mapping, which states the layout of text.

    Raises
    ------
    UnreadableError
        If it is damaged, or not in a format that holds arrays.
    """
    if table is not None and table.raw is not None and table.array is not None:
        if "record" in table.array.axes:
            raise UnreadableError(
                f"{path} is a file of bare numbers, which holds one recording: leave the axis record out."
            )
        sizes = {"time": -1, "channel": len(table.array.channels)}
        shape = tuple(sizes[axis] for axis in table.array.axes)
        if "channel" not in table.array.axes and len(table.array.channels) > 1:
            raise UnreadableError(
                f"{path} has one axis but {len(table.array.channels)} channels: name the axis channel."
            )
        return RawFile(path, shape, table.raw.dtype, table.raw.skip)
    if table is not None and mapping is not None and is_text(path, table):
        return _kept_grid(path, mapping.dialect_of(table), mapping.aside, stamp_of(path))
    format_ = format_of(path, table.format if table else None)
    if format_ not in _OPENERS:
        raise UnreadableError(f"{path} is not in a format that holds arrays: state its format in the mapping (format).")
    return _kept(path, format_, stamp_of(path)) if keep else _OPENERS[format_](path)


@lru_cache(maxsize=1)
def _kept(path: Path, format_: str, stamp: Stamp) -> ArrayFile:  # noqa: ARG001
    return _OPENERS[format_](path)


@lru_cache(maxsize=1)
def _kept_grid(path: Path, dialect: Dialect, aside: tuple[str, ...], stamp: Stamp) -> ArrayFile:  # noqa: ARG001
    return TextGrid(path, dialect, aside)


def small(file: ArrayFile, name: str) -> NDArray[Any]:
    """A variable that is not a signal: a rate, names, labels, times of events.

    Raises
    ------
    UnreadableError
        If it is absent or too large for that.
    """
    variable: Variable = file.find(name)
    if np.prod(variable.shape, dtype=float) > _MOST_SMALL:
        raise UnreadableError(
            f"{file.path}: '{name}' has shape {variable.shape}, too large for a rate, names, labels or times: correct "
            "the mapping."
        )
    array = variable.whole()
    return np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array


def texts(file: ArrayFile, name: str) -> list[str]:
    """A variable as a list of texts, without surrounding blanks."""
    return [str(item).strip() for item in small(file, name).ravel()]


def numbers(file: ArrayFile, name: str) -> NDArray[np.float64]:
    """A variable as numbers in one dimension.

    Raises
    ------
    UnreadableError
        If it holds something else.
    """
    array = small(file, name)
    try:
        return np.asarray(array, np.float64).ravel()
    except (TypeError, ValueError):
        raise UnreadableError(f"{file.path}: '{name}' holds other things than numbers: correct the mapping.") from None


def is_dated(file: ArrayFile, name: str) -> bool:
    """True if a variable holds date-times."""
    return file.find(name).dtype.kind == "M"


def times_of(file: ArrayFile, name: str, unit: TimeUnit) -> NDArray[np.float64]:
    """A variable as times: numbers as they are, date-times as numbers of `unit` since 1970; NaN where absent."""
    if not is_dated(file, name):
        return numbers(file, name)
    array = small(file, name).ravel()
    step = np.ones(1, array.dtype.str.replace("M", "m", 1)) / np.timedelta64(1, "s") / SECONDS[unit]
    return np.where(np.isnat(array), np.nan, array.astype(np.int64) * step)
