"""Inputs of an estimator: arrays, MNE Epochs, recordings, shards and windows, as windows that belong to rows of X.

scikit-learn selects rows of an array by indexing it, and of everything else by making a list of single rows: such lists
of single Epochs, stored recordings and windows are accepted too.

Shape letters: R rows of X, W windows, C channels, T samples, F features.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import RecordingSet, Windows
from biosig.errors import UsageError
from biosig.evaluate.duplicates import find_duplicates, marks_of
from biosig.extremes import mark_extremes
from biosig.recording import Recording
from biosig.shards.dataset import ShardDataset
from biosig.shards.stored_recording import StoredRecording

_TOLERANCE = 1e-6  # s, of durations that were added up


@dataclass(frozen=True)
class SignalRows:
    """The rows of X as windows.

    Parameters
    ----------
    windows : Windows
        W windows, row after row.
    row : ndarray of int64, shape (W,)
        The row of X that each window belongs to; every row has one or more.
    """

    windows: Windows
    row: NDArray[np.int64]

    def mean(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Means over the windows of each row: (W, F) → (R, F), or (W,) → (R,)."""
        starts = np.flatnonzero(np.diff(self.row, prepend=-1))
        counts = np.diff(starts, append=len(self.row))
        return np.add.reduceat(values, starts, axis=0, dtype=np.float64) / counts.reshape(-1, *[1] * (values.ndim - 1))

    def contents(self) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """Two names for each row of X (R,).

        The first is made of content hash and onset, so that it does not depend on the order of the rows; the second is
        the same for rows of equal or near recordings, which a warning lists.
        """
        rows, window_recording = np.unique(self.windows.recording, return_inverse=True)
        recordings = [self.windows.ds[int(row)] for row in rows]
        hashes, marks = zip(*(marks_of(one) for one in recordings), strict=True)
        found = find_duplicates(hashes, marks)
        for note in found.notes([one.id for one in recordings]):
            warnings.warn(note, stacklevel=4)
        first = np.unique(self.row, return_index=True)[1]  # a window of each row
        copied = np.bincount(found.group, minlength=len(rows))[found.group] > 1
        copy_of = np.where(copied, found.group, -1)[window_recording][first]
        onsets = self.windows.onset[first]
        own = [f"{hashes[at]} {onset:012.3f}" for at, onset in zip(window_recording[first], onsets, strict=True)]
        return np.array(own), np.where(copy_of < 0, own, copy_of.astype(str))


def describes_itself(X: Any) -> bool:
    """True if X is Epochs, recordings, shards or windows, and not an array."""
    if isinstance(X, list | tuple):
        return bool(X) and all(describes_itself(item) for item in X)
    return isinstance(X, Windows | ShardDataset | RecordingList | Recording | StoredRecording) or _are_epochs(X)


def signal_rows(
    X: Any,
    modalities: Collection[str],
    window: float | None = None,
    ch_names: Sequence[str] | None = None,
    sfreq: float | None = None,
    kind: str | Sequence[str] | None = None,
    units: str | Sequence[str] | None = None,
) -> SignalRows:
    """Windows of the rows of X.

    Parameters
    ----------
    X : array (R, C, T), mne.Epochs, ShardDataset, Windows, or list of Recording or of one-row selections of these
        One epoch, recording, stored recording or window is one row.
    modalities : collection of str
        Modalities that the model reads.
    window : float, optional
        Cut each row into windows of so many seconds, without a remainder at its end; None = take it whole.
    ch_names, sfreq, kind, units
        Description of an array, as in `Model.encode`.

    Raises
    ------
    UsageError
        If X is none of these, is described twice or not enough, or a row is shorter than a window.
    DataError
        If amplitudes of an array would be explained by another unit.
    """
    described = {"ch_names": ch_names, "sfreq": sfreq, "kind": kind, "units": units}
    whole = _whole_rows(X, modalities, described)
    if not len(whole):
        raise UsageError("X has no row: the selection or the query is empty.")
    return SignalRows(whole, np.arange(len(whole))) if window is None else _cut(whole, window)


def _cut(whole: Windows, seconds: float) -> SignalRows:
    if not seconds > 0:
        raise UsageError(f"window is {seconds:g} s; it must be positive, or None to take each row of X whole.")
    counts = np.floor((whole.duration + _TOLERANCE) / seconds).astype(np.int64)  # (R,)
    if not counts.all():
        short = int(np.argmin(counts))
        raise UsageError(
            f"Row {short} of X lasts {whole.duration[short]:g} s, less than a window of {seconds:g} s: "
            f"use a shorter window, or None to take each row whole."
        )
    row = np.repeat(np.arange(len(whole)), counts)  # (W,)
    step = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    parts = whole[row]
    return SignalRows(
        replace(parts, onset=parts.onset + step * seconds, duration=np.full(len(row), float(seconds))), row
    )


def _whole_rows(X: Any, modalities: Collection[str], described: dict[str, Any]) -> Windows:
    """One window per row of X."""
    if not describes_itself(X):
        return _whole(RecordingList(_from_array(X, modalities, **described)))
    given = [name for name, value in described.items() if value is not None]
    if given:
        raise UsageError(
            f"{', '.join(given)} describe an array; a {type(X).__name__} says that itself: leave them out."
        )
    if isinstance(X, Windows):
        return X
    if isinstance(X, ShardDataset | RecordingList):
        return _whole(X)
    items = X if isinstance(X, list | tuple) else [X]
    if all(isinstance(item, Windows) for item in items):
        return _joined(items)
    return _whole(RecordingList([recording for item in items for recording in _recordings_of(item)]))


def _recordings_of(item: Any) -> list[Recording]:
    from biosig.sources import as_recordings

    if isinstance(item, Recording):
        return [mark_extremes(item)]
    if isinstance(item, StoredRecording):
        return [item.read(lazy=True)]
    if _are_epochs(item):
        epochs = as_recordings(item)
        return [epochs[row].read() for row in range(len(epochs))]
    raise UsageError(f"X is a list of which one item is a {type(item).__name__}: give rows of one sort.")


def _whole(ds: RecordingSet) -> Windows:
    durations = ds.to_pandas()["duration"].to_numpy(np.float64)
    return Windows(ds, np.arange(len(ds)), np.zeros(len(ds)), durations)


def _joined(selections: Sequence[Windows]) -> Windows:
    """Join selections of the same dataset's windows, each of any number or a single one."""
    if any(part.ds is not selections[0].ds for part in selections):
        raise UsageError("Windows of several datasets cannot be one X: take them from one.")
    columns = {
        name: np.concatenate([np.atleast_1d(getattr(part, name)) for part in selections])
        for name in ("recording", "onset", "duration")
    }
    return Windows(selections[0].ds, **columns)


def _are_epochs(X: Any) -> bool:
    if isinstance(X, np.ndarray | float | int | Recording | StoredRecording):
        return False
    import mne  # slow, but already imported where X is Epochs

    return isinstance(X, mne.BaseEpochs)


def _from_array(
    X: Any,
    modalities: Collection[str],
    ch_names: Sequence[str] | None,
    sfreq: float | None,
    kind: str | Sequence[str] | None,
    units: str | Sequence[str] | None,
) -> list[Recording]:
    from biosig.models.array_input import as_recordings as from_array

    if sfreq is None or ch_names is None:
        raise UsageError(
            f"X is a {type(X).__name__}, which has neither channel names nor rate: give the estimator ch_names=[…] and "
            f"sfreq=… for an array of shape (rows, channels, samples), or give it MNE Epochs, recordings or shards."
        )
    return from_array(X, sfreq, ch_names, kind, units, None, None, None, modalities, check=True)
