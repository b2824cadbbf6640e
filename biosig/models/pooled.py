"""From tokens to the vectors that frozen features are: by one of several poolings, of one or several layers.

Pooling explains much of what frozen models are said to lack, so it is a choice that can be compared. Shape letters: N
tokens, B windows, S segments, D embed_dim, F features (D, or 2 · D for "mean+std"), R vectors of a window.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.errors import UsageError
from biosig.models.encoder import EncoderConfig
from biosig.models.model import Model

Pooling = Literal["mean", "mean+std", "cls", "attention"]


def own_pooling(config: EncoderConfig) -> Pooling:
    """What the model itself pools by: the window's own token where it has one, the pool query elsewhere."""
    return "cls" if config.cls else "attention"


def check_pooling(config: EncoderConfig, pooling: str) -> None:
    """Refuse a pooling that the model has not.

    Raises
    ------
    UsageError
        If there is no such pooling, or `pooling` is "cls" and windows have no token of their own, or "attention" and
        there is no pool query.
    """
    if pooling not in get_args(Pooling):
        raise UsageError(f"There is no pooling {pooling!r}: choose {', '.join(get_args(Pooling))}.")
    if pooling in ("cls", "attention") and pooling != own_pooling(config):
        raise UsageError(
            f"Model '{config.name}' has {'no token per window' if pooling == 'cls' else 'no pool query'}: choose "
            f"pooling={own_pooling(config)}, mean or mean+std."
        )


def vectors_per_window(pooling: Pooling) -> int:
    """R: one for each modality, but a window's own token reads all of them."""
    return 1 if pooling == "cls" else len(MODALITY_IDS)


def n_features(config: EncoderConfig, pooling: Pooling, layer: int | Literal["all"]) -> int:
    """F: numbers in a vector."""
    n_layers = config.depth + 1 if layer == "all" else 1
    return config.embed_dim * (2 if pooling == "mean+std" else 1) * n_layers


def segments(batch: PackedBatch, pooling: Pooling) -> Tensor:
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
    pooling : {"mean", "mean+std", "cls", "attention"}
        How; see `check_pooling`.
    layer : int or "all"
        0 the embedding output, k after block k, -1 the model's output; "all" gives layers 0 to depth - 1 and the output
        side by side, F being so many times as large.
    dtype : torch.dtype
        Of the blocks' matrix products.
    """
    if layer == "all":
        vectors = torch.cat([_pooled(model, *state, batch, pooling) for state in model.layers(batch, dtype)], dim=1)
    elif pooling == own_pooling(model.config):
        vectors = model.encode_and_pool(batch, layer, dtype, by_modality=True)[1].flatten(0, -2)
    else:
        vectors = _pooled(model, model.encode_batch(batch, layer, dtype), None, batch, pooling)
    return vectors.unflatten(0, (batch.n_windows, vectors_per_window(pooling)))


@torch.inference_mode()
def _pooled(model: Model, tokens: Tensor, own: Tensor | None, batch: PackedBatch, pooling: Pooling) -> Tensor:
    """Vectors (S, F) of tokens (N, D) and the windows' own (B, D), S = B · R."""
    if pooling == "cls" and own is not None:
        return own
    batch = batch.to(tokens.device)
    n_segments = batch.n_windows * vectors_per_window(pooling)
    values, segment = tokens[batch.valid], segments(batch, pooling)[batch.valid]
    if pooling == "attention":
        return model.encoder.pool(values, segment, n_segments)
    count = torch.bincount(segment, minlength=n_segments).clamp(min=1)[:, None]  # (S, 1)
    nothing = values.new_zeros(n_segments, values.shape[1])
    mean = nothing.index_add(0, segment, values) / count  # (S, D)
    if pooling == "mean":
        return mean
    variance = nothing.index_add(0, segment, (values - mean[segment]) ** 2) / count
    return torch.cat((mean, variance.sqrt()), dim=1)  # (S, 2 · D)
