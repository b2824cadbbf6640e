"""Targets of a run's windows: measured once for each source, kept beside its shards, read by every later run.

A table holds one source's whole grid, `SHARDS/targets/NAME-DIGEST.parquet`; the digest is of all that the values depend
on: the recordings and the grid, what the source alters, and the maker's version. So another version, or changed shards,
give another table, and older ones may be deleted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from biosig.batches.joined import ConcatRecordings
from biosig.batches.window_map import window_map
from biosig.batches.windows import Windows, fixed_length_windows
from biosig.config import to_dict
from biosig.errors import UnreadableError
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.targets import TARGETS, TargetMaker, Targets
from biosig.progress import Progress
from biosig.table_parts import fingerprint_of, write_in_parts

logger = logging.getLogger(__name__)

PART_WINDOWS = 256
"""Windows per part file: the most that a kill can cost."""

_ARRAY = "values"
_KEYS = ("recording", "onset")
_CHOICE = ("shards", "query", "share", "window", "stride")
"""Keys of a source that choose recordings and windows, and leave those that they choose as they are."""


def target_names(config: PretrainConfig) -> tuple[str, ...]:
    """The makers that the terms of a run name, each once."""
    return tuple(dict.fromkeys(name for term in config.objective for name in term.targets))


def load_targets(
    config: PretrainConfig, windows: Windows, names: Sequence[str], progress: Progress | None = None
) -> Targets:
    """Measure missing targets, and read the targets of some windows of a run.

    Parameters
    ----------
    config : PretrainConfig
        The run; `workers` background processes measure.
    windows : Windows
        Some of those that `biosig.pretrain.windows.load_windows` gives.
    names : sequence of str
        Makers in `TARGETS`.
    progress : callable, optional
        Told of every window that is measured.

    Raises
    ------
    UnreadableError
        If a table is damaged.
    UsageError
        If another process is measuring the same.
    """
    assert isinstance(windows.ds, ConcatRecordings)
    columns, values = {}, {}
    for name in names:
        maker, parts, first = TARGETS[name](), [], 0
        for source, ds in zip(config.sources, windows.ds.sets, strict=True):
            whole = fixed_length_windows(ds, *config.grid_of(source))
            mine = np.flatnonzero((windows.recording >= first) & (windows.recording < first + len(ds)))
            table = _read(_measured(config, source, whole, maker, progress), len(whole))
            parts.append((mine, table.take(_rows_in(whole, windows.recording[mine] - first, windows.onset[mine]))))
            first += len(ds)
        columns[name], values[name] = _joined(maker, parts, len(windows))
    return Targets(columns, values, windows.ds.source_of(windows.recording))


def _rows_in(whole: Windows, recording: NDArray[np.int64], onset: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers of windows in a source's grid."""
    return pd.MultiIndex.from_arrays([whole.recording, whole.onset]).get_indexer([recording, onset])


def _joined(
    maker: TargetMaker, parts: Sequence[tuple[NDArray[np.int64], pa.Table]], n_windows: int
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Columns, and values (n_windows, …), of the tables of several sources, each with the windows that it is of."""
    if maker.shape is not None:
        array = np.full((n_windows, *maker.shape), np.nan, np.float32)
        for rows, table in parts:
            flat = table[_ARRAY].combine_chunks()
            has_value = np.asarray(flat.is_valid())
            array[rows[has_value]] = np.asarray(flat.drop_null().flatten()).reshape(-1, *maker.shape)
        return maker.columns, array
    names = sorted({name for _, table in parts for name in table.column_names} - {*_KEYS})
    numbers = np.full((n_windows, len(names)), np.nan, np.float32)
    place = {name: column for column, name in enumerate(names)}
    for rows, table in parts:
        for name, values in zip(table.column_names, table.columns, strict=True):
            if name in place:
                numbers[rows, place[name]] = values.to_numpy()
    return tuple(names), numbers


def _measured(
    config: PretrainConfig, source: SourceConfig, whole: Windows, maker: TargetMaker, progress: Progress | None
) -> Path:
    """The table of a source's windows; it is written if it is not there."""
    identity = {
        "maker": maker.name,
        "version": maker.version,
        "windows": fingerprint_of(whole),
        "altered": _alterations(source),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    path = _folder(config, source) / f"{maker.name}-{digest}.parquet"
    if not path.exists():
        logger.info("Measuring %s of %d windows of %s, kept in %s.", maker.name, len(whole), source.shards, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        tables = partial(_tables, whole, maker, config.workers, progress)
        write_in_parts(path, len(whole), tables, PART_WINDOWS, identity, "targets of other windows")
    return path


def _folder(config: PretrainConfig, source: SourceConfig) -> Path:
    """Folder of a source's tables: beside its shards, or in the run's folder where nothing can be written there."""
    shards = source.shards if source.shards.is_dir() else source.shards.parent
    if (shards / "targets").is_dir() or os.access(shards, os.W_OK):
        return shards / "targets"
    logger.warning("Nothing can be written to %s: targets are kept in %s.", shards, config.out)
    return config.out / "targets"


def _alterations(source: SourceConfig) -> dict[str, Any]:
    """Keys of a source that alter its recordings and are not at their defaults."""
    given = to_dict(source)
    usual = {field.name: field.default for field in fields(source)}
    return {key: value for key, value in given.items() if key not in _CHOICE and value != usual[key]}


def _tables(
    windows: Windows, maker: TargetMaker, workers: int, progress: Progress | None, span: tuple[int, int]
) -> Iterator[tuple[int, pa.Table]]:
    """Tables of the windows of a span of numbers, each with the number that it reaches."""
    nothing: dict[str, float] | None = {} if maker.shape is None else None
    rows = np.unique(windows.recording).tolist()
    carrying = [row for row in rows if {channel.kind for channel in windows.ds[row].channels} & {*maker.kinds}]
    with window_map(windows, maker, workers) as targets_of:
        for first in range(*span, PART_WINDOWS):
            numbers = np.arange(first, min(first + PART_WINDOWS, span[1]))
            found: list[Any] = [nothing] * len(numbers)
            measured = numbers[np.isin(windows.recording[numbers], carrying)].tolist()
            for number, targets in zip(measured, targets_of(measured), strict=True):
                found[number - first] = targets
                if progress:
                    progress("targets", number + 1, len(windows), maker.name)
            ids = [windows.ds[recording].id for recording in windows.recording[numbers].tolist()]
            keys = {"window": numbers, "recording": pa.array(ids, pa.string()), "onset": windows.onset[numbers]}
            yield int(numbers[-1]) + 1, pa.table({**keys, **_columns(maker, found)})


def _columns(maker: TargetMaker, found: Sequence[Any]) -> dict[str, pa.Array]:
    if maker.shape is not None:
        flat = [None if array is None else np.asarray(array, np.float32).reshape(-1) for array in found]
        return {_ARRAY: pa.array(flat, pa.list_(pa.float32(), int(np.prod(maker.shape))))}
    names: Mapping[str, None] = dict.fromkeys(name for numbers in found for name in numbers)
    return {name: pa.array([numbers.get(name) for numbers in found], pa.float32()) for name in names}


def _read(path: Path, n_windows: int) -> pa.Table:
    """A table of `n_windows` rows.

    Raises
    ------
    UnreadableError
        If it is damaged.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise UnreadableError(f"{path} is damaged ({error}): delete it, and it is measured again.") from None
    if table.num_rows != n_windows:
        raise UnreadableError(
            f"{path} has {table.num_rows} rows for {n_windows} windows: delete it, and it is measured again."
        )
    return table
