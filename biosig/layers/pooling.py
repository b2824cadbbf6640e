"""Attention pooling: one learned query reads a set of tokens (REVE, arXiv:2510.21585, section 3.3).

Shape letters: N tokens, D embed_dim, S segments, L layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class AttentionPool(nn.Module):
    """softmax(q Xᵀ / √D) X over the tokens of each segment: one head, no projections.

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(embed_dim))

    def forward(self, x: Tensor | Sequence[Tensor], segment: Tensor, n_segments: int) -> Tensor:
        """Tokens (N, D), or several layers' of the same, and the segment of each (N,) → (S, D).

        A segment without tokens gives zeros. Layers stay apart: joined, those of a deep encoder do not fit into caches.
        """
        layers = [x] if isinstance(x, Tensor) else x  # L × (N, D)
        # Products and sums instead of matrix products, which autocast would round to bfloat16.
        scores = torch.stack([(tokens * self.query).sum(dim=-1) for tokens in layers])  # (L, N)
        scores = scores * len(self.query) ** -0.5
        lowest = scores.new_full((n_segments,), -torch.inf)
        highest = lowest.scatter_reduce(0, segment, scores.detach().amax(dim=0), "amax")  # (S,)
        weights = (scores - highest[segment]).exp()  # (L, N)
        total = weights.new_zeros(n_segments).index_add(0, segment, weights.sum(dim=0))  # (S,)
        read = torch.zeros_like(layers[0])  # (N, D)
        for share, tokens in zip(weights, layers, strict=True):
            read = read + share[:, None] * tokens
        pooled = read.new_zeros(n_segments, read.shape[-1]).index_add(0, segment, read)  # (S, D)
        return pooled / total.clamp(min=torch.finfo(total.dtype).tiny)[:, None]
