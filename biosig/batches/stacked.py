"""Recordings of two sets as one set: one to train on, the other to test on."""

from __future__ import annotations

import pandas as pd

from biosig.batches.windows import ReadableRecording, RecordingSet


class StackedSet:
    """The recordings of one set, then those of another.

    Parameters
    ----------
    first, second : RecordingSet
        The sets; rows of the second follow those of the first.
    """

    def __init__(self, first: RecordingSet, second: RecordingSet) -> None:
        self._first, self._second = first, second

    @property
    def annotations(self) -> pd.DataFrame:
        """The annotations of both."""
        return pd.concat([self._first.annotations, self._second.annotations], ignore_index=True)

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, row: int) -> ReadableRecording:
        return self._first[row] if row < len(self._first) else self._second[row - len(self._first)]

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording; columns that one of the sets lacks are empty there."""
        return pd.concat([self._first.to_pandas(), self._second.to_pandas()], ignore_index=True)
