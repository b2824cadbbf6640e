"""Decimal and thousands marks: columns of text such as "61,5" or "1.234,5" rewritten as plain numbers.

A spreadsheet writes numbers as its country does. Which mark a table uses is given, or seen: a table whose cells are
separated by commas has decimal points; in one separated by semicolons or tabs, a column of numbers with commas shows
that its marks are decimal commas.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from biosig.errors import DataError

Mark = Literal[".", ","]

_EXPONENT = r"([eE][+-]?\d{1,3})?"
_SPACE = " \u00a0\u202f'\u2019"  # thousands marks of either kind of country: spaces, narrow or not, and apostrophes
_THOUSANDS = {",": f".{_SPACE}", ".": f",{_SPACE}"}


def _number(mark: Mark) -> str:
    return rf"[+-]?(\d{{1,3}}([{_THOUSANDS[mark]}]\d{{3}})+|\d+)([{mark}]\d+)?{_EXPONENT}|[+-]?[{mark}]\d+{_EXPONENT}"


def is_number(cells: Any, mark: Mark) -> Any:
    """True for cells (a pyarrow array of stripped text) that are numbers written with that decimal mark."""
    return pc.match_substring_regex(cells, f"^({_number(mark)})$")


def seen_mark(columns: Iterable[Any], delimiter: str) -> Mark:
    """The decimal mark that a table shows.

    Parameters
    ----------
    columns : iterable of pyarrow arrays
        The known cells of each column, stripped.
    delimiter : str
        The sign between the table's cells.
    """
    if delimiter == ",":
        return "."
    for cells in columns:
        if len(cells) and pc.all(is_number(cells, ",")).as_py() and not pc.all(is_number(cells, ".")).as_py():
            return ","
    return "."


def plain(cells: Any, known: Any, mark: Mark, given: bool, where: str) -> Any:
    """A column's cells with plain decimal points, where each known cell is a number of that mark; as it is otherwise.

    Parameters
    ----------
    cells : pyarrow array of text
        The whole column.
    known : pyarrow array of text
        Its cells that hold a value, stripped.
    mark : {".", ","}
        The decimal mark of the table.
    given : bool
        True if the user gave it; otherwise it was seen in another column.
    where : str
        File and column, for the error.

    Raises
    ------
    DataError
        If the column reads as numbers with either mark, of different values, and no mark is given.
    """
    if not len(known) or not pc.all(is_number(known, mark)).as_py():
        return cells
    marked = known.filter(pc.match_substring_regex(known, f"[{mark}{_THOUSANDS[mark]}]"))
    changed = marked if mark == "," else marked.filter(pc.match_substring_regex(marked, f"[{_THOUSANDS[mark]}]"))
    if not len(changed):
        return cells
    other: Mark = "." if mark == "," else ","
    if not given and pc.all(is_number(known, other)).as_py():
        cell = changed[0].as_py()
        readings = " or ".join(_plain_text(cell, m) for m in (".", ","))
        raise DataError(
            f"{where} has '{cell}', which is {readings}, depending on the decimal mark: give decimal: '.' or "
            "decimal: ',' in --labels-spec."
        )
    text = pc.utf8_trim_whitespace(cells)
    rewritten = pc.replace_substring_regex(text, f"[{_THOUSANDS[mark]}]", "")
    if mark == ",":
        rewritten = pc.replace_substring(rewritten, ",", ".")
    return pc.if_else(is_number(text, mark), rewritten, cells)


def _plain_text(cell: str, mark: Mark) -> str:
    return "".join("." if c == mark else c for c in cell if c not in _THOUSANDS[mark])


def mixed(known: Any, mark: Mark, where: str) -> str | None:
    """A sentence about a column of which at least half of the known cells are numbers, and some are not; or None.

    It quotes no cell: that may be a name or a date.
    """
    n = pc.sum(is_number(known, mark)).as_py() or 0
    if not len(known) / 2 <= n < len(known):
        return None
    return (
        f"{where}: {n} of {len(known)} cells are numbers and the others are not, so all are kept as text: correct "
        "them, or list them under missing in --labels-spec."
    )


def with_commas(known: Any, where: str) -> str | None:
    """A sentence about a column of which every cell would be a number if its commas were marks; or None."""
    if not len(known) or not pc.any(pc.match_substring(known, ",")).as_py():
        return None
    if not (pc.all(is_number(known, ",")).as_py() or pc.all(is_number(known, ".")).as_py()):
        return None
    return (
        f"{where} holds '{known[0].as_py()[:30]}', kept as text: if these are numbers, give decimal: ',' or "
        "decimal: '.' in --labels-spec."
    )


def known_cells(cells: Any, missing: Iterable[str]) -> Any:
    """The cells that hold a value, stripped."""
    text = pc.utf8_trim_whitespace(cells)
    return text.filter(pc.invert(pc.is_in(text, pa.array(sorted(missing), text.type))))
