"""Features of a frozen model: of every window, by layer.

Shape letters: N windows, L layers, F features (the vectors of all modalities side by side).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from biosig.batches.windows import Windows
from biosig.models.model import Model, RandomWeightsWarning
from biosig.models.readouts import Pooling
from biosig.progress import Progress


@dataclass(frozen=True)
class FrozenFeatures:
    """What a model makes of windows.

    Parameters
    ----------
    values : ndarray of float32, shape (L, N, F)
        NaN where a window lacks a modality.
    layers : tuple of int
        0 the embedding output, k after block k, -1 the model's output.
    notes : list of str
        How many windows lack something.
    """

    values: NDArray[np.float32]
    layers: tuple[int, ...]
    notes: list[str]


def frozen_features(
    model: Model,
    windows: Windows,
    company: NDArray[np.int64],
    layer: int | Literal["all"] = -1,
    pooling: Pooling | None = None,
    progress: Progress | None = None,
    stage: str = "embed",
) -> FrozenFeatures:
    """Embed windows, all layers in one pass if all are wanted.

    Parameters
    ----------
    model : Model
        Left as it is.
    windows : Windows
        N of them.
    company : ndarray of int64, shape (N,)
        Windows of different numbers never share a batch, so that what a test window is cannot show in the last bit of
        a training window's features: a matrix product rounds by how many rows it has.
    layer : int or "all"
        As in `biosig.embedding.embed_windows`.
    pooling : {"mean", "mean+std", "cls", "attention"}, optional
        None = as the model does it.
    progress : callable, optional
        Told how far the work is.
    stage : str
        What it calls this.
    """
    from biosig.embedding import embed_windows

    found, done = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RandomWeightsWarning)  # the table and its notes say so
        for number in np.unique(company):
            rows = np.flatnonzero(company == number)
            table = embed_windows(model, windows[rows], layer=layer, pooling=pooling)
            vectors = np.asarray(table["vector"].combine_chunks().flatten()).reshape(table.num_rows, -1)
            found.append((rows[table["window"].to_numpy()], np.asarray(table["modality"].to_pylist(), str), vectors))
            done += len(rows)
            if progress:
                progress(f"{stage}: windows", done, len(windows))
    window, modality, vectors = (np.concatenate(column) for column in zip(*found, strict=True))
    layers = (*range(model.config.depth), -1) if layer == "all" else (layer,)
    by_layer = vectors.reshape(len(vectors), len(layers), -1).swapaxes(0, 1)  # (L, rows, F of one modality)
    blocks = []
    for name in np.unique(modality):
        block = np.full((len(layers), len(windows), by_layer.shape[2]), np.nan, np.float32)
        block[:, window[modality == name]] = by_layer[:, modality == name]
        blocks.append(block)
    values = np.concatenate(blocks, axis=2)
    gaps = int(np.isnan(values[-1]).any(axis=1).sum())
    note = f"{gaps} of {len(windows)} windows have no valid token of some modality; training medians stand in."
    return FrozenFeatures(values, layers, [note] if gaps else [])
