"""Frozen features of every window, by layer.

Shape letters: N windows, L layers, F features (the vectors of all modalities side by side).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from biosig.batches.windows import Windows
from biosig.errors import DataError
from biosig.file_sums import checked, guarded
from biosig.models.model import Model, RandomWeightsWarning
from biosig.models.reading import Layer, reading_of
from biosig.models.readouts import Pooling
from biosig.models.wrap import WrappedModel
from biosig.progress import Progress


@dataclass(frozen=True)
class FrozenFeatures:
    """Features that a frozen model gives for windows.

    Parameters
    ----------
    values : ndarray of float32, shape (L, N, F)
        NaN where a window lacks a modality.
    layers : tuple of int, of list of int or of dict
        0 the embedding output, k after block k, -1 the model's output; a list if the vectors of several layers are put
        side by side, a dict if modalities differ in their layers.
    notes : list of str
        Notes on windows without a token of a modality; of a wrapped module or a public encoder with the reason.
    """

    values: NDArray[np.float32]
    layers: tuple[int | list[int] | dict[str, list[int]], ...]
    notes: list[str]


def frozen_features(
    model: Model,
    windows: Windows,
    tested_in: NDArray[np.int64],
    layer: Layer = None,
    pooling: Pooling | None = None,
    progress: Progress | None = None,
    stage: str = "embed",
    work: Path | None = None,
) -> FrozenFeatures:
    """Embed windows, in one pass for all layers if all are requested.

    Parameters
    ----------
    model : Model
        The frozen model.
    windows : Windows
        N windows.
    tested_in : ndarray of int64, shape (N,)
        Batch group: windows with different numbers are never batched together, so that test windows cannot change the
        last bit of a training window's features: a matrix product rounds by its number of rows.
    layer : int, sequence of int or "all", optional
        As in `biosig.embedding.embed_windows`.
    pooling : str, optional
        A readout; None = as the weights name it.
    progress : callable, optional
        Called with stage, number done and total.
    stage : str
        Title of the stage in progress.
    work : Path, optional
        Existing folder that keeps the vectors of each number, and gives those that it has.

    Raises
    ------
    DataError
        If a wrapped module or a public encoder gives no vector for any window.
    """
    from biosig.embedding import embed_windows, vectors_of

    found: dict[str, list[tuple[NDArray[np.int64], NDArray[np.float32]]]] = {}
    done = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RandomWeightsWarning)  # the table and its notes state it
        for number in np.unique(tested_in):
            rows = np.flatnonzero(tested_in == number)
            kept = work and work / f"features-{number}.parquet"
            if kept is not None and kept.exists():
                with checked(kept):
                    table = pq.read_table(kept)
            else:
                table = embed_windows(model, windows[rows], layer=layer, pooling=pooling)
            if kept is not None and not kept.exists():
                with guarded(kept) as temporary:
                    pq.write_table(table.select(["window", "modality", "vector"]), temporary)
            for modality, (numbers, vectors) in vectors_of(table).items():
                found.setdefault(modality, []).append((rows[numbers], vectors))
            done += len(rows)
            if progress:
                progress(f"{stage}: windows", done, len(windows))
    layers = (*range(model.config.depth), -1) if layer == "all" else (_layers(model, sorted(found), pooling, layer),)
    blocks = []
    for _, parts in sorted(found.items()):
        rows, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
        block = np.full((len(layers), len(windows), vectors.shape[1] // len(layers)), np.nan, np.float32)
        block[:, rows] = vectors.reshape(len(rows), len(layers), -1).swapaxes(0, 1)
        blocks.append(block)
    values = np.concatenate(blocks, axis=2)
    gaps = int(np.isnan(values[-1]).any(axis=1).sum())
    note = f"{gaps} of {len(windows)} windows have no valid token of some modality; training medians stand in."
    if isinstance(model, WrappedModel):
        if gaps == len(windows):
            raise DataError(f"None of the {gaps} windows gives a vector: each {model.refused_windows}")
        note = f"{gaps} of {len(windows)} windows give no vector, and training medians stand in: each "
        note += model.refused_windows
    return FrozenFeatures(values, layers, [note] if gaps else [])


def _layers(
    model: Model, modalities: list[str], pooling: Pooling | None, layer: Layer
) -> int | list[int] | dict[str, list[int]]:
    """The layers that were read, in the form of a result; modalities of one joint vector are joined by "+"."""
    read = {m: list(reading_of(model.config, m.split("+")[0], pooling, layer).layers) for m in modalities}
    if len({tuple(layers) for layers in read.values()}) > 1:
        return read
    (layers, *_) = read.values()
    return layers[0] if len(layers) == 1 else layers
