"""Several sets of recordings as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.batches.mapped_recordings import MappedRecordings
from biosig.batches.windows import ReadableRecording, RecordingSet


class ConcatRecordings:
    """The recordings of several sets, one set after the other.

    Parameters
    ----------
    sets : sequence of RecordingSet
        At least one.
    """

    def __init__(self, sets: Sequence[RecordingSet]) -> None:
        self.sets = list(sets)
        self._starts = np.cumsum([0, *(len(ds) for ds in self.sets)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, row: int) -> ReadableRecording:
        which = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self.sets[which][row - int(self._starts[which])]

    def source_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the set that each row (B,) is of."""
        return np.searchsorted(self._starts, rows, side="right") - 1

    def stored_rows(self, rows: NDArray[np.int64], sizes: Sequence[int]) -> NDArray[np.int64]:
        """Rows (B,) as numbers in the sets within all wrappers, of these sizes, one after the other."""
        source, within = self.source_of(rows), rows - self._starts[self.source_of(rows)]
        stored = np.empty_like(rows)
        for number, (ds, start) in enumerate(zip(self.sets, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True)):
            own, inner = source == number, ds
            below = within[own]
            while isinstance(inner, MappedRecordings):
                below = inner.rows_within(below)
                inner = inner.ds
            stored[own] = start + below
        return stored

    @property
    def annotations(self) -> pd.DataFrame:
        """All annotations, with recordings numbered through."""
        tables = [
            ds.annotations.assign(recording=ds.annotations["recording"] + start)
            for ds, start in zip(self.sets, self._starts[:-1], strict=True)
        ]
        return pd.concat(tables, ignore_index=True)

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording, with the columns of all sets, empty where a set has none of that name."""
        tables = [ds.to_pandas() for ds in self.sets]
        columns = list(dict.fromkeys(name for table in tables for name in table.columns))
        # Categories differ between sets, and a column without a value must not decide the type of the others.
        filled = [_without_categories(table).dropna(axis="columns", how="all") for table in tables]
        return pd.concat(filled, ignore_index=True).reindex(columns=columns)


def _without_categories(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(dict.fromkeys(table.select_dtypes("category").columns, object))
