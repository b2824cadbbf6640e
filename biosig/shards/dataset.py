"""`open_shards`: a folder of shards as a collection of recordings that can be indexed, queried and sent to workers."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from biosig.errors import DataError, UsageError
from biosig.shards import spec
from biosig.shards.index import index_table, read_fingerprints, read_index, shard_paths
from biosig.shards.query import matching_rows, why_none
from biosig.shards.stored_recording import StoredRecording

log = logging.getLogger(__name__)


def open_shards(path: str | Path) -> ShardDataset:
    """Open a folder of shards, or one shard, without reading any signal.

    The folder's index is read when there is one. Without it the shards are read instead, which takes longer, and a
    warning is logged: a folder on read-only media can be used all the same.

    Parameters
    ----------
    path : str or Path
        A folder, or one ``.h5`` file.

    Returns
    -------
    ShardDataset
        All recordings, in the order of the index.

    Raises
    ------
    UsageError
        If the path does not exist or holds no shard.
    UnreadableError
        If the index or, without an index, a shard is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path} does not exist: give a folder of shards or one shard.")
    if path.is_file():
        return ShardDataset(path.parent, index_table([path]), path)
    if (path / spec.INDEX_NAME).exists():
        return ShardDataset(path, read_index(path / spec.INDEX_NAME), path)
    paths = shard_paths(path)
    if not paths:
        raise UsageError(f"{path} holds no shard (*{spec.SUFFIX}): check the path, or ingest something first.")
    log.warning(
        "%s has no %s: reading all shards instead; biosig.shards.build_index writes one.", path, spec.INDEX_NAME
    )
    return ShardDataset(path, index_table(paths), path)


class ShardDataset:
    """Recordings in shards, or a selection of them; made by `open_shards`.

    ``ds[3]`` is one recording; ``ds[rows]`` with a slice, row numbers or booleans is a view, as is `query`. Opened
    files belong to the process, not to this object, so it pickles to a worker as a path and row numbers.
    """

    def __init__(self, folder: Path, index: pa.Table, path: Path, rows: NDArray[np.int64] | None = None) -> None:
        self.folder = folder
        self._index = index
        self._path = path
        self._rows = rows
        """Rows of the index that this view shows; None = all."""

    def __len__(self) -> int:
        return self._index.num_rows if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, item: int | np.integer) -> StoredRecording: ...
    @overload
    def __getitem__(self, item: slice | ArrayLike) -> ShardDataset: ...
    def __getitem__(self, item: Any) -> StoredRecording | ShardDataset:
        if isinstance(item, int | np.integer):
            if not -len(self) <= item < len(self):
                raise IndexError(f"recording {item} of {len(self)}")
            paths, codes, rows = self._places
            at = int(item) if self._rows is None else int(self._rows[item])
            return StoredRecording(paths[codes[at]], int(rows[at]))
        chosen = self._selected[item if isinstance(item, slice) else _as_index(item, len(self))]
        return ShardDataset(self.folder, self._index, self._path, chosen)

    def __iter__(self) -> Iterator[StoredRecording]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<ShardDataset {self._path}: {len(self)} recordings>"

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._path, "rows": self._rows, "hash": self.hash}

    def __setstate__(self, state: dict[str, Any]) -> None:
        opened = open_shards(state["path"])
        self.__init__(opened.folder, opened._index, opened._path, state["rows"])  # type: ignore[misc]
        if (self._rows is not None and self._rows.max(initial=-1) >= opened._index.num_rows) or (
            self.hash != state["hash"]
        ):
            raise DataError(f"{self._path} has changed since it was opened: open it again.")

    @cached_property
    def _places(self) -> tuple[list[str], NDArray[np.integer], NDArray[np.int64]]:
        """Shard paths, and for each row of the index which of them and where in it."""
        shards = self._index["shard"].combine_chunks()
        shards = shards.dictionary_encode() if pa.types.is_string(shards.type) else shards
        paths = [str(self.folder / name) for name in shards.dictionary.to_pylist()]
        return paths, shards.indices.to_numpy(), self._index["row"].to_numpy()

    @property
    def _selected(self) -> NDArray[np.int64]:
        return np.arange(len(self)) if self._rows is None else self._rows

    @property
    def table(self) -> pa.Table:
        """The index of this view as an Arrow table."""
        return self._index if self._rows is None else self._index.take(self._rows)

    def to_pandas(self) -> pd.DataFrame:
        """The index of this view: one row per recording, in order; `labels` and `robust_scale` are JSON."""
        return self.table.to_pandas()

    @cached_property
    def hash(self) -> str:
        """A digest of the recordings' checksums, in the order of the index, however they are sharded or the view is."""
        checksums = self._index["checksum"].take(np.sort(self._selected)).to_pylist()
        return hashlib.sha256("".join(checksums).encode()).hexdigest()

    def by_content(self) -> ShardDataset:
        """A view in the order of content hashes, which hangs on no key, name or folder.

        Of recordings with equal samples their labels decide, then their ids.
        """
        columns = (self.table[name].to_pylist() for name in ("content_hash", "labels", "recording"))
        keys = list(zip(*columns, strict=True))
        return self[sorted(range(len(keys)), key=keys.__getitem__)]

    @property
    def fingerprints(self) -> list[bytes]:
        """Landmark fingerprints of the recordings, in order, from the index or else the shards; empty in older ones."""
        index = self._path / spec.INDEX_NAME
        found = read_fingerprints(index) if index.is_file() else None
        if found is None or len(found) != self._index.num_rows:
            return [recording.fingerprint for recording in self]
        return [found[row] for row in self._selected.tolist()]

    @cached_property
    def labels(self) -> pd.DataFrame:
        """One row per recording, in order, under its id; one column per label; missing where a recording has none."""
        rows = [json.loads(labels) for labels in self.table["labels"].to_pylist()]
        index = pd.Index(self.table["recording"].to_pylist(), name="recording", dtype=object)
        return pd.DataFrame.from_records(rows, index=index) if any(rows) else pd.DataFrame(index=index)

    @cached_property
    def subjects(self) -> pd.DataFrame:
        """One row per subject: `n_recordings`, `duration` in seconds, first known `age` and `sex`.

        Recordings without a subject share the row whose subject is missing.
        """
        index = self.table.select(["recording", "subject", "duration", "age", "sex"]).to_pandas()
        groups = index.groupby("subject", dropna=False, sort=False)
        return groups.agg(
            n_recordings=("recording", "size"), duration=("duration", "sum"), age=("age", "first"), sex=("sex", "first")
        ).reset_index()

    @cached_property
    def channels(self) -> pd.DataFrame:
        """One row per distinct channel, with the number of recordings that have it. Opens every shard."""
        counts: dict[tuple[Any, ...], int] = {}
        for recording in self:
            for c in recording.channels:
                key = (c.name, c.source_name, c.kind, c.unit, *map(_missing, (*c.position, *c.reference)))
                counts[*key, c.position_source] = counts.get((*key, c.position_source), 0) + 1
        names = ["name", "source_name", "kind", "unit", "x", "y", "z", "ref_x", "ref_y", "ref_z", "position_source"]
        frame = pd.DataFrame.from_records(list(counts), columns=names)
        frame["n_recordings"] = list(counts.values())
        return frame.astype(dict.fromkeys(names[4:10], float))

    @cached_property
    def annotations(self) -> pd.DataFrame:
        """All events: `recording` (row in this view), `onset` and `duration` in seconds, `label`. Opens every shard."""
        rows = [
            (row, event.onset, event.duration, event.label)
            for row, recording in enumerate(self)
            for event in recording.annotations
        ]
        frame = pd.DataFrame.from_records(rows, columns=["recording", "onset", "duration", "label"])
        return frame.astype({"recording": np.int64, "onset": float, "duration": float})

    def query(self, expression: str, may_be_empty: bool = True) -> ShardDataset:
        """Recordings for which a pandas expression over index and label columns is true.

        Parameters
        ----------
        expression : str
            As in `pandas.DataFrame.query`: ``"age >= 60 and diagnosis == 'NORM'"``. A column of the index wins over
            a label of the same name; one with spaces stands in backticks.
        may_be_empty : bool
            True if no recording at all may match: then a `NoMatchWarning` names the values that exist, else an error.

        Returns
        -------
        ShardDataset
            A view; nothing is copied.

        Raises
        ------
        UsageError
            If the expression cannot be evaluated, is not true or false for each recording, or matches none that must
            match one.
        """
        frame = self.to_pandas()
        labels = self.labels.reset_index(drop=True)
        frame = pd.concat((frame, labels.drop(columns=[c for c in labels if c in frame])), axis=1)
        mask = matching_rows(frame, expression)
        if not mask.any() and not may_be_empty:
            raise UsageError(why_none(frame, expression))
        if not mask.any():
            warnings.warn(why_none(frame, expression), NoMatchWarning, stacklevel=2)
        return self[mask]


class NoMatchWarning(UserWarning):
    """A query matches no recording."""


def _as_index(item: ArrayLike, length: int) -> NDArray[Any]:
    index = np.asarray(item)
    if index.size == 0:
        return index.astype(np.int64)
    if index.dtype == bool and len(index) != length:
        raise UsageError(f"A selection of {len(index)} booleans does not fit {length} recordings.")
    return index


def _missing(coordinate: float) -> float | None:
    """NaN as None: NaN is not equal to itself and would make every channel a new one."""
    return None if coordinate != coordinate else coordinate
