"""Sources: anything that holds recordings, as a set of recordings and as windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from biosig.batches.memory import EpochList, RecordingList
from biosig.batches.windows import RecordingSet, Windows, grid, warn_of_left_out
from biosig.errors import UsageError
from biosig.extremes import mark_extremes
from biosig.reading import adapter_for, adapters, read
from biosig.recording import MODALITIES, Recording
from biosig.signal import check_plausible

_WINDOW = 10.0  # s
_EXCERPTS, _EXCERPT = 20, 10.0  # how many, s each: a mistaken unit shows in any part of a recording


def as_windows(
    source: Any,
    window: float | Literal["auto"] | None,
    stride: float | None = None,
    keep_tail: bool = False,
    **array_options: Any,
) -> Windows:
    """Windows of any source: as `biosig.embed` takes it."""
    if isinstance(source, Windows):
        if not len(source):
            raise UsageError("There is no window: the selection is empty.")
        return source
    ds = as_recordings(source, **array_options)
    if not len(ds):
        raise UsageError("There is no recording: the query or the selection matches none.")
    if window == "auto":
        window = None if isinstance(ds, EpochList) else _WINDOW
    if isinstance(ds, EpochList) and window is not None:
        ds.check_window(window)
        window = None if stride is None and ds.are_as_long_as(window) else window
    if window is None:
        durations = np.asarray(ds.to_pandas()["duration"], np.float64)
        return Windows(ds, np.arange(len(ds)), np.zeros(len(ds)), durations)
    windows = grid(ds, window, stride, keep_tail)
    if not len(windows):
        longest = max(ds.to_pandas()["duration"], default=0.0)
        raise UsageError(
            f"No recording is as long as a window of {window:g} s (the longest lasts {longest:g} s): "
            f"use a shorter window, or keep the tail."
        )
    warn_of_left_out(windows)
    return windows


def as_recordings(source: Any, **array_options: Any) -> RecordingSet:
    """A set of recordings from any source: as `biosig.embed` takes it."""
    from biosig.shards.dataset import ShardDataset, open_shards

    unknown = sorted(set(array_options) - {"sfreq", "ch_names", "kind", "units"})
    if unknown:
        raise UsageError(f"There is no option {', '.join(unknown)}; an array takes sfreq, ch_names, kind and units.")
    if array_options and not _is_array(source):
        raise UsageError(
            f"{', '.join(sorted(array_options))} describe an array; a {type(source).__name__} says that itself: "
            f"leave them out."
        )
    if isinstance(source, ShardDataset | RecordingList):
        return source
    if isinstance(source, Recording):
        return RecordingList([mark_extremes(source)])
    if isinstance(source, list | tuple) and source and all(isinstance(item, Recording) for item in source):
        return RecordingList([mark_extremes(recording) for recording in source])
    if isinstance(source, str | Path):
        path = Path(source)
        if path.suffix == ".h5" or (path.is_dir() and any(path.glob("*.h5"))):
            return open_shards(path)
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if file.is_file() and adapter_for(file)]
            if not files:
                raise UsageError(f"{path} holds neither shards nor a recording that an installed adapter reads.")
            return _read_all(files)
        return _read_all([path])
    if _is_array(source):
        rows = _array_as_recording(source, **array_options)
        return EpochList(rows) if source.ndim == 3 and rows else RecordingList(rows)
    for adapter in adapters().values():
        epochs = adapter.epochs(source)
        if epochs is not None:
            return EpochList(_all_plausible(epochs))
        recording = adapter.convert(source)
        if recording is not None:
            return RecordingList([_plausible(mark_extremes(recording))])
    raise UsageError(
        f"A source cannot be a {type(source).__name__}: give a path, shards, a Recording or a list of them "
        f"(biosig.read), an mne Raw or Epochs, a wfdb Record, or an array with sfreq, ch_names and kind."
    )


def _read_all(files: Sequence[Path]) -> RecordingList:
    """The recordings of files; those of epochs one by one."""
    recordings: list[Recording] = []
    of_epochs = []
    for file in files:
        adapter = adapter_for(file)
        epochs = adapter.epochs(file) if adapter is not None else None
        of_epochs.append(epochs is not None)
        recordings += [_plausible(read(file, lazy=True))] if epochs is None else _all_plausible(epochs)
    return EpochList(recordings) if all(of_epochs) else RecordingList(recordings)


def _is_array(source: Any) -> bool:
    return isinstance(source, np.ndarray) or hasattr(source, "detach")  # a tensor, told without importing torch


def _all_plausible(epochs: list[Recording]) -> list[Recording]:
    """The epochs, looked at together as `_plausible` does: one alone may be an artefact."""
    epochs = [mark_extremes(epoch) for epoch in epochs]
    if epochs:
        whole = [
            np.concatenate([np.asarray(x) for x in parts], axis=1) for parts in zip(*map(_samples, epochs), strict=True)
        ]
        streams = [
            replace(stream, samples=samples, invalid=np.empty((0, 3), np.int64))
            for stream, samples in zip(epochs[0].streams, whole, strict=True)
        ]
        _plausible(replace(epochs[0], streams=streams))
    return epochs


def _samples(recording: Recording) -> list[Any]:
    return [stream.samples for stream in recording.streams]


def _plausible(recording: Recording) -> Recording:
    """The recording, whose amplitudes no mistaken unit explains: nothing has looked at them, as ingest would have."""
    for stream in recording.streams:
        n_times = math.ceil(_EXCERPT * stream.sfreq)
        starts = np.linspace(0, max(stream.n_times - n_times, 0), _EXCERPTS).astype(int).tolist()
        values = np.concatenate([stream.slice(start, start + n_times).physical() for start in starts], axis=1)
        for kind, unit in {(channel.kind, channel.unit) for channel in stream.channels}:
            rows = [row for row, channel in enumerate(stream.channels) if (channel.kind, channel.unit) == (kind, unit)]
            if kind in MODALITIES:
                check_plausible(values[rows], kind, unit, f"Recording '{recording.id}'")
    return recording


def _array_as_recording(
    values: Any,
    sfreq: float | None = None,
    ch_names: Sequence[str] | None = None,
    kind: str | Sequence[str] | None = None,
    units: str | Sequence[str] | None = None,
) -> list[Recording]:
    from biosig.models.arrays import as_recordings as from_arrays

    if sfreq is None or ch_names is None or kind is None:
        raise UsageError("An array needs sfreq=, ch_names= and kind=.")
    signals = values[None] if values.ndim == 2 else values
    return from_arrays(signals, sfreq, ch_names, kind, units, None, None, None, MODALITIES, check=True)
