"""CSV and TSV, plain or gzipped: cells as numbers, and decimal text as the integers that hold it exactly."""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from ingest.adapters.tables.layout import Dialect, matching
from ingest.adapters.tables.signal_table import TimeUnit
from ingest.adapters.tables.timestamps import SECONDS
from ingest.decompress import check_gzip

_MOST_DECIMALS = 9
_MOST_CELLS = 2**26  # numbers of 8 bytes; a longer recording should not be text
_LONGEST_LINE = 2**20
_DELIMITERS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}
_ROWS_AT_ONCE = 2**16


@dataclass(slots=True)
class _Numbers:
    """A column's values (NaN where missing), and the decimals that hold them exactly (None: written as 1e-3)."""

    values: list[NDArray[np.float64]]
    decimals: int | None = 0


class TextTable:
    """A table of cells, read once and kept as numbers.

    Parameters
    ----------
    path : Path
        The file; ``.gz`` is unpacked.
    dialect : Dialect
        Its layout.
    wanted, as_text : sequence of str
        The columns to keep as numbers, and as text, as far as they are there; a star stands for any text.
    times : mapping of str to {"s", "ms", "us", "ns"}
        Wanted columns that may hold ISO date-times instead, and the unit to count these in, from 1970 on.

    Raises
    ------
    UnreadableError
        If it is cut short, irregular, too large for text, or has a cell that is not a number where one is wanted.
    """

    def __init__(
        self,
        path: Path,
        dialect: Dialect,
        wanted: Sequence[str] = (),
        as_text: Sequence[str] = (),
        times: Mapping[str, TimeUnit] = MappingProxyType({}),
    ) -> None:
        self.path, self._times = path, times
        self.dated: set[str] = set()
        """Those of `times` that hold date-times."""
        self._missing, self._decimal = set(dialect.missing), dialect.decimal
        self._last_line = ""
        self.n_rows = 0
        self._head: list[str] = []
        self._dialect = dialect
        check_gzip(path)
        try:
            rows = self._open()
            named = [name for name in wanted if name in self.names]
            starred = [name for name in self.names if self._is_wanted(name, wanted)]
            self._numbers = {name: _Numbers([]) for name in (*named, *starred)}
            self._texts: dict[str, list[str]] = {name: [] for name in as_text if name in self.names}
            while some := list(islice(rows, _ROWS_AT_ONCE)):
                self._take(some)
        except (EOFError, OSError, zlib.error) as error:
            raise UnreadableError(
                f"{path} cannot be unpacked ({error}): it is cut short or not a gzip file; fetch it again."
            ) from None
        except UnicodeDecodeError:
            raise UnreadableError(f"{path} is not text in UTF-8: export it again as CSV.") from None
        except csv.Error as error:
            raise UnreadableError(f"{path} is not a regular table ({error}): fetch it again.") from None
        if not self.n_rows:
            raise UnreadableError(f"{path} is a table without rows: fetch or export it again.")

    def _is_wanted(self, name: str, wanted: Sequence[str]) -> bool:
        return matching(name, wanted) is not None and not matching(name, self._dialect.ignore)

    def _open(self) -> Iterator[list[str]]:
        """The rows, once the lines before them and the header are read."""
        dialect = self._dialect
        delimiter = dialect.delimiter or _delimiter_of(self.path)
        filled = filter(None, csv.reader(self._table_lines(), delimiter=delimiter))  # blank lines do not count
        first = [cell.strip() for cell in next(filled, [])]
        numbers = [math.isfinite(_number(cell.replace(self._decimal, "."))) for cell in first]
        has_header = not any(numbers) if dialect.header == "auto" else dialect.header
        if has_header is None and first and all(numbers):
            raise UnreadableError(
                f"{self.path} begins with a line of numbers ({', '.join(first[:3])}), where the columns' names were "
                "expected: write header: false in the mapping, with skip: N for N lines before the table, or "
                "header: true if these are names."
            )
        has_header = has_header is not False
        self._begins = len(self._head) + 1 + has_header
        if has_header:
            self.names = first
            _check_delimiter(self.path, self.names, delimiter)
            self._check_names()
            return filled
        self.names = list(dialect.names) or [str(number + 1) for number in range(len(first))]
        if first and len(first) != len(self.names):
            raise UnreadableError(
                f"{self.path} has {len(first)} cells in {self.row(0)}, where the mapping gives names to "
                f"{len(self.names)}: correct names, delimiter or skip in the mapping."
            )
        return chain([first], filled) if first else filled

    def _check_names(self) -> None:
        twice = {name for name in self.names if self.names.count(name) > 1 or not name}
        if bad := sorted(name for name in twice if matching(name, self._dialect.ignore) is None):
            raise UnreadableError(
                f"{self.path} has columns without a header, or two with one name ({bad[0] or 'blank'}): give each its "
                "own, or list it under ignore."
            )

    @property
    def kept(self) -> set[str]:
        """The columns that are kept as numbers."""
        return set(self._numbers)

    @property
    def head(self) -> str:
        """The lines before the table, and its comments."""
        return "".join(self._head)

    @property
    def ends_open(self) -> bool:
        """True if the last line lacks its line end: the table may be cut there."""
        return not self._last_line.endswith(("\n", "\r"))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A wanted column's values, NaN where missing.

        Raises
        ------
        UnreadableError
            If the table has no such column.
        """
        if name not in self._numbers:
            raise UnreadableError(f"{self.path} has no column '{name}', which the mapping names: correct either.")
        column = self._numbers[name]
        if len(column.values) > 1:
            column.values = [np.concatenate(column.values)]
        return column.values[0]

    def texts(self, name: str) -> list[str]:
        """A column kept as text."""
        if name not in self._texts:
            raise UnreadableError(f"{self.path} has no column '{name}', which the mapping names: correct either.")
        return self._texts[name]

    def row(self, index: int) -> str:
        """Name of a row in a message: its line, where no blank ones are between."""
        return f"row {index + self._begins}"

    def samples(self, names: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.float64], bool]:
        """Columns in the smallest type that holds their decimal text exactly.

        Returns
        -------
        samples : ndarray, shape (C, T)
            int16 or int32, 0 where missing; float32, NaN where missing, if no integers hold the text.
        scale : ndarray, shape (C,)
            value = sample * scale.
        exact : bool
            True if float32 holds every value.
        """
        decimals = [self._numbers[name].decimals for name in names]
        if all(d is not None and d <= _MOST_DECIMALS for d in decimals):
            powers = np.array([10.0**d for d in decimals if d is not None])
            levels = [np.rint(np.nan_to_num(self.numbers(name)) * p) for name, p in zip(names, powers, strict=True)]
            for dtype in (np.int16, np.int32):
                limits = np.iinfo(dtype)
                if min(x.min() for x in levels) >= limits.min and max(x.max() for x in levels) <= limits.max:
                    return np.stack([x.astype(dtype) for x in levels]), 1 / powers, True
        samples = np.stack([self.numbers(name).astype(np.float32) for name in names])
        exact = all(
            np.array_equal(row, self.numbers(name), equal_nan=True) for row, name in zip(samples, names, strict=True)
        )
        return samples, np.ones(len(names)), exact

    def _table_lines(self) -> Iterator[str]:
        """The lines of the table; those before it, and comments, become its head."""
        skip, comment = self._dialect.skip, self._dialect.comment
        blanks = self._dialect.delimiter == " "
        lines = self._lines()
        if isinstance(skip, int):
            self._head += islice(lines, skip)
        else:
            for line in lines:
                self._head.append(line)
                if re.fullmatch(skip, line.strip()):
                    break
            else:
                raise UnreadableError(
                    f"{self.path} has no line '{skip}', after which it begins by the mapping: correct skip."
                )
        for line in lines:
            if comment is not None and line.lstrip().startswith(comment):
                self._head.append(line)
            elif blanks:
                yield " ".join(line.split())
            else:
                yield line

    def _lines(self) -> Iterator[str]:
        open_text = gzip.open if self.path.suffix.lower() == ".gz" else open
        with open_text(self.path, "rt", encoding="utf-8-sig", newline="") as text:
            while line := text.readline(_LONGEST_LINE):
                if len(line) == _LONGEST_LINE:
                    raise UnreadableError(
                        f"{self.path} has a line of more than {_LONGEST_LINE} characters: it is not a table; export it "
                        "again."
                    )
                self._last_line = line
                yield line

    def _take(self, rows: list[list[str]]) -> None:
        n_cells = np.fromiter(map(len, rows), np.int64, len(rows))
        if (n_cells != len(self.names)).any():
            index = int(np.argmax(n_cells != len(self.names)))
            where = self.row(self.n_rows + index)
            if n_cells[index] < len(self.names):
                raise UnreadableError(f"{self.path} is cut short in {where}: fewer cells than columns; fetch it again.")
            raise UnreadableError(
                f"{self.path} is not a regular table ({where} has {n_cells[index]} cells, the header "
                f"{len(self.names)}): give each column its own header, or fetch it again."
            )
        if (self.n_rows + len(rows)) * max(len(self._numbers) + len(self._texts), 1) > _MOST_CELLS:
            raise UnreadableError(
                f"{self.path} has more than {_MOST_CELLS} numbers, too many for text: export it as .npy or "
                "HDF5, which are read in parts."
            )
        columns = dict(zip(self.names, zip(*rows, strict=True), strict=True))
        for name, numbers in self._numbers.items():
            self._convert(columns[name], name, numbers)
        for name, texts in self._texts.items():
            texts += [cell.strip() for cell in columns[name]]
        self.n_rows += len(rows)

    def _convert(self, cells: Sequence[str], name: str, numbers: _Numbers) -> None:
        """Each different text is understood once: an amplifier gives few different numbers."""
        texts = {cell: cell.strip().replace(self._decimal, ".") for cell in set(cells)}
        parse = _time_in(self._times[name]) if name in self._times else _number
        parsed = {cell: math.nan if text in self._missing else parse(text) for cell, text in texts.items()}
        values = np.fromiter(map(parsed.__getitem__, cells), np.float64, len(cells))
        if name in self._times and any(":" in text for text in texts.values()):
            self.dated.add(name)
        if np.isinf(values).any():  # the value that `_number` gives a cell that is not a number
            row = int(np.argmax(np.isinf(values)))
            cell = cells[row].strip()[:40]
            wanted = "a number or a time such as 2024-03-01 10:00:00" if name in self._times else "a number"
            comma = ', or write decimal: "," in the mapping' if "," in cell and self._decimal == "." else ""
            raise UnreadableError(
                f"{self.path} has '{cell}' in column '{name}', {self.row(self.n_rows + row)}, where {wanted} was "
                f"expected: correct it, or list it under missing in the mapping{comma}."
            )
        numbers.values.append(values)
        if numbers.decimals is not None:
            here = _decimals([text for text in texts.values() if text not in self._missing])
            numbers.decimals = None if here is None else max(numbers.decimals, here)


@lru_cache(maxsize=1)
def head_of(path: Path, dialect: Dialect, stamp: tuple[int, int]) -> str:  # noqa: ARG001
    """The lines before a table, and those of its comments that come before its first row.

    Parameters
    ----------
    path : Path
        The table.
    dialect : Dialect
        Its layout.
    stamp : tuple of int
        Time of change and size of the file, for the cache: a head is asked for once for each fact in it.

    Raises
    ------
    UnreadableError
        If it does not begin where the dialect says.
    """
    table = TextTable.__new__(TextTable)
    table.path, table._dialect, table._head, table._last_line = path, dialect, [], ""
    next(filter(str.strip, table._table_lines()), None)
    return table.head


def _delimiter_of(path: Path) -> str:
    return "\t" if ".tsv" in path.name.lower() else ","


def _check_delimiter(path: Path, names: Sequence[str], delimiter: str) -> None:
    """Refuse a table that seems to have one column because another delimiter stands between them."""
    others = [sign for sign in _DELIMITERS if sign != delimiter and len(names) == 1 and sign in names[0]]
    if others:
        other = others[0]
        comma = ', and decimal: "," where its numbers have commas' if other == ";" else ""
        raise UnreadableError(
            f"{path} has {_DELIMITERS[other]} between its columns: write delimiter: {json.dumps(other)} in the "
            f"mapping{comma}."
        )


def _time_in(unit: TimeUnit) -> Callable[[str], float]:
    """Reads numbers as they are, and ISO date-times in `unit` since 1970; without a zone they count as UTC."""

    def parse(cell: str) -> float:
        value = _number(cell)
        if math.isfinite(value):  # "20240301" is a number first
            return value
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            return math.inf
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / SECONDS[unit]

    return parse


def _number(cell: str) -> float:
    """A cell's value; infinite where it is not a finite number."""
    try:
        value = float(cell)
    except ValueError:
        return math.inf
    return value if math.isfinite(value) else math.inf


def _decimals(cells: list[str]) -> int | None:
    """Digits after the point that hold every cell exactly; None where cells are written otherwise (1e-3)."""
    if "e" in "".join(cells).lower():
        return None
    return max((len(cell.partition(".")[2].rstrip("0")) for cell in cells), default=0)
