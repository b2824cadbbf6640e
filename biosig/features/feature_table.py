"""Features of every window of a source as one table, which joins with the table of `biosig.embed`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from biosig.batches.window_map import window_map
from biosig.batches.windows import LeftOutWarning, Windows
from biosig.errors import DataError
from biosig.features.registry import check_kinds, features
from biosig.features.row import measure
from biosig.progress import Progress
from biosig.recording import Recording
from biosig.sources import as_windows
from biosig.table_parts import fingerprint_of, write_in_parts

PART_WINDOWS = 512
"""Windows per part file: what a kill can cost."""

Row = tuple[dict[str, float], tuple[str, ...]]
"""Values by column name, and notes."""


def table(
    source: Any,
    window: float | None = 10.0,
    stride: float | None = None,
    keep_tail: bool = False,
    kinds: Sequence[str] | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    **array_options: Any,
) -> pa.Table:
    """Features of every window of a source.

    Parameters
    ----------
    source : path, ShardDataset, Windows, Recording, list of Recording, mne Raw or Epochs, wfdb Record, or array
        As `biosig.embed` takes it, array options included.
    window, stride : float
        Seconds per window and from one onset to the next; `stride` defaults to `window`. `window=None` takes each
        recording whole, as one window.
    keep_tail : bool
        Also take what is left after the last whole window, and recordings shorter than a window.
    kinds : sequence of str, optional
        "ecg", "ppg", "eeg"; default all.
    workers : int
        Background processes; 0 = none. A script must then guard its start with ``if __name__ == "__main__"``.
    progress : callable, optional
        Called after each window.

    Returns
    -------
    pyarrow.Table
        One row per window: recording, subject, onset and duration (s) as in the table of `biosig.embed`; notes (list of
        sentences on what was left out and why); then a column of float64 for each value ("ecg.rate",
        "ecg.r_amplitude[V1]"). A value is NaN where it cannot be had, and null where the window has no such channel.

    Raises
    ------
    UsageError
        If the source is of no known type or gives no window, or a kind has no features.
    DataError
        If no recording has a channel of these kinds.

    Warns
    -----
    LeftOutWarning
        If recordings are shorter than a window, or have no channel of these kinds.
    """
    windows = as_windows(source, window, stride, keep_tail, **array_options)
    tables = [part for _, part in _tables(windows, check_kinds(kinds), workers, progress, (0, len(windows)))]
    return pa.concat_tables(tables, promote_options="default").drop(["window"])


def table_to_file(
    windows: Windows,
    out: Path,
    kinds: Sequence[str] | None = None,
    workers: int = 0,
    progress: Progress | None = None,
) -> Path:
    """As `table`, into a Parquet file in bounded memory; killed and called again, it goes on where it was.

    Raises
    ------
    DataError
        If the parts there belong to another source, windows, kinds or version of the features.
    """
    chosen = check_kinds(kinds)
    columns = [column.name for kind in chosen for entry in features(kind) for column in entry.columns]
    return write_in_parts(
        out,
        len(windows),
        partial(_tables, windows, chosen, workers, progress),
        PART_WINDOWS,
        {"windows": fingerprint_of(windows), "kinds": chosen, "columns": columns},
        "table of features of another source, window or kind, or by another version",
    )


def _tables(
    windows: Windows, kinds: Sequence[str], workers: int, progress: Progress | None, span: tuple[int, int]
) -> Iterator[tuple[int, pa.Table]]:
    """Tables of the windows of a span of numbers, each with the number that it reaches."""
    has, subjects = _with_kinds(windows, kinds), windows.subjects
    with window_map(windows, partial(_row, kinds=tuple(kinds)), workers) as rows_of:
        for first in range(*span, PART_WINDOWS):
            numbers = np.arange(first, min(first + PART_WINDOWS, span[1]))
            used = numbers[has[windows.recording[numbers]]].tolist()
            found: list[Row] = []
            for number, row in zip(used, rows_of(used), strict=True):
                found.append(row)
                if progress:
                    progress("features", number + 1, len(windows))
            reached = int(numbers[-1]) + 1
            if progress and (not used or used[-1] + 1 < reached):
                progress("features", reached, len(windows))
            yield reached, _table(windows, subjects, used, found)


def _with_kinds(windows: Windows, kinds: Sequence[str]) -> NDArray[np.bool_]:
    """Recordings of the dataset that have a channel of these kinds, among those that a window lies in."""
    rows = np.unique(windows.recording)
    has = np.zeros(len(windows.ds), bool)
    for row in rows.tolist():
        has[row] = any(channel.kind in kinds for channel in windows.ds[row].channels)
    without = rows[~has[rows]]
    if len(without):
        first = windows.ds[int(without[0])].id
        if len(without) == len(rows):
            raise DataError(
                f"None of {len(rows)} recordings has a channel of kind {', '.join(kinds)}, the first is '{first}': "
                "look at the kinds of its channels with 'biosig inspect FILE', or choose other recordings."
            )
        warnings.warn(
            f"Recordings without a channel of kind {', '.join(kinds)} give no row: {len(without)} of "
            f"{len(windows.ds)}, the first is '{first}'. 'biosig inspect FILE' lists what kind each channel is of.",
            LeftOutWarning,
            stacklevel=4,
        )
    return has


def _row(recording: Recording, kinds: Sequence[str]) -> Row:
    values, notes = measure(recording, kinds)
    return values, notes if values else ("no sample of these kinds in this window",)


def _table(windows: Windows, subjects: NDArray[Any], numbers: Sequence[int], rows: Sequence[Row]) -> pa.Table:
    names = list(dict.fromkeys(name for values, _ in rows for name in values))
    place = {name: column for column, name in enumerate(names)}
    cells = np.full((len(names), len(rows)), np.nan)
    absent = np.ones(cells.shape, bool)
    for row, (values, _) in enumerate(rows):
        columns = [place[name] for name in values]
        cells[columns, row] = list(values.values())
        absent[columns, row] = False
    ids = [windows.ds[recording].id for recording in windows.recording[numbers].tolist()]
    known = {
        "window": pa.array(numbers, pa.int64()),
        "recording": pa.array(ids, pa.string()),
        "subject": pa.array(list(subjects[numbers]), pa.string()),
        "onset": pa.array(windows.onset[numbers], pa.float64()),
        "duration": pa.array(windows.duration[numbers], pa.float64()),
        "notes": pa.array([list(notes) for _, notes in rows], pa.list_(pa.string())),
    }
    return pa.table(known | {name: pa.array(cells[i], mask=absent[i]) for name, i in place.items()})
