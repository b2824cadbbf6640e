"""CSV and TSV tables, plain or gzipped, described by a mapping (`ingest.mapping`)."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.errors import UnreadableError, UsageError
from biosig.recording import Annotation, Recording, Source, Stream, Subject, content_hash
from biosig.signal import runs_from_mask
from ingest.channels import notes_on, resolve, settle
from ingest.demographics import note_on_age, parse_age, parse_sex
from ingest.files import check_present, sha256_of
from ingest.mapping import EventTable, SignalTable, SubjectText, TableMapping, load_mapping, mapping_beside

_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_MOST_DECIMALS = 9


class TableAdapter:
    """Reads tables whose columns a mapping names.

    Parameters
    ----------
    mapping : path, mapping or TableMapping, optional
        For all tables that this adapter meets; default: the ``biosig.yaml`` beside each.
    """

    name = "table"
    describes = "tables (.csv, .tsv, .gz of them) with a mapping file (mapping=, or biosig.yaml beside them)"

    def __init__(self, mapping: str | Path | Mapping[str, Any] | TableMapping | None = None) -> None:
        self.mapping = None if mapping is None else load_mapping(mapping)

    def claims(self, path: Path) -> bool:
        """Whether `path` is a table whose name the mapping describes as a recording's."""
        if not path.name.lower().endswith(_SUFFIXES):
            return False
        try:
            mapping = self.mapping or mapping_beside(path)
        except UsageError:  # a damaged biosig.yaml is told when its tables are read
            return True
        return mapping is not None and re.fullmatch(mapping.record, path.name) is not None

    def name_of(self, path: Path) -> str:
        """What the mapping's `record` captures of a file's name."""
        mapping = self.mapping or mapping_beside(path)
        match = re.fullmatch(mapping.record, path.name) if mapping else None
        return match[1] if match else path.stem

    def read(self, path: Path, *, lazy: bool = False, **options: Any) -> Recording:  # noqa: ARG002
        """Read one recording.

        Parameters
        ----------
        path : Path
            The table that stands for the recording.
        **options
            ``mapping=``: a path, a dict or a `TableMapping`.

        Raises
        ------
        UnreadableError
            If a table is damaged, irregular in time, or has a column that the mapping does not name.
        UsageError
            If there is no mapping for it.
        """
        given = options.pop("mapping", None)
        if options:
            raise TypeError(f"The table adapter takes mapping=, not {', '.join(options)}.")
        mapping = load_mapping(given) if given is not None else self.mapping or mapping_beside(path)
        match = re.fullmatch(mapping.record, path.name) if mapping else None
        if mapping is None or match is None:
            raise UsageError(
                f"{path} is a table that no mapping describes: say which column is what with --mapping FILE, or in a "
                "biosig.yaml beside it."
            )
        record = match[1]
        files: list[Path] = []
        streams: list[Stream] = []
        notes: list[str] = []
        for table in mapping.signals:
            file = path if table.file is None else _beside(path, table.file, record)
            streams.append(_stream(_cells(file, mapping, notes), table, mapping, file, notes))
            files.append(file)
        channels, renamed = settle([channel for stream in streams for channel in stream.channels])
        for stream in streams:
            stream.channels, channels = tuple(channels[: stream.n_chans]), channels[stream.n_chans :]
        duration = max(stream.onset + stream.duration for stream in streams)
        annotations: list[Annotation] = []
        for events in mapping.events:
            files.append(_beside(path, events.file, record))
            annotations += _events(_cells(files[-1], mapping, notes), events, mapping, files[-1], duration, notes)
        subject = None
        if mapping.subject is not None:
            files.append(_beside(path, mapping.subject.file, record))
            subject = _subject(files[-1], mapping.subject, notes)
        recording = Recording(
            id=record,
            streams=streams,
            subject=subject,
            annotations=sorted(annotations, key=lambda a: a.onset),
            source=Source(str(path), self.name, sha256_of(files)),
            content_hash=content_hash(streams),
        )
        recording.notes = (*notes, *renamed, *notes_on(recording.channels))
        return recording

    def convert(self, obj: object) -> Recording | None:  # noqa: ARG002
        """No object in memory says which of its columns is what, so this is always None."""
        return None


def _beside(path: Path, name: str, record: str) -> Path:
    plain = path.parent / name.replace("{record}", record)
    zipped = plain.with_name(plain.name + ".gz")
    file = zipped if zipped.is_file() and not plain.is_file() else plain
    check_present(file, wanted_by=path)
    return file


def _cells(path: Path, mapping: TableMapping, notes: list[str]) -> pd.DataFrame:
    """All cells as text, headers without surrounding blanks."""
    check_present(path)
    delimiter = mapping.delimiter or ("\t" if ".tsv" in path.name.lower() else ",")
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix.lower() == ".gz" else raw).decode("utf-8-sig")
    except (EOFError, OSError, zlib.error) as error:
        raise UnreadableError(
            f"{path} cannot be unpacked ({error}): it is cut short or no gzip; fetch it again."
        ) from None
    except UnicodeDecodeError:
        raise UnreadableError(f"{path} is not text in UTF-8: export it again as CSV.") from None
    lines = text.splitlines()
    header = [name.strip() for name in next(csv.reader(lines[:1], delimiter=delimiter), [])]
    if len(set(header)) < len(header) or "" in header:
        raise UnreadableError(f"{path} has columns without a header, or two with one name: give each its own.")
    if '"' not in text:  # pandas fills short rows in silence
        short = np.array([line.count(delimiter) < len(header) - 1 for line in lines if line])
        if short.any():
            raise UnreadableError(
                f"{path} is cut short in row {_row(short[1:])}: fewer cells than columns; fetch it again."
            )
    if not text.endswith(("\n", "\r")):
        notes.append(f"The last line of {path.name} has no line end: the table may be cut there.")
    try:
        cells = pd.read_csv(io.StringIO(text), sep=delimiter, dtype=str, keep_default_na=False, names=header, header=0)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UnreadableError(
            f"{path} is not a regular table ({' '.join(str(error).split())}): fetch it again."
        ) from None
    if not isinstance(cells.index, pd.RangeIndex):
        raise UnreadableError(f"{path} has more cells than headers in each row: give each column its own header.")
    if cells.empty:
        raise UnreadableError(f"{path} is a table without rows: fetch or export it again.")
    return cells


def _row(where: pd.Series | NDArray[np.bool_]) -> int:
    """The first True as a line number of the file, its header being line 1."""
    return int(np.argmax(np.asarray(where))) + 2


def _numbers(column: pd.Series, missing: tuple[str, ...], path: Path) -> tuple[NDArray[np.float64], list[str]]:
    """Values (NaN where missing) and the text of those that are not."""
    text = [cell.strip() for cell in column]
    absent = set(missing)
    try:
        values = np.array([math.nan if cell in absent else float(cell) for cell in text])
    except ValueError:
        values = pd.to_numeric(pd.Series(text), errors="coerce").to_numpy(np.float64)
    present = np.array([cell not in absent for cell in text])
    wrong = present & ~np.isfinite(values)
    if wrong.any():
        raise UnreadableError(
            f"{path} has '{text[int(np.argmax(wrong))]}' in column '{column.name}', row {_row(wrong)}, where a number "
            "was expected: correct it, or list it under missing in the mapping."
        )
    return values, [cell for cell in text if cell not in absent]


def _check_columns(cells: pd.DataFrame, known: set[str], wanted: Mapping[str, Any], path: Path) -> list[str]:
    unknown = [name for name in cells.columns if name not in known]
    if unknown:
        raise UnreadableError(
            f"{path} has columns that the mapping does not name: {', '.join(map(repr, unknown))}; describe them or "
            "list them under ignore."
        )
    found = [name for name in cells.columns if name in wanted]
    if not found:
        raise UnreadableError(
            f"{path} has none of the mapping's columns {', '.join(map(repr, wanted))}: check the mapping."
        )
    return found


def _stream(cells: pd.DataFrame, table: SignalTable, mapping: TableMapping, path: Path, notes: list[str]) -> Stream:
    known = {*table.columns, *table.ignore, *([table.time] if table.time else [])}
    found = _check_columns(cells, known, table.columns, path)
    sfreq, onset = _clock(cells, table, path)
    values = np.empty((len(found), len(cells)))  # (C, T)
    decimals: list[int | None] = []
    channels, factors = [], []
    for row, name in enumerate(found):
        values[row], text = _numbers(cells[name], mapping.missing, path)
        decimals.append(_decimals(text))
        spec = table.columns[name]
        channel, factor = resolve(spec.name or name, spec.unit, kind=spec.kind)
        channels.append(replace(channel, source_name=name))
        factors.append(factor)
    samples, scale, exact = _exact(values, decimals)
    if not exact:
        notes.append(f"Values of {path.name} are rounded to float32.")
    return Stream(
        sfreq=sfreq,
        channels=tuple(channels),
        samples=samples,
        scale=scale * np.array(factors),
        offset=np.zeros(len(found)),
        invalid=runs_from_mask(np.isnan(values)),
        onset=onset,
    )


def _clock(cells: pd.DataFrame, table: SignalTable, path: Path) -> tuple[float, float]:
    """Rows per second, and the first row's time; times are rounded in most tables, so 3/4 of a row is allowed."""
    if table.time is None:
        return float(table.sfreq or 0), 0.0
    if table.time not in cells.columns:
        raise UnreadableError(
            f"{path} has no column '{table.time}', which the mapping names as its time: correct either."
        )
    times, _ = _numbers(cells[table.time], (), path)
    sfreq = table.sfreq
    if sfreq is None:
        if len(times) < 2 or times[-1] <= times[0]:
            raise UnreadableError(f"{path}: no rate follows from column '{table.time}'; give sfreq in the mapping.")
        sfreq = round((len(times) - 1) / (times[-1] - times[0]), 6)
    late = np.abs(times - times[0] - np.arange(len(times)) / sfreq) > 0.75 / sfreq
    if late.any():
        raise UnreadableError(
            f"{path} is not regular at {sfreq:g} Hz: column '{table.time}' is off by a sample in row "
            f"{_row(late)}; correct sfreq, or resample the table first."
        )
    return float(sfreq), float(times[0])


def _decimals(text: list[str]) -> int | None:
    """Digits after the point that hold every cell exactly; None where cells are written otherwise (1e-3)."""
    if "e" in "".join(text).lower():
        return None
    most = max((len(cell.partition(".")[2].rstrip("0")) for cell in text), default=0)
    return most if most <= _MOST_DECIMALS else None


def _exact(values: NDArray[np.float64], decimals: list[int | None]) -> tuple[NDArray[Any], NDArray[np.float64], bool]:
    """Samples in the smallest type that holds decimal text exactly, their scale, and whether it does."""
    if None not in decimals:
        powers = np.array([10.0**d for d in decimals if d is not None])
        levels = np.rint(np.nan_to_num(values * powers[:, None]))
        for dtype in (np.int16, np.int32):
            limits = np.iinfo(dtype)
            if levels.size and levels.min() >= limits.min and levels.max() <= limits.max:
                return levels.astype(dtype), 1 / powers, True
    samples = values.astype(np.float32)
    return samples, np.ones(len(values)), bool(np.array_equal(samples, values, equal_nan=True))


def _events(
    cells: pd.DataFrame, table: EventTable, mapping: TableMapping, path: Path, duration: float, notes: list[str]
) -> list[Annotation]:
    annotations = []
    for name in _check_columns(cells, {*table.columns, *table.ignore}, table.columns, path):
        values, _ = _numbers(cells[name], mapping.missing, path)
        onsets = values[~np.isnan(values)] / (table.sfreq or 1.0)
        inside = (onsets >= 0) & (onsets < duration)
        if not inside.all():
            notes.append(f"{int((~inside).sum())} events of '{name}' in {path.name} lie outside the signals: left out.")
        annotations += [Annotation(float(onset), 0.0, table.columns[name]) for onset in onsets[inside]]
    return annotations


def _subject(path: Path, patterns: SubjectText, notes: list[str]) -> Subject | None:
    text = path.read_text(encoding="utf-8", errors="replace")

    def find(pattern: str | None) -> str:
        match = re.search(pattern, text) if pattern else None
        return match[1] if match else ""

    notes += note_on_age(find(patterns.age))
    subject = Subject(find(patterns.id), parse_age(find(patterns.age)), parse_sex(find(patterns.sex)))
    return None if subject == Subject("") else subject
