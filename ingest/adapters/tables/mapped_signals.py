"""The signals that one entry of a mapping describes: channels with units, samples with scale and validity, a clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import guess_kinds
from biosig.electrodes.channels import resolve_channel
from biosig.errors import UnreadableError
from biosig.extremes import mark_extremes
from biosig.lazy_samples import LazySamples
from biosig.recording import Channel, Recording, Stream
from biosig.signal import mask_from_runs, runs_from_mask
from biosig.source_files import check_present
from ingest.adapters.tables.array_files import format_of, is_dated, is_text, numbers, open_arrays, times_of
from ingest.adapters.tables.array_readers import ArrayFile, check_fits
from ingest.adapters.tables.arrays import read_signals
from ingest.adapters.tables.head import Lifted, lift
from ingest.adapters.tables.layout import matching
from ingest.adapters.tables.mapping import TableMapping
from ingest.adapters.tables.signal_table import Column, SignalTable
from ingest.adapters.tables.text_grid import TextGrid
from ingest.adapters.tables.text_table import TextTable
from ingest.adapters.tables.timestamps import Times, check_times, note_on_rate, onto_grid, regular_rate

GIVEN = "given"
"""The rate of an entry of which the caller states the rate."""


@dataclass(slots=True)
class MappedSignals:
    """Signals of one rate, found and checked, but for facts that only all channels of a recording together give.

    Parameters
    ----------
    path : Path
        The file they are in.
    channels : list of Channel
        One per row of `samples`.
    samples : ndarray or LazySamples, shape (C, T)
        The file's own numbers, or those on a regular grid.
    scale, offset : ndarray, shape (C,)
        physical = samples * scale + offset, in the channels' units.
    invalid : ndarray, shape (n_runs, 3)
        Runs of samples that are not real values.
    sfreq : float
        Samples per second.
    start : float or None
        The first time stamp in seconds, where there are time stamps.
    notes, history : list of str
        Sentences for the user, and the steps that changed the samples.
    """

    path: Path
    channels: list[Channel]
    samples: NDArray[Any] | LazySamples
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    invalid: NDArray[np.int64]
    sfreq: float = 0.0
    start: float | None = None
    notes: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)

    def stream(self, channels: Sequence[Channel], origin: float, lazy: bool) -> Stream:
        """The stream with the given channels, and its onset counted from `origin`."""
        return Stream(
            sfreq=self.sfreq,
            channels=tuple(channels),
            samples=self.samples if lazy else np.asarray(self.samples),
            scale=self.scale,
            offset=self.offset,
            invalid=self.invalid,
            onset=0.0 if self.start is None else self.start - origin,
        )


def beside(path: Path, name: str, record: str) -> Path:
    """The file `name` of a mapping, or its ``.gz``, in the folder of `path`."""
    plain = path.parent / name.replace("{record}", record)
    zipped = plain.with_name(plain.name + ".gz")
    file = zipped if zipped.is_file() and not plain.is_file() else plain
    check_present(file, wanted_by=path)
    return file


def check_columns(names: Sequence[str], known: Iterable[str], wanted: Mapping[str, Any], path: Path) -> list[str]:
    """The wanted ones of a table's columns, in the table's order; a star in a name stands for any text.

    Raises
    ------
    UnreadableError
        If a column is not known to the mapping, or none is wanted.
    """
    known = list(known)
    unknown = [name for name in names if matching(name, known) is None]
    if unknown:
        raise UnreadableError(
            f"{path} has columns that the mapping does not name: {', '.join(map(repr, unknown))}; describe them or "
            "list them under ignore."
        )
    found = [name for name in names if matching(name, wanted) is not None]
    if not found:
        raise UnreadableError(
            f"{path} has none of the mapping's columns {', '.join(map(repr, wanted))}: check the mapping."
        )
    return found


def signals_of(
    path: Path, record: str, index: int, table: SignalTable, mapping: TableMapping, sfreq: float | None = None
) -> MappedSignals:
    """Read the signals that one entry under ``signals`` describes.

    Parameters
    ----------
    path : Path
        The file that stands for the recording.
    record : str
        The recording's name, for files beside it.
    index : int
        Index of the recording in an array with an axis ``record``.
    table, mapping : SignalTable, TableMapping
        The entry, and the mapping that it is of.
    sfreq : float or None
        Samples per second as the caller states them, for an entry whose rate is to be given.

    Raises
    ------
    UnreadableError
        If the file is damaged or does not fit the mapping, or its rate is to be given and is not.
    """
    file = path if table.file is None else beside(path, table.file, record)
    check_present(file)
    rates = [] if table.sfreq == GIVEN else [table.sfreq]
    clock = [name for name in (table.time, *rates) if isinstance(name, str)]
    source: TextTable | ArrayFile
    if is_text(file, table) and table.array is None:
        source, found = _from_text(file, clock, table, mapping)
    else:
        source, found = _from_arrays(file, clock, index, table, mapping)
    text = source.table if isinstance(source, TextGrid) else source
    lifted = lift(text.head, table.head, file) if isinstance(text, TextTable) else Lifted()
    _set_clock(found, source, table, lifted, sfreq)
    return found


def _from_text(
    file: Path, clock: list[str], table: SignalTable, mapping: TableMapping
) -> tuple[TextTable, MappedSignals]:
    times = {table.time: table.time_unit} if table.time else {}
    cells = TextTable(file, mapping.dialect_of(table), wanted=[*table.columns, *clock], times=times)
    check_columns(cells.names, [*table.columns, *table.ignore, *clock], table.columns, file)
    described = {name: column for name in cells.names if name not in clock and (column := table.column(name))}
    names = list(described)
    samples, scale, exact = cells.samples(names)
    invalid = runs_from_mask(np.stack([np.isnan(cells.numbers(name)) for name in names]))
    lifted = lift(cells.head, table.head, file)
    columns = [replace(c, unit=c.unit or lifted.unit) for c in described.values()]
    found = _describe(file, names, columns, samples, scale, invalid)
    found.notes += _note_on_absent(table, names)
    if not exact:
        found.notes.append("Values are rounded to float32.")
    if cells.ends_open:
        found.notes.append("The last line of a table has no line end: the table may be cut there.")
    return cells, found


def _from_arrays(
    file: Path, clock: list[str], index: int, table: SignalTable, mapping: TableMapping
) -> tuple[ArrayFile, MappedSignals]:
    arrays = open_arrays(file, table, mapping.has_records, mapping)
    if table.array is None and format_of(file, table.format) == "parquet":
        check_columns(arrays.names, [*table.columns, *table.ignore, *clock, *mapping.aside], table.columns, file)
    read = read_signals(arrays, table, index, mapping.missing)
    default = Column() if table.array is None else table.array.default
    columns = [table.column(name) or default for name in read.names]
    samples = np.asarray(read.samples) if read.samples.in_memory else read.samples
    found = _describe(file, read.names, columns, samples, np.ones(len(columns)), read.invalid)
    found.notes += read.notes
    if table.array is None:
        found.notes += _note_on_absent(table, read.names)
    return arrays, found


def _note_on_absent(table: SignalTable, names: Sequence[str]) -> list[str]:
    absent = [repr(key) for key in table.columns if not any(matching(name, [key]) for name in names)]
    return [f"The mapping's columns {', '.join(absent)} are not in the table."] if absent else []


def _describe(
    file: Path,
    names: Sequence[str],
    columns: Sequence[Column],
    samples: NDArray[Any] | LazySamples,
    scale: NDArray[np.float64],
    invalid: NDArray[np.int64],
) -> MappedSignals:
    channels, factors = [], []
    kinds = guess_kinds([c.name or name for name, c in zip(names, columns, strict=True)], [c.unit for c in columns])
    for name, column, kind in zip(names, columns, kinds, strict=True):
        channel, factor = resolve_channel(column.name or name, column.unit, kind=column.kind or kind)
        channels.append(replace(channel, source_name=name))
        factors.append(factor)
    return MappedSignals(
        path=file,
        channels=channels,
        samples=samples,
        scale=scale * [column.scale * factor for column, factor in zip(columns, factors, strict=True)],
        offset=np.array([column.offset * factor for column, factor in zip(columns, factors, strict=True)]),
        invalid=invalid,
    )


def _set_clock(
    found: MappedSignals, source: TextTable | ArrayFile, table: SignalTable, lifted: Lifted, given: float | None
) -> None:
    """Rate and start, from the mapping, a variable, or the time stamps; irregular ones are brought onto a grid."""
    found.start = lifted.start
    stated = lifted.sfreq
    if table.sfreq == GIVEN:
        if given is None:
            raise UnreadableError(
                f"{found.path} does not say its rate, nor does the mapping: give it with --set sfreq=HZ, in Python "
                "with read(..., sfreq=HZ), or write sfreq: HZ in the mapping."
            )
        stated = given
    elif table.sfreq is not None:
        stated = _stated_rate(source, table.sfreq)
    kinds = {channel.kind for channel in found.channels}
    if stated is not None:
        found.notes += note_on_rate(stated, kinds)
    if table.time is None:
        found.sfreq = stated or 0.0
        return
    n_times = found.samples.shape[1]
    if isinstance(source, TextTable):
        stamps, dated = source.numbers(table.time), table.time in source.dated
    else:
        stamps, dated = times_of(source, table.time, table.time_unit), is_dated(source, table.time)
    if len(stamps) != n_times:
        raise UnreadableError(
            f"{found.path}: '{table.time}' holds {len(stamps)} times for {n_times} samples: correct time or axes."
        )
    kind = "column" if isinstance(source, TextTable) else "variable"
    row = source.row if isinstance(source, TextTable) else "sample {}".format
    times = Times(stamps, table.time_unit, f"{found.path}, {kind} '{table.time}',", row, dated)
    spec = table.regularise
    check_times(times, spec.sfreq if spec else stated, kinds)
    found.start = times.start()
    if spec is None:
        found.sfreq = regular_rate(times, stated)
        return
    check_fits(8 * len(found.channels) * n_times, str(found.path), "in shorter recordings, or at a regular rate")
    _leave_out_extremes(found, times)
    values = np.asarray(found.samples).astype(np.float64) * found.scale[:, None] + found.offset[:, None]
    values[mask_from_runs(found.invalid, values.shape)] = np.nan
    found.samples, found.invalid, notes = onto_grid(values, times, spec)
    found.scale, found.offset = np.ones(len(values)), np.zeros(len(values))
    found.sfreq = spec.sfreq
    found.notes += notes
    found.history.append(
        f"linear interpolation of {n_times} samples with time stamps onto {spec.sfreq:g} Hz, gaps over "
        f"{spec.longest_gap:g} s invalid"
    )


def _leave_out_extremes(found: MappedSignals, times: Times) -> None:
    """Make samples that no sensor gives invalid, before interpolation carries them over to their neighbours."""
    channels = tuple(found.channels)
    whole = Recording("", [Stream(1.0, channels, found.samples, found.scale, found.offset, found.invalid)])
    (marked,) = mark_extremes(whole).streams
    extreme = mask_from_runs(marked.invalid, marked.samples.shape)
    extreme &= ~mask_from_runs(found.invalid, marked.samples.shape)
    if not extreme.any():
        return
    found.invalid = marked.invalid
    for row in np.flatnonzero(extreme.any(axis=1)).tolist():
        first = int(np.argmax(extreme[row]))
        found.notes.append(
            f"No sensor gives {int(extreme[row].sum())} of the values of '{found.channels[row].source_name}', so they "
            f"are invalid; the first is in {times.row(first)} at {times.seconds()[first]:.6g} s."
        )


def _stated_rate(source: TextTable | ArrayFile, sfreq: float | str) -> float:
    if not isinstance(sfreq, str):
        return float(sfreq)
    rates = np.unique(source.numbers(sfreq) if isinstance(source, TextTable) else numbers(source, sfreq))
    if len(rates) != 1 or not (np.isfinite(rates[0]) and rates[0] > 0):
        raise UnreadableError(
            f"{source.path}: '{sfreq}' holds {', '.join(f'{rate:g}' for rate in rates[:4])}, where one rate in Hz was "
            "expected: correct sfreq."
        )
    return float(rates[0])
