"""Tables of vectors: windows through a model, a row per window and modality, a table per batch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from biosig.batches.channel_layout import channels_read
from biosig.batches.input_contract import InputContract
from biosig.batches.loader import Reports, count_tokens, in_order, load_batches
from biosig.batches.mapped_recordings import original
from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.batches.recording_set import EpochList
from biosig.batches.windows import LeftOutWarning, Windows
from biosig.errors import DataError, UsageError
from biosig.models.model import Model
from biosig.models.pooling import pooled, pooling_index
from biosig.models.reading import Layer, Reading, readings_of
from biosig.models.readouts import READOUTS, Pooling, check_pooling
from biosig.progress import Progress

BATCH_TOKENS = 16384


def embed_parts(
    model: Model,
    windows: Windows,
    contract: Mapping[str, InputContract],
    span: tuple[int, int],
    batch_tokens: int,
    dtype: str,
    workers: int,
    progress: Progress | None,
    words: Reports | None,
    stage: str = "embed",
    layer: Layer = None,
    pooling: Pooling | None = None,
    heads: bool = False,
) -> Iterator[tuple[int, pa.Table]]:
    """Tables of the windows from the first number of `span` to the second, one per batch, with the number it reaches.

    A recording without a channel of the model's modalities has no row, so a table alone does not show the windows that
    it covers.
    """
    if heads and not model.heads:
        raise UsageError(f"Model '{model.name}' has no heads: leave heads out, or load weights that came with some.")
    start, stop = span
    counts = count_tokens(windows[start:stop], contract, words)
    batches = [rows + start for rows in in_order(counts, batch_tokens)]
    subjects, revision = windows.subjects, model.revision
    precision = model.precision(dtype)
    readings = readings_of(model.config, pooling, layer)
    for reading in readings.values():
        check_pooling(model.config, reading.pooling)
    size = _vector_size(model, windows, contract, readings, words)
    loader = load_batches(windows, batches, contract, workers, words)
    unread: set[int] = set()
    for planned, (batch, rows) in zip(batches, loader, strict=True):
        vectors = {
            modality: np.full((len(planned), reading.n_features(model.config)), np.nan, np.float32)
            for modality, reading in readings.items()
        }
        fraction = {modality: np.zeros(len(planned)) for modality in readings}
        for modality, found, share in _found(model, batch, readings, precision) if batch is not None else ():
            where = np.asarray(rows) - planned[0]
            fraction[modality][where] = share
            vectors[modality][where] = np.where(share[:, None] > 0, found, np.nan)
            _check_finite(model, windows, rows, found, share)
        reached = int(planned[-1]) + 1
        joint = any(reading.one_per_window for reading in readings.values())
        table = _table(model, contract, revision, windows, subjects, planned, vectors, fraction, words, joint, size)
        if heads:
            read = [] if batch is None else model.read_heads(batch, precision)
            numbers = [tensor.float().cpu().numpy() for tensor in read]
            table = _with_heads(table, model, numbers, np.asarray(rows))
        unread.update(windows.recording[np.setdiff1d(planned, table["window"])].tolist())
        yield reached, table
        if progress:
            progress(stage, reached, len(windows))
    if unread:
        warnings.warn(
            f"Recordings without a channel that {model.name} reads ({', '.join(contract)}) give no row: "
            f"{len(unread)} of {len(windows.ds)}, the first is '{windows.ds[min(unread)].id}'. 'biosig inspect FILE' "
            f"tells what kind and place each channel has; EEG of unknown electrode counts with on_unknown keep.",
            LeftOutWarning,
            stacklevel=3,
        )


def _found(
    model: Model, batch: PackedBatch, readings: Mapping[str, Reading], dtype: torch.dtype
) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.float64]]]:
    """Of each modality its vectors (B, F), and the share of each window's patches that are valid (B,).

    A vector of the window is given for every modality, with the share over all of them.
    """
    present = [m for m in readings if bool((batch.modality == MODALITY_IDS[m]).any())]
    for reading in dict.fromkeys(readings[m] for m in present):
        found = pooled(model, batch, reading, dtype).float().cpu().numpy()  # (B, R, F)
        seen = torch.zeros(2, batch.n_windows * found.shape[1])
        segment = pooling_index(batch, reading)
        seen[0].index_add_(0, segment, torch.ones(batch.n_tokens))
        seen[1].index_add_(0, segment, batch.valid.float())  # of channels, also where tokens fuse them
        share = (seen[1] / seen[0].clamp(min=1)).view(batch.n_windows, -1).numpy()
        for modality in readings if reading.one_per_window else present:
            if readings[modality] == reading:
                r = 0 if reading.one_per_window else MODALITY_IDS[modality]
                yield modality, found[:, r], share[:, r]


def _vector_size(
    model: Model,
    windows: Windows,
    contract: Mapping[str, InputContract],
    readings: Mapping[str, Reading],
    words: Reports | None,
) -> int | None:
    """The length of all vectors of these windows; None where modalities differ in it.

    Raises
    ------
    UsageError
        If a readout reads EEG alone, and there are other channels.
    """
    recordings = [windows.ds[row] for row in np.unique(windows.recording).tolist()]
    read = {modality for recording in recordings for modality in channels_read(recording.channels, contract)}
    for modality in read - {"eeg"}:
        if READOUTS[readings[modality].pooling].reads in ("spectrum", "coherence"):
            raise UsageError(
                f"pooling={readings[modality].pooling} reads EEG alone, and there are channels of {modality.upper()}: "
                f"choose channels, such as channels=[eeg] in a configuration, or another pooling."
            )
    if words:
        read.add("text")
    sizes = {readings[modality].n_features(model.config) for modality in read or readings}
    return sizes.pop() if len(sizes) == 1 else None


def vectors_of(table: pa.Table) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """The vectors of a table of `embed_windows` by modality: the windows that have one (n,), and these (n, F)."""
    modality = np.asarray(table["modality"].to_pylist(), str)
    window, column = table["window"].to_numpy(), table["vector"].combine_chunks()
    found = {}
    for name in np.unique(modality).tolist():
        rows = np.flatnonzero(modality == name)
        values = np.asarray(column.take(pa.array(rows)).flatten())
        found[name] = window[rows], values.reshape(len(rows), -1)
    return found


def _check_finite(
    model: Model, windows: Windows, rows: NDArray[np.int64], found: NDArray[np.float32], share: NDArray[np.float64]
) -> None:
    """Raise a DataError that names the first window whose vector has NaN or infinite numbers though it has signal."""
    wrong = (share > 0) & ~np.isfinite(found).all(axis=1)  # (B,)
    if wrong.any():
        row = int(rows[np.argmax(wrong)])
        raise DataError(
            f"{model.name} gives a vector that is not finite for the window of {windows.duration[row]:g} s at "
            f"{windows.onset[row]:g} s of recording '{windows.ds[int(windows.recording[row])].id}': look for wild "
            "amplitudes there with biosig inspect, or embed with dtype float32."
        )


def _table(
    model: Model,
    contract: Mapping[str, InputContract],
    revision: str,
    windows: Windows,
    subjects: NDArray[Any],
    planned: NDArray[np.int64],
    vectors: Mapping[str, NDArray[np.float32]],
    fraction: Mapping[str, NDArray[np.float64]],
    words: Reports | None,
    joint: bool,
    size: int | None,
) -> pa.Table:
    """Rows of the planned windows; `joint` = one vector for all modalities, `size` = its length if it is always one."""
    rows = []
    for i, number in enumerate(planned.tolist()):
        recording = windows.ds[int(windows.recording[number])]
        read = channels_read(recording.channels, contract)
        by_modality = {
            m: [c.name for c in read[m]] for m in dict.fromkeys(c.kind for c in recording.channels) if m in read
        }
        if words and words(recording):
            by_modality["text"] = []
        of = {modality: modality for modality in by_modality}
        if joint and by_modality:
            parts = [m for m in MODALITY_IDS if m in by_modality]
            of = {"+".join(parts): parts[0]}
            by_modality = {"+".join(parts): [name for m in parts for name in by_modality[m]]}
        for modality, names in by_modality.items():
            m = of[modality]
            rows.append((number, recording.id, modality, names, fraction[m][i], vectors[m][i]))
    number = np.array([row[0] for row in rows], np.int64)
    flat = pa.array(np.concatenate([row[5] for row in rows]) if rows else np.empty(0, np.float32), pa.float32())
    if size is None:
        ends = np.cumsum([0, *(len(row[5]) for row in rows)])
        column = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat)
    else:
        column = pa.FixedSizeListArray.from_arrays(flat, size)
    given = original(windows)
    about = given.ds.epochs.iloc[given.recording[number]] if isinstance(given.ds, EpochList) else {}
    return pa.table(
        {
            "window": number,
            "recording": pa.array([row[1] for row in rows], pa.string()),
            "subject": pa.array(list(subjects[number]), pa.string()),
            "onset": windows.onset[number],
            "duration": windows.duration[number],
            "modality": pa.array([row[2] for row in rows], pa.string()),
            "ch_names": pa.array([row[3] for row in rows], pa.list_(pa.string())),
            "valid_fraction": pa.array([row[4] for row in rows], pa.float64()),
            "model": pa.array([model.name] * len(rows), pa.string()),
            "model_revision": pa.array([revision] * len(rows), pa.string()),
            "vector": column,
            **{name: pa.array(about[name], from_pandas=True) for name in about},
        }
    )


def _with_heads(
    table: pa.Table, model: Model, found: list[NDArray[np.float32]], windows: NDArray[np.int64]
) -> pa.Table:
    """The table with the numbers (B, columns) that each head gives of these windows (B,)."""
    place = {window: row for row, window in enumerate(windows.tolist())}
    rows = np.array([place.get(window, -1) for window in table["window"].to_pylist()], np.int64)
    read = [modality.split("+") for modality in table["modality"].to_pylist()]
    for number, head in enumerate(model.heads):
        config: Any = head.config
        values = np.full((len(rows), len(config.columns)), np.nan, np.float32)
        if found:
            values[rows >= 0] = found[number][rows[rows >= 0]]
        other = np.array([config.modality not in modalities for modalities in read], bool)
        for column, name in enumerate(config.columns):
            table = table.append_column(f"head.{name}", pa.array(values[:, column], mask=other))
    return table
