"""The vectors that frozen features are: tokens of one or several layers, read out per window and modality.

Shape letters: N tokens, B windows, S segments, D embed_dim, F features, R vectors of a window.
"""

from __future__ import annotations

import torch
from torch import Tensor

from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.models.model import Model
from biosig.models.reading import Reading
from biosig.models.readouts import READOUTS, Segments
from biosig.models.tokens import Tokens


def vectors_per_window(reading: Reading) -> int:
    """R: one for each modality, but a window's own token reads all of them."""
    return 1 if reading.one_per_window else len(MODALITY_IDS)


def pooling_index(batch: PackedBatch | Tokens, reading: Reading) -> Tensor:
    """The vector that each token, or patch, belongs to (N,), numbered window · R + r."""
    n = vectors_per_window(reading)
    return batch.window if n == 1 else batch.window * n + batch.modality


def pooled(model: Model, batch: PackedBatch, reading: Reading, dtype: torch.dtype = torch.float32) -> Tensor:
    """Vectors (B, R, F) of a batch; where a window has no valid token of a modality they mean nothing.

    Parameters
    ----------
    model : Model
        Frozen.
    batch : PackedBatch
        Windows.
    reading : Reading
        A readout that the model has (`biosig.models.readouts.check_pooling`), and the layers whose vectors stand side
        by side.
    dtype : torch.dtype
        Of the blocks' matrix products.
    """
    readout = READOUTS[reading.pooling]
    if readout.reads in ("spectrum", "coherence"):
        vectors = [_pooled(model, model.read_stem(batch, readout.reads), reading)] * len(reading.layers)
    else:
        states = _states(model, batch, reading.layers, dtype, with_local=readout.reads == "local")
        local = states[0].values if readout.reads == "local" else None
        vectors = [_pooled(model, states[layer], reading, local) for layer in reading.layers]
    return torch.cat(vectors, dim=1).unflatten(0, (batch.n_windows, vectors_per_window(reading)))


def _states(
    model: Model, batch: PackedBatch, layers: tuple[int, ...], dtype: torch.dtype, with_local: bool
) -> dict[int, Tokens]:
    """Tokens of some layers, in one pass where it gives them."""
    wanted = {*layers, *((0,) if with_local else ())}
    depth = model.config.depth
    if len(wanted) == 1 or depth in wanted:  # the last block's output without the norm is in no pass of all layers
        return {layer: model.read(batch, layer, dtype) for layer in wanted}
    passed = zip((*range(depth), -1), model.read_layers(batch, dtype), strict=True)
    return {layer: tokens for layer, tokens in passed if layer in wanted}


@torch.inference_mode()
def _pooled(model: Model, tokens: Tokens, reading: Reading, local: Tensor | None = None) -> Tensor:
    """Vectors (S, F), S = B · R."""
    query = model.encoder.pool if model.config.has_query else None
    n_segments = tokens.n_windows * vectors_per_window(reading)
    return READOUTS[reading.pooling]()(
        Segments(tokens.values, tokens.valid, pooling_index(tokens, reading), n_segments, tokens.own, query, local)
    )
