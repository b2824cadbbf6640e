"""`biosig inspect FILE --draft`: a first mapping of a table or an array, with comments.

What a file does not say is left open, never guessed.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from biosig.electrodes import guess_kinds
from biosig.errors import UnreadableError, UsageError
from ingest.adapters.tables.array_files import format_of, open_arrays
from ingest.adapters.tables.array_readers import ArrayFile, Lists, Variable

_LINES = 200  # of a text that are looked at
_DELIMITERS = (",", ";", "\t", "|", " ")
_UNIT = re.compile(r"[\[(]\s*([^\])]{1,10})\s*[\])]")
_TIME = re.compile(r"(time|timestamps?|t|sec|seconds|zeit)\b.*", re.IGNORECASE)
_RATE = re.compile(r"^(.*?(?:sampl\w*|frequency|rate)[^\d\n]{0,30}?)(\d[\d.,]*)", re.IGNORECASE | re.MULTILINE)
_CLOCK = 1e8  # s since 1970: no sample is as large
_OPEN_RATE = "sfreq:   # Hz; nothing in the file tells it: write it here, or name a column of times under time"


def draft(path: Path) -> str:
    """A mapping of one file as YAML text, to be completed by hand.

    Parameters
    ----------
    path : Path
        A table (CSV, TSV, text) or a file of arrays (NumPy, MATLAB, HDF5, Parquet).

    Returns
    -------
    str
        Comments say what to check; a rate that the file does not state is an empty key, which no reader takes.

    Raises
    ------
    UsageError
        If the file is of another kind, which needs no mapping.
    UnreadableError
        If it is empty or damaged.
    """
    format_ = format_of(path)
    if format_ is None:
        raise UsageError(
            f"{path} is not a table or an array (.csv, .tsv, .txt, .npy, .npz, .mat, .h5, .parquet): it needs no "
            "mapping."
        )
    lines = list(_text(path) if format_ in ("csv", "tsv") else _arrays(path))
    stem = path.name.removesuffix(".gz").removesuffix(path.suffix if path.suffix != ".gz" else "")
    return "\n".join(
        (
            "# A first mapping: check each line, above all kinds and units; save it as biosig.yaml beside the files.",
            f"record: '(.+){re.escape(path.name[len(Path(stem).stem) :])}'   # which files; the group is the name",
            *lines,
            "",
        )
    )


def _text(path: Path) -> Iterator[str]:
    lines = _first_lines(path)
    comment = next((sign for sign in "%#" if lines[0].lstrip().startswith(sign)), None)
    n_head = 0
    if comment:
        body = [line for line in lines if not line.lstrip().startswith(comment)]
        head = [line for line in lines if line.lstrip().startswith(comment)]
    else:
        body, head = lines, []
    delimiter = _delimiter(body)
    decimal = "," if delimiter != "," and any(re.search(r"\d,\d", line) for line in body[-20:]) else "."
    rows = [_cells(line, delimiter) for line in body]  # blank ones are empty
    width = len(rows[-1])
    first = next(i for i in range(len(rows)) if rows[i] and all(_is_row(row, width, decimal) for row in rows[i:]))
    names = rows[first - 1] if first and len(rows[first - 1]) == width else []
    if names and any(_is_number(name, decimal) for name in names):
        names = []
    if not comment:
        n_head = first - bool(names)
        head = body[:n_head]
    if delimiter != ("\t" if ".tsv" in path.name else ","):
        yield f"delimiter: {json.dumps(delimiter)}"
    if decimal == ",":
        yield 'decimal: ","'
    yield "signals:"
    rate = _RATE.search("\n".join(head))
    time = next((name for name in names if _TIME.fullmatch(name)), None)
    if rate:
        yield f"  - head: {{sfreq: {_quoted(_pattern(rate[1]) + '([0-9.,]+)')}}}   # says {rate[2]} Hz"
    elif time is not None:
        yield f"  - time: {_quoted(time)}   # its stamps tell the rate; time_unit: s, ms, us or ns"
    else:
        yield f"  - {_OPEN_RATE}"
    if comment:
        yield f"    comment: {_quoted(comment)}"
    if n_head:
        yield f"    skip: {n_head}   # lines before the table; in files where it differs, a pattern of the last of them"
    if not names and float(rows[first][0].replace(decimal, ".") or 0) > _CLOCK:
        yield "    # The first line looks like a clock's time: if a rate follows, see the shipped mapping empatica-e4."
    if not names:
        yield '    header: false   # columns are called by their number, from "1" on'
        names = [str(number + 1) for number in range(width)]
    numeric = [
        n for i, n in enumerate(names) if all(_is_number(row[i], decimal, True) for row in filter(None, rows[first:]))
    ]
    signals = [name for name in numeric if name != time]
    yield "    columns:"
    yield from _columns(signals)
    rest = [name for name in names if name not in numeric and name != time]
    if rest:
        yield f"    ignore: [{', '.join(_quoted(name) for name in dict.fromkeys(rest))}]   # hold no numbers"


def _columns(names: Sequence[str]) -> Iterator[str]:
    units = [match[1] if (match := _UNIT.search(name)) else "" for name in names]
    kinds = guess_kinds([_UNIT.sub("", name).strip() or name for name in names], units)
    for name, unit, kind in zip(names, units, kinds, strict=True):
        check = "check kind" if unit else "check kind; the unit is not in the name: write it"
        yield f"      {_quoted(name)}: {{kind: {kind}, unit: {_quoted(unit)}}}   # {check}"


def _arrays(path: Path) -> Iterator[str]:
    file = open_arrays(path)
    found = _variables(file)
    signals = [(name, v) for name, v in found if v.dtype.kind in "iuf" and max(v.shape, default=0) > 1]
    lists = [name for name, v in found if isinstance(v, Lists)]
    yield "# In the file: " + ", ".join(f"{name or 'an array'} {v.shape} {v.dtype}" for name, v in found)
    yield "signals:"
    yield f"  - {_OPEN_RATE}; or the name of a variable that holds it"
    if lists:
        yield "    records: rows   # cells hold lists: a row is a recording"
        yield "    columns:"
        yield from _columns(lists)
        if rest := [_quoted(name) for name, v in found if not isinstance(v, Lists)]:
            yield f"    ignore: [{', '.join(rest)}]   # or tell labels and names: record_names, labels"
        return
    if not signals:
        raise UnreadableError(f"{path} holds no array of numbers: there is no signal to describe.")
    flat = [name for name, v in signals if len(v.shape) == 1 and name]
    if flat and all(len(v.shape) == 1 for _, v in signals):
        yield "    columns:"
        yield from _columns(flat)
        return
    name, variable = max(signals, key=lambda item: item[1].nbytes)
    axes = {1: "time", 2: "channel, time", 3: "record, channel, time"}.get(len(variable.shape), "")
    yield "    array:"
    if name:
        yield f"      name: {_quoted(name)}"
    yield f"      axes: [{axes}]   # of {variable.shape}: check what each is"
    yield "      channels: []   # their names in order, or the variable that holds them"
    yield "      default: {kind: misc, unit: ''}   # ecg, ppg, eeg, …, and the unit"


def _variables(file: ArrayFile) -> list[tuple[str, Variable]]:
    return [(name, file.find(name)) for name in file.names] if file.names else [("", file.only())]


def _first_lines(path: Path) -> list[str]:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", errors="replace") as text:
            lines = [line.rstrip("\r\n") for line in islice(text, _LINES)]
            while lines and not lines[-1].strip():
                lines.pop()
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read ({error}): fetch it again.") from None
    if not any(line.strip() for line in lines):
        raise UnreadableError(f"{path} holds no text: fetch it again.")
    return lines


def _delimiter(lines: Sequence[str]) -> str:
    """The sign that splits most of the last lines into equally many cells, at least two; else a comma."""
    tail = [line for line in lines[-20:] if line.strip()]
    for sign in _DELIMITERS:
        counts = {len(_cells(line, sign)) for line in tail}
        if len(counts) == 1 and counts.pop() > 1:
            return sign
    return ","


def _cells(line: str, delimiter: str) -> list[str]:
    if not line.strip():
        return []
    if delimiter == " ":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]


def _is_row(row: Sequence[str], width: int, decimal: str) -> bool:
    return not row or (len(row) == width and any(_is_number(cell, decimal) for cell in row))


def _is_number(cell: str, decimal: str, or_missing: bool = False) -> bool:
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return or_missing and cell in ("", "NaN", "nan", "NA", "-")
    return True


def _pattern(text: str) -> str:
    return re.sub(r"\s+", r"\\s*", re.escape(text.lstrip("%# ")).replace(r"\ ", " "))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
