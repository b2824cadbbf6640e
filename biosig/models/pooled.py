"""The vectors that frozen features are: tokens of one or several layers, read out per window and modality.

Shape letters: N tokens, B windows, S segments, D embed_dim, F features, R vectors of a window.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.models.config import EncoderConfig
from biosig.models.model import Model
from biosig.models.readouts import READOUTS, Pooling, Segments
from biosig.models.tokens import Tokens


def vectors_per_window(pooling: Pooling) -> int:
    """R: one for each modality, but a window's own token reads all of them."""
    return 1 if READOUTS[pooling].needs == "own" else len(MODALITY_IDS)


def n_features(config: EncoderConfig, pooling: Pooling, layer: int | Literal["all"]) -> int:
    """F: numbers in a vector."""
    n_layers = config.depth + 1 if layer == "all" else 1
    return READOUTS[pooling]().n_features(config.embed_dim) * n_layers


def segments(batch: PackedBatch | Tokens, pooling: Pooling) -> Tensor:
    """Which vector each token belongs to (N,), numbered window · R + r."""
    n = vectors_per_window(pooling)
    return batch.window if n == 1 else batch.window * n + batch.modality


def pooled(
    model: Model, batch: PackedBatch, pooling: Pooling, layer: int | Literal["all"], dtype: torch.dtype = torch.float32
) -> Tensor:
    """Vectors (B, R, F) of a batch; where a window has no valid token of a modality they mean nothing.

    Parameters
    ----------
    model : Model
        Frozen.
    batch : PackedBatch
        Windows.
    pooling : str
        A readout of `biosig.models.readouts`; see `check_pooling` there.
    layer : int or "all"
        0 the embedding output, k after block k, -1 the model's output; "all" gives layers 0 to depth - 1 and the output
        side by side, F being so many times as large.
    dtype : torch.dtype
        Of the blocks' matrix products.
    """
    states = model.read_layers(batch, dtype) if layer == "all" else [model.read(batch, layer, dtype)]
    vectors = torch.cat([_pooled(model, tokens, pooling) for tokens in states], dim=1)
    return vectors.unflatten(0, (batch.n_windows, vectors_per_window(pooling)))


@torch.inference_mode()
def _pooled(model: Model, tokens: Tokens, pooling: Pooling) -> Tensor:
    """Vectors (S, F), S = B · R."""
    query = model.encoder.pool if model.config.has_query else None
    n_segments = tokens.n_windows * vectors_per_window(pooling)
    return READOUTS[pooling]()(
        Segments(tokens.values, tokens.valid, segments(tokens, pooling), n_segments, tokens.own, query)
    )
