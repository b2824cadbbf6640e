"""Windows that lie whole within an annotated interval, such as a rhythm or a stage of sleep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biosig.batches.windows import RecordingSet, Windows
from biosig.errors import DataError, UsageError

_TOLERANCE = 1e-6  # s, as in biosig.batches.windows


def windows_in_intervals(
    ds: RecordingSet, labels: Sequence[str], length: float, stride: float | None = None
) -> Windows:
    """Windows side by side within each interval that has one of the labels.

    Parameters
    ----------
    ds : RecordingSet
        The recordings, such as a query of an index.
    labels : sequence of str
        Annotation labels to take, compared exactly ("(AFIB").
    length : float
        Seconds per window.
    stride : float, optional
        Seconds from one onset to the next; default `length`. The first window begins with the interval.

    Returns
    -------
    Windows
        With the interval's label, in the order of the annotations. Intervals shorter than `length` give no window.

    Raises
    ------
    UsageError
        If `length` or `stride` is not positive.
    DataError
        If no annotation has any of the labels; the message lists the labels with a duration.
    """
    stride = length if stride is None else stride
    if not (length > 0 and stride > 0):
        raise UsageError(f"Windows need a positive length and stride, not {length:g} s and {stride:g} s.")
    table = ds.annotations
    spans = table[table["label"].isin(list(labels))]
    if spans.empty:
        lasting = ", ".join(sorted(table.loc[table["duration"] > 0, "label"].astype(str).unique())[:20]) or "none"
        raise DataError(f"No annotation is labelled {' or '.join(map(repr, labels))}; labels that last: {lasting}.")
    fitting = np.floor((spans["duration"].to_numpy(np.float64) - length + _TOLERANCE) / stride).astype(np.int64) + 1
    fitting = fitting.clip(min=0)
    span = np.repeat(np.arange(len(spans)), fitting)
    place = np.arange(len(span)) - np.repeat(np.cumsum(fitting) - fitting, fitting)
    return Windows(
        ds,
        spans["recording"].to_numpy(np.int64)[span],
        spans["onset"].to_numpy(np.float64)[span] + place * stride,
        np.full(len(span), float(length)),
        spans["label"].to_numpy(object)[span],
    )
