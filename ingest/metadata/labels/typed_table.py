"""Tables of labels (CSV, TSV, Parquet): cells as bool, number, text or codes, or an error that names the cell."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from biosig.errors import DataError, UsageError
from biosig.unread_files import is_sheet, what_to_do
from ingest.decompress import check_gzip, check_shrinking
from ingest.metadata.labels import decimals

CellType = Literal["bool", "number", "text", "codes"]

MISSING = ("", "NaN", "nan", "NA", "N/A", "n/a", "<NA>")
"""Cells that mean that nothing is known, as pandas, R, spreadsheets and BIDS write them."""

_NUMBER = r"[+-]?(0|[1-9]\d{0,15})(\.\d*)?([eE][+-]?\d{1,2})?|[+-]?\.\d+"
"""Numbers, but not "007", which is a name, nor an id of many digits, which a float would round."""

_YES, _NO = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0")
_BLOCK_BYTES = 2**24  # a row must fit into one: reports are long


class TypedTable:
    """A table whose cells are text (CSV, TSV; plain or gzipped) or typed (Parquet).

    Parameters
    ----------
    path : Path
        The table, in UTF-8. A CSV whose header has semicolons and no comma is separated by these.
    missing : tuple of str
        Cells that mean that nothing is known.
    may_be_empty : bool
        True if a table without rows is accepted.

    Raises
    ------
    UsageError
        If the file does not exist.
    DataError
        If it cannot be read: lines of unequal length, two columns of one name, no row at all.
    """

    def __init__(self, path: Path, missing: Iterable[str] = MISSING, may_be_empty: bool = False) -> None:
        self.path, self._missing = path, frozenset(missing)
        self.is_typed = path.suffix.lower() in (".parquet", ".pq")
        if not path.is_file():
            raise UsageError(f"The table {path} does not exist: check the path.")
        if is_sheet(path):
            raise UsageError(str(what_to_do(path)))
        self._delimiter = ""
        try:
            if self.is_typed:
                self._table = _read_typed(path)
            else:
                self._table, self._delimiter = _read_text(path)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"The table {path} cannot be read ({reason}): export it again, as UTF-8.") from None
        if not (len(self._table) or may_be_empty):
            raise DataError(f"The table {path} has no rows: export it again.")

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def columns(self) -> list[str]:
        """The columns' names, in order."""
        return list(self._table.column_names)

    def keep(self, columns: Iterable[str]) -> None:
        """Drop all other columns, so that little is sent to workers."""
        wanted = set(columns)
        self._table = self._table.select([name for name in self.columns if name in wanted])

    def read_marks(self, given: decimals.Mark | None, apart: Collection[str | None]) -> tuple[str, ...]:
        """Rewrite numbers with decimal commas and thousands marks as plain ones, and report columns that may hold some.

        Parameters
        ----------
        given : {".", ","} or None
            The decimal mark; None = as the table shows (`biosig`'s label specifications call it `decimal`).
        apart : collection of str
            Columns that hold names and free text, which stay as they are.

        Returns
        -------
        tuple of str
            A sentence for each column that is nearly, or perhaps, one of numbers.

        Raises
        ------
        DataError
            If a column reads as numbers of different value with either mark, and none is given.
        """
        if self.is_typed:
            return ()
        columns = {name: self._table.column(name) for name in self.columns if name not in apart}
        known = {name: decimals.known_cells(cells, self._missing) for name, cells in columns.items()}
        mark = given or decimals.seen_mark(known.values(), self._delimiter)
        remarks = []
        for name, cells in columns.items():
            where = f"{self.path}, column '{name}'"
            if not given and mark == ".":
                remarks.append(decimals.with_commas(known[name], where))
            else:
                numbers = decimals.plain(cells, known[name], mark, given is not None, where)
                self._table = self._table.set_column(self.columns.index(name), name, numbers)
            remarks.append(decimals.mixed(known[name], mark, where))
        return tuple(filter(None, remarks))

    def require(self, columns: Iterable[str]) -> None:
        """Raise a UsageError that lists the columns which are not there and those that are."""
        absent = sorted(set(columns) - set(self.columns))
        if absent:
            raise UsageError(
                f"{self.path} has no column {', '.join(map(repr, absent))}; it has {', '.join(self.columns)}."
            )

    def holds_times(self, column: str) -> bool:
        """True if the column's type is a date or a time."""
        return bool(pa.types.is_temporal(self._table.column(column).type))

    def cell(self, row: int, column: str) -> Any:
        """Content of the cell: stripped text, or the value of a typed column; None where nothing is known."""
        return self._known(self._table.column(column)[row].as_py())

    def text(self, row: int, column: str | None) -> str:
        """The cell as text; "" where nothing is known or `column` is None. A spreadsheet's 15709.0 is 15709."""
        return _as_text(self.cell(row, column)) if column else ""

    def texts(self, column: str) -> Iterator[str]:
        """The cells of a column, each as `text`."""
        return (_as_text(self._known(value)) for value in self._table.column(column).to_pylist())

    def _known(self, value: Any) -> Any:
        if isinstance(value, str):
            value = value.strip()
            return None if value in self._missing else value
        return None if isinstance(value, float) and math.isnan(value) else value

    def value(self, row: int, column: str, type_: CellType) -> Any:
        """The cell as a bool, a number (int where it is whole), text or a list of codes; None where nothing is known.

        Raises
        ------
        DataError
            If the cell is of another type; the sentence names file, row and column.
        """
        cell = self.cell(row, column)
        if cell is None:
            return None
        try:
            match type_:
                case "bool":
                    return _bool(cell)
                case "number":
                    return _number(cell)
                case "codes":
                    return codes_of(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two by thousands of brackets
            wanted = {"bool": "true or false", "number": "a number", "codes": "a list of codes"}[type_]
            self.refuse(row, column, wanted)
        if isinstance(cell, bytes | list | dict):
            self.refuse(row, column, "text")
        return self.text(row, column)

    def refuse(self, row: int, column: str, wanted: str) -> NoReturn:
        """Raise the DataError of a cell that is not what was expected."""
        found = str(self.cell(row, column))
        decimal = ", or give decimal in --labels-spec" if wanted == "a number" and "," in found else ""
        line = row + (1 if self.is_typed else 2)  # spreadsheets and editors count the header
        raise DataError(
            f"{self.path} has '{found[:60]}' in column '{column}', row {line}, where {wanted} was expected: correct it"
            f"{decimal}."
        )

    def guess_type(self, column: str) -> CellType:
        """Type of all cells of a column: the one that the file states, else the narrowest that fits every cell."""
        data = self._table.column(column)
        if self.is_typed:
            return _stated_type(data.type)
        cells = pc.utf8_trim_whitespace(data)
        cells = cells.filter(pc.invert(pc.is_in(cells, pa.array(sorted(self._missing), cells.type))))
        patterns: dict[CellType, str] = {"bool": "(?i)^(true|false)$", "number": f"^({_NUMBER})$"}
        for type_, pattern in patterns.items():
            if pc.all(pc.match_substring_regex(cells, pattern)).as_py():
                return type_
        return "text"


def _read_text(path: Path) -> tuple[Any, str]:
    """The table with all its cells as text, and the sign that separates them."""
    check_gzip(path)
    header = pa.input_stream(path).read(_BLOCK_BYTES).partition(b"\n")[0]
    delimiter = "\t" if ".tsv" in path.name.lower() else ";" if b";" in header and b"," not in header else ","
    parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES)
    names = pyarrow.csv.open_csv(path, read_options=read, parse_options=parse).schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path} has two columns named {', '.join(map(repr, twice))}: rename one.")
    as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.large_string()))
    table = pyarrow.csv.read_csv(path, read_options=read, parse_options=parse, convert_options=as_text)
    return table.rename_columns([name.strip() for name in names]).combine_chunks(), delimiter


def _read_typed(path: Path) -> Any:
    metadata = pq.read_metadata(path)
    check_shrinking(8 * metadata.num_rows * metadata.num_columns, path.stat().st_size, path)
    table = pq.read_table(path)
    for i, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(i, column.name, table.column(i).cast(column.type.value_type))
    return table.combine_chunks()


def _stated_type(type_: Any) -> CellType:
    if pa.types.is_boolean(type_):
        return "bool"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "number"
    return "codes" if pa.types.is_list(type_) or pa.types.is_large_list(type_) else "text"


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return text[:-2] if re.fullmatch(r"-?\d+\.0", text) else text


def _bool(cell: Any) -> bool:
    text = str(cell).lower().removesuffix(".0")
    if text not in _YES + _NO:
        raise ValueError(text)
    return text in _YES


def _number(cell: Any) -> int | float:
    if isinstance(cell, bool) or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", str(cell)):
        raise ValueError(cell)
    number = float(cell)
    if not math.isfinite(number):
        raise ValueError(cell)
    return int(str(cell).partition(".")[0]) if re.fullmatch(r"[+-]?\d+(\.0*)?", str(cell)) else number


def codes_of(cell: Any) -> list[str]:
    """Codes of a list, or of text: a Python or JSON list or dict (its keys), or codes between commas or semicolons.

    Raises
    ------
    ValueError, SyntaxError
        If the text begins like a list and is not one.
    """
    if isinstance(cell, str) and cell.startswith(("{", "[", "(")):
        cell = ast.literal_eval(cell)
    if isinstance(cell, str):
        cell = re.split(r"[,;]", cell)
    if not isinstance(cell, list | tuple | set | dict):
        cell = [cell]
    codes = (str(code).strip() for code in cell)
    return [code for code in codes if code]
