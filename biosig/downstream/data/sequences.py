"""Sequences of spans that a model reads in context: many spans in one long window, each with an output of its own.

A recording is cut into windows side by side, and the windows into spans: ten stages of sleep in five minutes of a
night. Spans are scored; windows are encoded. Shape letters: N labelled spans, M windows, S spans in a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.batches.windows import Windows
from biosig.downstream.data.splits import Split
from biosig.evaluate.splits import Rows

UNLABELLED = -1
"""Class number of a span without a known class."""


@dataclass(frozen=True)
class SpanLayout:
    """The windows that spans lie in.

    Parameters
    ----------
    windows : Windows
        M windows; the last of a recording may be shorter.
    context, place : ndarray of int64, shape (N,)
        The window of each span, and the span's place in it.
    n_spans : int
        Number of spans in a window, S.
    """

    windows: Windows
    context: NDArray[np.int64]
    place: NDArray[np.int64]
    n_spans: int

    @classmethod
    def of(cls, spans: Windows, length: float, every: float) -> SpanLayout:
        """The windows of `length` seconds in which spans of `every` seconds lie, of a grid that begins at 0 s."""
        n_spans = round(length / every)
        number = np.round(spans.onset / every).astype(np.int64)
        keys = np.stack((spans.recording, number // n_spans), axis=1)  # (N, 2)
        each, context = np.unique(keys, axis=0, return_inverse=True)
        lasts = spans.ds.to_pandas()["duration"].to_numpy(np.float64)[each[:, 0]]
        onset = (each[:, 1] * length).astype(np.float64)
        windows = Windows(spans.ds, each[:, 0], onset, (lasts - onset).clip(max=length))
        return cls(windows, context.reshape(-1), number % n_spans, n_spans)

    @classmethod
    def alone(cls, windows: Windows) -> SpanLayout:
        """The layout of windows that are one span each."""
        return cls(windows, np.arange(len(windows)), np.zeros(len(windows), np.int64), 1)

    def truth(self, y: NDArray[Any]) -> NDArray[Any]:
        """Arrange class numbers (N,) as (M, S), `UNLABELLED` in other spans; with S = 1 labels stay as they are."""
        if self.n_spans == 1:
            return y
        laid = np.full((len(self.windows), self.n_spans), UNLABELLED, np.int64)
        laid[self.context, self.place] = y
        return laid

    def parts(self, parts: Split) -> Split:
        """The windows of each part; all spans of a window are in one part."""
        return Split(*(np.unique(self.context[rows]) for rows in (parts.train, parts.validation, parts.test)))

    def read_for(self, rows: Rows) -> tuple[Rows, NDArray[np.int64]]:
        """The windows (m,) to read for some spans (n,), and the places of their outputs among the windows' m · S."""
        read, among = np.unique(self.context[rows], return_inverse=True)
        return read, among.reshape(-1) * self.n_spans + self.place[rows]


def labelled(y: NDArray[Any], prediction: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels and predictions of labelled rows: of class numbers (m, S), the labelled spans; other labels unchanged."""
    if y.dtype.kind != "i":
        return y, prediction
    flat = y.reshape(-1)
    return flat[flat != UNLABELLED], prediction[flat != UNLABELLED]
