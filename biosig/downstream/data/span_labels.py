"""Span labels: the class of the event that fills, or happens in, each span of a few seconds.

Shape letters: N spans, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from biosig.batches.windows import RecordingSet, Windows, fixed_length_windows

HALF = 0.5
"""Share of a span that a lasting event must fill to be its label."""


def span_labels(
    ds: RecordingSet,
    events: Mapping[str, Sequence[str]],
    counts: Mapping[str, NDArray[np.bool_]],
    every: float,
    otherwise: bool,
) -> tuple[Windows, NDArray[np.int64], list[str]]:
    """Cut each recording into spans side by side from its start, and label each span.

    A span belongs to a class if events of the class fill half of it or more, or an event of the class without duration
    lies in it. Spans of several classes are left out and counted; so are spans without a class, unless that is a class.

    Parameters
    ----------
    ds : RecordingSet
        The recordings, such as a query of an index.
    events : mapping of str to sequence of str
        Class name → annotation labels.
    counts : mapping of str to ndarray of bool, shape (n_recordings,)
        Recordings in which the events of a class count; all, if the class is not named.
    every : float
        Seconds per span.
    otherwise : bool
        True if spans without an event are a class, the last.

    Returns
    -------
    windows : Windows
        N spans, ordered by recording, then onset.
    y : ndarray of int64, shape (N,)
        Class numbers.
    notes : list of str
        Numbers of spans left out, with the reason.
    """
    spans = fixed_length_windows(ds, every)
    share = np.stack(
        [_share(ds, spans, labels, counts.get(name), every) for name, labels in events.items()], axis=1
    )  # (N, K)
    has = share >= HALF - 1e-6
    several, none = has.sum(axis=1) > 1, ~has.any(axis=1)
    y = np.where(none, len(events), has.argmax(axis=1)).astype(np.int64)
    left_out = several if otherwise else several | none
    notes = []
    if several.any():
        notes.append(
            f"{int(several.sum())} of {len(spans)} spans of {every:g} s have several classes and are left out."
        )
    if none.any() and not otherwise:
        notes.append(f"{int(none.sum())} of {len(spans)} spans of {every:g} s have no class and are left out.")
    return spans[~left_out], y[~left_out], notes


def _share(
    ds: RecordingSet, spans: Windows, labels: Sequence[str], counts: NDArray[np.bool_] | None, every: float
) -> NDArray[np.float64]:
    """Share of each span (N,) that the events fill; an event without duration fills the span that it lies in."""
    table = ds.annotations
    table = table[table["label"].isin(list(labels))]
    if counts is not None:
        table = table[counts[table["recording"].to_numpy(np.int64)]]
    recording, start, lasts = (table[name].to_numpy(np.float64) for name in ("recording", "onset", "duration"))
    n_spans = np.bincount(spans.recording, minlength=len(ds))  # (n_recordings,)
    before = np.cumsum(n_spans) - n_spans
    # Each event once for every span that it touches.
    first = np.floor(start / every + 1e-9).astype(np.int64)
    last = np.maximum(np.ceil((start + lasts) / every - 1e-9).astype(np.int64) - 1, first)
    touched = last - first + 1
    event = np.repeat(np.arange(len(table)), touched)
    place = first[event] + np.arange(len(event)) - np.repeat(np.cumsum(touched) - touched, touched)
    overlap = np.minimum(start[event] + lasts[event], (place + 1) * every) - np.maximum(start[event], place * every)
    filled = np.where(lasts[event] > 0, overlap / every, 1.0)
    event_recording = recording[event].astype(np.int64)
    inside = (place >= 0) & (place < n_spans[event_recording])
    share = np.zeros(len(spans))
    np.add.at(share, before[event_recording[inside]] + place[inside], filled[inside])
    return share
