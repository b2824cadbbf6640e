"""Windows: parts of recordings, on a grid or around events, in seconds, over any query of the index."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.errors import DataError, EmptyWindowError, UsageError
from biosig.recording import Channel, Recording, Subject

_TOLERANCE = 1e-6  # s: far below one sample, above the rounding of onset arithmetic


class LeftOutWarning(UserWarning):
    """Some of the recordings or events that were given are in no window, or their windows give no row."""


class ReadableRecording(Protocol):
    """A recording whose signals are read a window at a time."""

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def subject(self) -> Subject | None: ...  # noqa: D102

    @property
    def channels(self) -> list[Channel]: ...  # noqa: D102

    @property
    def report(self) -> str | None: ...  # noqa: D102

    @property
    def content_hash(self) -> str: ...  # noqa: D102

    @property
    def fingerprint(self) -> bytes: ...  # noqa: D102

    def read(self, onset: float = 0.0, duration: float | None = None) -> Recording: ...  # noqa: D102

    def read_signals(self, onset: float, duration: float) -> Recording: ...  # noqa: D102


class RecordingSet(Protocol):
    """Recordings that windows are taken from: a shard dataset, or recordings in memory."""

    @property
    def annotations(self) -> pd.DataFrame: ...  # noqa: D102

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> ReadableRecording: ...

    def to_pandas(self) -> pd.DataFrame: ...  # noqa: D102


@dataclass(frozen=True)
class Windows:
    """Segments of the recordings of one dataset, as columns of equal length.

    Parameters
    ----------
    ds : RecordingSet
        The set of recordings.
    recording : ndarray of int64, shape (B,)
        Row of each window's recording in `ds`.
    onset, duration : ndarray of float64, shape (B,)
        Seconds from the recording's start, and seconds.
    label : ndarray of object, shape (B,), or None
        The event's label, for event-locked windows.
    """

    ds: RecordingSet
    recording: NDArray[np.int64]
    onset: NDArray[np.float64]
    duration: NDArray[np.float64]
    label: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.recording)

    def __getitem__(self, index: NDArray[Any] | slice) -> Windows:
        """A selection of windows, by slice, integer array or boolean mask."""
        label = None if self.label is None else self.label[index]
        return replace(
            self, recording=self.recording[index], onset=self.onset[index], duration=self.duration[index], label=label
        )

    @property
    def subjects(self) -> NDArray[Any]:
        """The subject's pseudonym of each window, shape (B,); None where the index has none."""
        column = self.ds.to_pandas()["subject"].astype(object)
        return column.where(column.notna(), None).to_numpy(object)[self.recording]

    def read(self, i: int) -> Recording:
        """Read window `i`: a Recording cropped to it, without streams where the recording has no sample in it.

        Such are the windows before a late first sample, and a tail shorter than half a sample.
        """
        recording = self.ds[int(self.recording[i])]
        try:
            return recording.read(float(self.onset[i]), float(self.duration[i]))
        except EmptyWindowError:
            return Recording(recording.id, [], subject=recording.subject)

    def read_signals(self, i: int) -> Recording:
        """As `read`, without metadata that a model does not use: only id and robust scale."""
        recording = self.ds[int(self.recording[i])]
        try:
            return recording.read_signals(float(self.onset[i]), float(self.duration[i]))
        except EmptyWindowError:
            return Recording(recording.id, [])


def fixed_length_windows(
    ds: RecordingSet, length: float, stride: float | None = None, keep_tail: bool = False
) -> Windows:
    """Windows side by side over each recording.

    Parameters
    ----------
    ds : RecordingSet
        Any query of an index.
    length : float
        Seconds per window.
    stride : float, optional
        Seconds from one onset to the next; default `length` (no overlap, no gap).
    keep_tail : bool
        Also take the rest after the last whole window, as a shorter window. A recording shorter than `length`
        is all tail.

    Returns
    -------
    Windows
        Ordered by recording, then onset.

    Raises
    ------
    UsageError
        If `length` or `stride` is not positive.
    """
    stride = length if stride is None else stride
    if not (length > 0 and stride > 0):
        raise UsageError(f"A grid needs a positive length and stride, not {length:g} s and {stride:g} s.")
    durations = np.asarray(ds.to_pandas()["duration"], np.float64)
    whole = np.floor((durations - length + _TOLERANCE) / stride).astype(np.int64) + 1
    whole = np.where(durations + _TOLERANCE >= length, whole, 0)
    recording = np.repeat(np.arange(len(durations)), whole)
    first = np.repeat(np.cumsum(whole) - whole, whole)
    onset = (np.arange(whole.sum()) - first) * stride
    duration = np.full(len(onset), float(length))
    if keep_tail:
        reached = np.where(whole > 0, (whole - 1) * stride + length, 0.0)
        tail_onset = np.where(whole > 0, whole * stride, 0.0)
        rows = np.flatnonzero((durations > reached + _TOLERANCE) & (durations > tail_onset + _TOLERANCE))
        recording = np.concatenate((recording, rows))
        onset = np.concatenate((onset, tail_onset[rows]))
        duration = np.concatenate((duration, durations[rows] - tail_onset[rows]))
        order = np.lexsort((onset, recording))
        recording, onset, duration = recording[order], onset[order], duration[order]
    return Windows(ds, recording.astype(np.int64), onset.astype(np.float64), duration)


def warn_of_left_out(windows: Windows) -> None:
    """Warn of recordings that no window is in: of a grid, those that are shorter than one."""
    rows = np.setdiff1d(np.arange(len(windows.ds)), windows.recording)
    if len(rows) and len(windows):
        warnings.warn(
            f"Recordings shorter than a window of {windows.duration.max():g} s are left out: {len(rows)} of "
            f"{len(windows.ds)}, the first is '{windows.ds[int(rows[0])].id}'.",
            LeftOutWarning,
            stacklevel=3,
        )


def event_windows(ds: RecordingSet, labels: str | Sequence[str], before: float, after: float) -> Windows:
    """Windows locked to events: from `before` seconds before each annotation's onset to `after` seconds after it.

    Parameters
    ----------
    ds : RecordingSet
        Any query of an index.
    labels : str or sequence of str
        Annotation labels to take, compared to the letter.
    before, after : float
        Seconds; negative `before` starts after the onset.

    Returns
    -------
    Windows
        One per event that fits its recording whole, with the event's label. Events too close to an end of the
        recording are left out: a shorter window would tell the label by its length.

    Raises
    ------
    UsageError
        If the window has no length.
    DataError
        If no recording has any of the labels; the sentence names those that exist.
    """
    wanted = [labels] if isinstance(labels, str) else list(labels)
    if before + after <= 0:
        raise UsageError(f"A window from {-before:g} s to {after:g} s around an event has no length.")
    table = ds.annotations
    events = table[table["label"].isin(wanted)]
    if events.empty:
        found = ", ".join(map(str, sorted(table["label"].unique())[:20])) or "none"
        raise DataError(f"No annotation is labelled {' or '.join(map(repr, wanted))}; labels present: {found}.")
    durations = np.asarray(ds.to_pandas()["duration"], np.float64)
    recording = events["recording"].to_numpy(np.int64)
    onset = events["onset"].to_numpy(np.float64) - before
    fits = (onset >= -_TOLERANCE) & (onset + before + after <= durations[recording] + _TOLERANCE)
    label = events["label"].to_numpy(object)
    return Windows(
        ds, recording[fits], onset[fits].clip(min=0.0), np.full(int(fits.sum()), before + after), label[fits]
    )
