"""Signals out of arrays: the meaning of axes, the smallest type that keeps their numbers, and reading in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.recording import BLOCK_BYTES
from biosig.signal import runs_from_mask
from ingest.adapters.tables.array_files import texts
from ingest.adapters.tables.array_readers import ArrayFile, Lists, Variable
from ingest.adapters.tables.signal_table import ArraySpec, Axis, SignalTable


@dataclass(frozen=True, slots=True)
class Part:
    """One variable as channels over time.

    Parameters
    ----------
    variable : Variable
        The array.
    axes : tuple of {"record", "channel", "time", None}
        Meaning of each of its axes; None = of length 1.
    record : int
        The index on the axis ``record``.
    """

    variable: Variable
    axes: tuple[Axis | None, ...]
    record: int = 0

    def length(self, axis: Axis) -> int:
        """Size of an axis; 1 if there is none such."""
        return self.variable.shape[self.axes.index(axis)] if axis in self.axes else 1

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples `start` to `stop`, shape (C, stop − start), in the file's type."""
        cuts: dict[Axis | None, slice] = {
            None: slice(0, 1),
            "record": slice(self.record, self.record + 1),
            "channel": slice(0, self.length("channel")),
            "time": slice(start, stop),
        }
        array = self.variable.read(tuple(cuts[axis] for axis in self.axes))
        order = sorted(range(array.ndim), key=lambda i: (self.axes[i] == "time", self.axes[i] == "channel"))
        return array.transpose(order).reshape(self.length("channel"), stop - start)


class ArraySamples(LazySamples):
    """Samples of one or more variables, one below the other.

    Parameters
    ----------
    parts : sequence of Part
        All of one length.
    dtype : dtype
        Type that they are brought to.
    rows : sequence of int, optional
        The rows to give; default all.
    """

    def __init__(self, parts: Sequence[Part], dtype: Any, rows: Sequence[int] | None = None) -> None:
        n_chans = sum(part.length("channel") for part in parts)
        super().__init__((n_chans if rows is None else len(rows), parts[0].length("time")), dtype)
        self._parts, self._rows = list(parts), None if rows is None else list(rows)

    @property
    def in_memory(self) -> bool:
        """True if the file's format made its arrays come into memory as a whole."""
        return all(part.variable.in_memory for part in self._parts)

    def native(self, start: int, stop: int) -> NDArray[Any]:
        """Samples as `read` gives them, but in the file's own type."""
        blocks = [part.read(start, stop) for part in self._parts]
        block = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return block if self._rows is None else block[self._rows]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples `start` to `stop`, shape (C, stop − start)."""
        return np.array(self.native(start, stop), self.dtype, order="C")


@dataclass(slots=True)
class ArraySignals:
    """Signals of one entry of a mapping: the channels' names, samples, invalid runs, and notes."""

    names: list[str]
    samples: ArraySamples
    invalid: NDArray[np.int64]
    notes: list[str]


def read_signals(file: ArrayFile, table: SignalTable, record: int, missing: Sequence[str]) -> ArraySignals:
    """The signals that a mapping finds in a file of arrays, still in that file.

    Parameters
    ----------
    file : ArrayFile
        The file.
    table : SignalTable
        The mapping's entry for them.
    record : int
        Index on the axis ``record``.
    missing : sequence of str
        Marks of missing values; those that are numbers mark samples that are not real values.

    Raises
    ------
    UnreadableError
        If a variable is absent or has another shape than the mapping says, or numbers do not fit into 32 bits.
    """
    if table.array is not None:
        names, parts = _of_array(file, table.array, record)
    else:
        axes: tuple[Axis, ...] = ("record", "time") if table.records else ("time",)
        names = [name for name in file.names if table.column(name)] or list(table.columns)
        parts = [_part(file, file.find(name), name, axes, record) for name in names]
    lengths = {part.length("time") for part in parts}
    if len(lengths) > 1 or 0 in lengths:
        raise UnreadableError(
            f"{file.path}: {', '.join(map(repr, names))} have {', '.join(map(str, sorted(lengths)))} samples: signals "
            "of one rate need one length above 0; give others an entry of their own under signals."
        )
    absent = [name for name in (*table.columns, *table.ignore) if table.array is not None and name not in names]
    if absent:
        raise UnreadableError(
            f"{file.path} has no channel {', '.join(map(repr, absent))}; it has {', '.join(names[:70])}: correct "
            "columns or ignore in the mapping."
        )
    rows = [row for row, name in enumerate(names) if name not in table.ignore]
    samples = ArraySamples(parts, np.float32, None if len(rows) == len(names) else rows)
    dtype, invalid, notes = survey(samples, _numbers_in(missing), file.path)
    samples.dtype = np.dtype(dtype)
    return ArraySignals([names[row] for row in rows], samples, invalid, notes)


def count_records(file: ArrayFile, table: SignalTable) -> int:
    """Number of recordings in a file whose mapping says that it holds several."""
    spec = table.array
    name: str | None
    axes: tuple[Axis, ...] = ("record", "time")
    if spec is None:
        name = next((name for name in file.names if table.column(name)), None)
        if name is None:
            raise file.absent(next(iter(table.columns)))
        variable = file.find(name)
    else:
        name, axes = spec.name, spec.axes
        variable = file.find(name) if name else file.only()
    if isinstance(variable, Lists):
        return len(variable)
    return _part(file, variable, name, axes, 0).length("record")


def _of_array(file: ArrayFile, spec: ArraySpec, record: int) -> tuple[list[str], list[Part]]:
    names = texts(file, spec.channels) if isinstance(spec.channels, str) else list(spec.channels)
    part = _part(file, file.find(spec.name) if spec.name else file.only(), spec.name, spec.axes, record)
    if part.length("channel") != len(names) or len(set(names)) < len(names):
        swapped = part.length("time") == len(names)
        raise UnreadableError(
            f"{file.path}: the array has shape {part.variable.shape} with axes {', '.join(spec.axes)}, so "
            f"{part.length('channel')} channels, where the mapping names {len(set(names))}: "
            + ("its axes look swapped." if swapped else "correct axes or channels.")
        )
    return names, [part]


def _part(file: ArrayFile, variable: Variable, name: str | None, axes: tuple[Axis, ...], record: int) -> Part:
    """The variable with its axes named; those of length 1 that the mapping does not count are passed over."""
    if isinstance(variable, Lists):
        if "record" not in axes:
            beside = "records: rows beside columns" if axes == ("time",) else "the axis record before the others"
            raise UnreadableError(
                f"{file.path}: each cell of '{name}' holds a list, so that a row is a recording: write {beside} in the "
                "mapping."
            )
        variable, axes = variable.row(record), tuple(axis for axis in axes if axis != "record")
    spare = len(variable.shape) - len(axes)
    if variable.dtype.kind not in "iufb":
        raise UnreadableError(f"{file.path}: '{name or 'the array'}' holds {variable.dtype}, not numbers.")
    left: list[Axis | None] = list(axes)
    named: list[Axis | None] = []
    for size in variable.shape:
        if size == 1 and spare > 0:
            named.append(None)
            spare -= 1
        elif left:
            named.append(left.pop(0))
        else:
            spare = -1
    if spare != 0 or left:
        raise UnreadableError(
            f"{file.path}: '{name or 'the array'}' has shape {variable.shape}, where the mapping says the axes "
            f"{', '.join(axes)}: correct axes."
        )
    return Part(variable, tuple(named), record)


def _numbers_in(texts: Sequence[str]) -> list[float]:
    numbers = []
    for text in texts:
        try:
            numbers.append(float(text))
        except ValueError:
            continue
    return [number for number in numbers if np.isfinite(number)]


def _native_blocks(samples: ArraySamples) -> Iterator[tuple[int, NDArray[Any]]]:
    length = max(BLOCK_BYTES // (8 * samples.shape[0]), 1)
    for start in range(0, samples.shape[1], length):
        yield start, samples.native(start, min(start + length, samples.shape[1]))


def survey(samples: ArraySamples, missing: Sequence[float], path: Path) -> tuple[Any, NDArray[np.int64], list[str]]:
    """One pass over all samples, block by block.

    Parameters
    ----------
    samples : ArraySamples
        Of any type.
    missing : sequence of float
        Numbers that mark samples that are not real values.
    path : Path
        Their file, for messages.

    Returns
    -------
    dtype : type
        int16, int32 or float32: the smallest that keeps them.
    invalid : ndarray of int64, shape (n_runs, 3)
        Runs of missing and non-finite samples.
    notes : list of str
        Notes on rounding.

    Raises
    ------
    UnreadableError
        If an integer fits into none of the three.
    """
    lowest, highest, rounded, whole = 0, 0, False, True
    runs: list[NDArray[np.int64]] = []
    for start, block in _native_blocks(samples):
        invalid = np.isin(block, missing) if missing else np.zeros(block.shape, bool)
        if block.dtype.kind == "f":
            whole = False
            finite = np.isfinite(block)
            invalid |= ~finite
            if block.dtype.itemsize > 4:
                with np.errstate(over="ignore"):  # becomes infinite, which `biosig.extremes` reports
                    narrow = block.astype(np.float32)
                rounded = rounded or bool((narrow != block)[finite].any())
        else:
            lowest, highest = min(lowest, int(block.min())), max(highest, int(block.max()))
        if invalid.any():
            runs.append(runs_from_mask(invalid) + np.array([0, start, start], np.int64))
    notes = ["Values are rounded to float32."] if rounded else []
    if not whole:
        return np.float32, _joined(runs), notes
    if lowest < -(2**31) or highest >= 2**31:
        raise UnreadableError(
            f"{path} has integers from {lowest} to {highest}, which 32 bits do not hold: save them as floats."
        )
    fits = lowest >= -(2**15) and highest < 2**15
    return np.int16 if fits else np.int32, _joined(runs), notes


def _joined(runs: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Runs of consecutive blocks, sorted, with those that a block's border cut in two made one again."""
    if not runs:
        return np.empty((0, 3), np.int64)
    all_runs = np.concatenate(runs)
    all_runs = all_runs[np.lexsort((all_runs[:, 1], all_runs[:, 0]))]
    begins = np.ones(len(all_runs), bool)
    begins[1:] = (all_runs[1:, 0] != all_runs[:-1, 0]) | (all_runs[1:, 1] != all_runs[:-1, 2])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(all_runs)) - 1
    return np.column_stack((all_runs[first, :2], all_runs[last, 2]))
