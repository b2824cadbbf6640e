"""Layout of a text table: lines before it, header, delimiter and decimal sign, names with a star."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

from biosig.errors import UsageError

Header = bool | Literal["auto"]


class Dialect(NamedTuple):
    """Layout of a text table.

    Parameters
    ----------
    delimiter : str or None
        Sign between cells; None = by the file's name; a blank = any number of blanks.
    decimal : str
        The decimal sign.
    missing : tuple of str
        Cells that are not values.
    header : bool, "auto" or None
        True if the first line names the columns; "auto" = where none of its cells is a number; None = it does, and
        one of nothing but numbers is refused.
    names : tuple of str
        The columns' names where no line gives them; default their numbers from "1" on.
    skip : int or str
        Number of lines before the table, or a regular expression over the whole last one of them.
    comment : str or None
        Lines that begin with this do not belong to the table.
    ignore : tuple of str
        Columns that are not read, which may share a name.
    """

    delimiter: str | None = None
    decimal: str = "."
    missing: tuple[str, ...] = ("", "NaN", "nan", "NA", "-")
    header: Header | None = None
    names: tuple[str, ...] = ()
    skip: int | str = 0
    comment: str | None = None
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class Head:
    """Patterns of facts in the lines before a table: regular expressions, group 1 of each being the value.

    Parameters
    ----------
    sfreq : str or None
        Samples per second.
    unit : str or None
        The unit of columns that have none in the mapping.
    start : str or None
        Time of the first sample: seconds, or an ISO date-time. Tables of one recording are placed by it; a
        clock's time itself never reaches the recording.
    """

    sfreq: str | None = None
    unit: str | None = None
    start: str | None = None

    def __post_init__(self) -> None:
        for fact in fields(self):
            check_pattern(f"head.{fact.name}", getattr(self, fact.name))


def check_pattern(where: str, pattern: str | None) -> None:
    """Refuse a text that is not a regular expression with a group.

    Raises
    ------
    UsageError
    """
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise UsageError(f"{where} is '{pattern}', which is not a regular expression ({error}).") from None
    if groups < 1:
        raise UsageError(f"{where} is '{pattern}'; put parentheses around the value in it.")


def matching(name: str, patterns: Iterable[str]) -> str | None:
    """The pattern that a column's name fits: the name itself, else the first with a star, which is any text; or None.

    >>> matching("EXG Channel 3", ["Sample Index", "EXG Channel *"])
    'EXG Channel *'
    """
    known = list(patterns)
    return name if name in known else next((p for p in known if starred(name, p) is not None), None)


def starred(name: str, pattern: str) -> str | None:
    """Text for which the star of a pattern stands: "AF3" of "EEG.AF3" by "EEG.*"; None where it does not fit."""
    if "*" not in pattern:
        return None
    before, after = (re.escape(part) for part in pattern.split("*", 1))
    match = re.fullmatch(f"{before}(.*){after}", name)
    return None if match is None else match[1]
