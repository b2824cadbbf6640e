"""Several sets of recordings as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import pandas as pd

from biosig.batches.windows import ReadableRecording, RecordingSet
from biosig.errors import UsageError


class JoinedSet:
    """The recordings of several sets, one set after the other.

    Parameters
    ----------
    sets : sequence of RecordingSet
        At least one.

    Raises
    ------
    UsageError
        If two recordings have one id, which no table of results could tell apart.
    """

    def __init__(self, sets: Sequence[RecordingSet]) -> None:
        self._sets = list(sets)
        self._begins = [0, *accumulate(map(len, self._sets))]
        ids = self.to_pandas()["recording"]
        if ids.duplicated().any():
            twice = ids[ids.duplicated()].iloc[0]
            raise UsageError(f"Two of the sources have a recording '{twice}': take them one by one.")

    def __len__(self) -> int:
        return self._begins[-1]

    def __getitem__(self, row: int) -> ReadableRecording:
        number = bisect_right(self._begins, row) - 1
        return self._sets[number][row - self._begins[number]]

    @property
    def annotations(self) -> pd.DataFrame:
        """All events; `recording` is the row here."""
        parts = [of.annotations for of in self._sets]
        return pd.concat(
            [
                part.assign(recording=part["recording"] + begin)
                for part, begin in zip(parts, self._begins, strict=False)
            ],
            ignore_index=True,
        )

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording."""
        return pd.concat([of.to_pandas() for of in self._sets], ignore_index=True)
