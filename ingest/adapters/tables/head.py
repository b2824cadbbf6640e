"""Facts lifted from the lines before a text table: rate, unit and start of its signals; and identifiers in them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from biosig.errors import UnreadableError
from biosig.reading import Identifier
from ingest.adapters.tables.layout import Head

_SORTS = (  # words in a key → sort of identifier in its value
    (("birth", "dob"), "birth date"),
    (("date", "time", "start", "recorded"), "recording date"),
    (("device", "serial", "board", "headset", "firmware", "version", "mac"), "device"),
    (("name", "patient", "subject", "id", "mrn"), "name"),
)
_TECHNICAL = ("rate", "unit", "lead", "channels", "column", "resolution", "frequency")
_PAIR = re.compile(r"[%#;\s]*([^,:=\t]{1,60}?)\s*[,:=\t]\s*(.+?)\s*")


class Lifted(NamedTuple):
    """Facts in a head: samples per second, unit ("" = none), start in seconds."""

    sfreq: float | None = None
    unit: str = ""
    start: float | None = None


def lift(text: str, head: Head | None, path: Path) -> Lifted:
    """The facts that a mapping looks for in the lines before a table.

    Raises
    ------
    UnreadableError
        If a pattern finds nothing, or a text that is not a rate or a time.
    """
    if head is None:
        return Lifted()
    sfreq = None if head.sfreq is None else _number(_found("sfreq", head.sfreq, text, path))
    start = None if head.start is None else _moment(_found("start", head.start, text, path))
    unit = "" if head.unit is None else _found("unit", head.unit, text, path)
    for name, value in (("sfreq", sfreq), ("start", start)):
        if value is not None and not (math.isfinite(value) and (name == "start" or value > 0)):
            raise UnreadableError(
                f"{path}: the text that head.{name} finds before the table is not a number: correct the pattern."
            )
    return Lifted(sfreq, unit, start)


def find(pattern: str, text: str) -> str:
    """Group 1 of a pattern in the lines before a table, "" where it is not there."""
    match = re.search(pattern, text, re.MULTILINE)
    return (match[1] or "").strip().strip('"') if match else ""


def _found(name: str, pattern: str, text: str, path: Path) -> str:
    value = find(pattern, text)
    if not value:
        raise UnreadableError(
            f"{path}: head.{name} '{pattern}' finds nothing in the lines before the table: correct it, or skip and "
            "comment, which say how many these are."
        )
    return value


def _number(text: str) -> float:
    """A number with point or comma; NaN for any other text."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def _moment(text: str) -> float:
    value = _number(text)
    if math.isfinite(value):
        return value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def identifiers(text: str) -> Iterator[Identifier]:
    """Personal facts in the lines before a table, dates and devices: keys with values, and lines without a key."""
    for line in text.splitlines():
        plain = line.strip().lstrip("%#; ")
        if not plain:
            continue
        pair = _PAIR.fullmatch(line)
        key, value = (pair[1], pair[2]) if pair else ("line before the table", plain)
        words = re.findall(r"[a-z]+", key.lower())
        if any(word in _TECHNICAL for word in words):
            continue
        sort = next((sort for marks, sort in _SORTS if any(word in marks for word in words)), "free text")
        yield Identifier(key, sort, value)
