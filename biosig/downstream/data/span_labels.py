"""A label every few seconds: which class of event fills, or happens in, each span of a recording.

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
    """Spans side by side from the start of each recording, and the class of each.

    A span belongs to the class whose events last for half of it or more, or of which an event without duration lies in
    it. Spans of several classes are left out and counted; so are those of none, unless that is a class too.

    Parameters
    ----------
    ds : RecordingSet
        Any query of an index.
    events : mapping of str to sequence of str
        Class name → annotation labels.
    counts : mapping of str to ndarray of bool, shape (n_recordings,)
        In which recordings the events of a class count; all, where it is not named.
    every : float
        Seconds per span.
    otherwise : bool
        Whether spans without event are a class, the last.

    Returns
    -------
    windows : Windows
        N spans, ordered by recording, then onset.
    y : ndarray of int64, shape (N,)
        Class numbers.
    notes : list of str
        How many were left out, and why.
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
    """How much of each span (N,) the events fill; one without duration fills the span that it lies in."""
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
    of = recording[event].astype(np.int64)
    inside = (place >= 0) & (place < n_spans[of])
    share = np.zeros(len(spans))
    np.add.at(share, before[of[inside]] + place[inside], filled[inside])
    return share
