"""Attention pooling: one learned query reads a set of tokens (REVE, arXiv:2510.21585, section 3.3).

Shape letters: N tokens, D embed_dim, S segments.
"""

from __future__ import annotations

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

    def forward(self, x: Tensor, segment: Tensor, n_segments: int) -> Tensor:
        """Tokens x (N, D) and the segment of each (N,) → (S, D); a segment without tokens gives zeros."""
        # A product and a sum instead of a matrix product, which autocast would round to bfloat16.
        scores = (x * self.query).sum(dim=-1) * x.shape[-1] ** -0.5  # (N,)
        highest = scores.new_full((n_segments,), -torch.inf).scatter_reduce(0, segment, scores.detach(), "amax")
        weights = (scores - highest[segment]).exp()  # (N,)
        total = weights.new_zeros(n_segments).index_add(0, segment, weights)  # (S,)
        pooled = x.new_zeros(n_segments, x.shape[-1]).index_add(0, segment, weights[:, None] * x)  # (S, D)
        return pooled / total.clamp(min=torch.finfo(total.dtype).tiny)[:, None]
