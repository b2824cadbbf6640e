"""Sources: anything that holds recordings, as a set of recordings and as windows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from biosig.batches.joined import ConcatRecordings
from biosig.batches.recording_set import EpochList, RecordingList
from biosig.batches.stated import as_stated
from biosig.batches.windows import RecordingSet, Windows, fixed_length_windows, warn_of_left_out
from biosig.errors import UsageError
from biosig.extremes import mark_extremes
from biosig.given import Given
from biosig.reading import Adapter, adapter_for, adapters, adapters_for, read
from biosig.recording import MODALITIES, Recording
from biosig.signal import check_plausible

_OF_ARRAYS = {"sfreq", "ch_names", "kind", "units"}
_STATED = {"unit", "rename", "sfreq"}
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
    windows = fixed_length_windows(ds, window, stride, keep_tail)
    if not len(windows):
        longest = max(ds.to_pandas()["duration"], default=0.0)
        raise UsageError(
            f"No recording is as long as a window of {window:g} s (the longest lasts {longest:g} s): "
            f"use a shorter window, or keep the tail."
        )
    warn_of_left_out(windows)
    return windows


def as_recordings(source: Any, **options: Any) -> RecordingSet:
    """A set of recordings from any source: as `biosig.embed` takes it.

    Raises
    ------
    UsageError
        If it is none, or an option does not go with it.
    """
    from biosig.shards.dataset import ShardDataset, open_shards

    if unknown := sorted(set(options) - {*_OF_ARRAYS, *_STATED, "mapping"}):
        raise UsageError(
            f"There is no option {', '.join(unknown)}; an array takes sfreq, ch_names, kind and units, other sources "
            "unit, rename and sfreq, files mapping."
        )
    if _is_array(source):
        if stated := sorted({"unit", "rename"}.intersection(options)):
            raise UsageError(f"An array says with units and ch_names what it is: leave {', '.join(stated)} out.")
        rows = _array_as_recording(source, **options)
        return EpochList(rows) if source.ndim == 3 and rows else RecordingList(rows)
    options = {name: value for name, value in options.items() if value is not None}
    of_files = isinstance(source, str | Path | list | tuple)
    takes = _STATED if isinstance(source, ShardDataset) or of_files else _STATED - {"sfreq"}
    takes = takes | ({"mapping"} if of_files else set())
    if of_arrays := sorted(set(options) - takes):
        raise UsageError(
            f"{', '.join(of_arrays)} describe an array; a {type(source).__name__} says that itself: leave them out."
        )
    mapping = options.pop("mapping", None)
    given = Given(**options)
    if isinstance(source, ShardDataset):
        return as_stated(source, given)
    if isinstance(source, RecordingList):
        return source.each(given.applied) if given else source
    if isinstance(source, Recording):
        return RecordingList([mark_extremes(given.applied(source))])
    if isinstance(source, list | tuple):
        return _joined(source, given, mapping)
    if isinstance(source, str | Path):
        path = Path(source)
        if path.suffix == ".h5" or (path.is_dir() and any(path.glob("*.h5"))):
            return as_stated(open_shards(path), given)
        return _read_all(_files_of(path, known := adapters_for(mapping)), given, known)
    for adapter in adapters().values():
        epochs = adapter.epochs(source)
        if epochs is not None:
            return EpochList(_all_plausible([given.applied(epoch) for epoch in epochs]))
        recording = adapter.convert(source)
        if recording is not None:
            return RecordingList([_plausible(mark_extremes(given.applied(recording)))])
    if hasattr(source, "to_numpy") and hasattr(source, "columns"):
        raise UsageError(
            "A DataFrame of signals is given as an array: embed(model, df.to_numpy().T, sfreq=HZ, "
            "ch_names=list(df.columns), kind=…)."
        )
    raise UsageError(
        f"A source cannot be a {type(source).__name__}: give a path, shards, a Recording (biosig.read), an mne Raw or "
        "Epochs, a wfdb Record, a list of these, or an array with sfreq, ch_names and kind."
    )


def _files_of(path: Path, known: Mapping[str, Adapter]) -> list[Path]:
    """The recordings' files that a path stands for.

    Raises
    ------
    UsageError
        If a folder has none.
    """
    if not path.is_dir() or adapter_for(path, known):
        return [path]
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and adapter_for(file, known)]
    if not files:
        raise UsageError(f"{path} holds neither shards nor a recording that an installed adapter reads.")
    return files


def _joined(sources: Sequence[Any], given: Given, mapping: object) -> RecordingSet:
    """The recordings of several sources, in their order."""
    if not sources:
        raise UsageError("The list of sources is empty: give one at least.")
    if all(isinstance(item, Recording) for item in sources):
        return RecordingList([mark_extremes(given.applied(recording)) for recording in sources])
    paths = [Path(item) for item in sources if isinstance(item, str | Path)]
    if len(paths) == len(sources) and not any(p.suffix == ".h5" or any(p.glob("*.h5")) for p in paths):
        known = adapters_for(mapping)
        return _read_all([file for path in paths for file in _files_of(path, known)], given, known)
    stated = {name: value for name, value in vars(given).items() if value}
    of_files = {} if mapping is None else {"mapping": mapping}
    joined = ConcatRecordings(
        [as_recordings(item, **stated, **(of_files if isinstance(item, str | Path) else {})) for item in sources]
    )
    ids = joined.to_pandas()["recording"]
    if ids.duplicated().any():  # which no table of results could tell apart
        raise UsageError(
            f"Two of the sources have a recording '{ids[ids.duplicated()].iloc[0]}': take them one by one."
        )
    return joined


def _read_all(files: Sequence[Path], given: Given, known: Mapping[str, Adapter]) -> RecordingList:
    """The recordings of files; those of epochs one by one. Those of one name are called by their folder too."""
    recordings: list[Recording] = []
    of_epochs = []
    names = Counter(file.stem for file in files)
    for file in files:
        adapter = adapter_for(file, known)
        epochs = adapter.epochs(file) if adapter is not None else None
        of_epochs.append(epochs is not None)
        if adapter is None:
            found = [read(file, lazy=True, **vars(given))]
        elif epochs is not None:
            stated = adapter.stated(file).updated(given)
            recordings += _all_plausible([stated.applied(epoch, str(file)) for epoch in epochs])
            continue
        else:
            members = adapter.members(file)
            options: list[dict[str, Any]] = [{}] if members is None else [{"member": name} for name in members]
            found = [adapter.read(file, lazy=True, given=given, **option) for option in options]
        if names[file.stem] > 1:
            found = [replace(recording, id=f"{file.absolute().parent.name}/{recording.id}") for recording in found]
        recordings += map(_plausible, found)
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
    from biosig.models.array_input import as_recordings as from_arrays

    if sfreq is None or ch_names is None or kind is None:
        raise UsageError("An array needs sfreq=, ch_names= and kind=.")
    signals = values[None] if values.ndim == 2 else values
    return from_arrays(signals, sfreq, ch_names, kind, units, None, None, None, MODALITIES, check=True)
