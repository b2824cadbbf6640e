"""The blocks of a fused encoder: pairs of convolutions over neighbouring tokens, and attention over all of a window.

Shape letters: N tokens run after run (`Layout`), b windows of a run, L tokens of each, D embed_dim, H heads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.models.fused.conv import TimeConv
from biosig.models.fused.layout import Layout, Run

WIDTH = 5
"""Tokens that a convolution sees."""

STEP, REACH = 0.04, 256
"""Attention tells distances in time apart by steps of so many seconds, up to so many steps; farther is as far."""

DECAYS = (0.24, 0.96, 3.84, 800.0)
"""s: at the start attention has fallen by a factor e at these distances, head by head in turn."""


class ConvPair(nn.Module):
    """x + conv(ReLU(conv(norm(x)))), over the tokens of each modality.

    Parameters
    ----------
    embed_dim : int
        D.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.first, self.second = (TimeConv(embed_dim, embed_dim, WIDTH) for _ in range(2))
        nn.init.normal_(self.second.product.weight, std=0.02)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """x (N, D) → (N, D)."""
        y = self.norm(x).to(self.first.product.weight.dtype)
        out, start = [], 0
        for run in layout.runs:
            stop = start + run.n_windows * run.n_tokens
            tokens = y[start:stop].view(run.n_windows, run.n_tokens, -1)  # (b, L, D)
            if run.valid is not None:
                tokens = tokens * run.valid[..., None]
            parts = [self._pair(part, layout.causal) for part in tokens.split(run.spans, dim=1)]
            out.append((parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)).flatten(0, 1))
            start = stop
        return x + (out[0] if len(out) == 1 else torch.cat(out))

    def _pair(self, x: Tensor, causal: bool) -> Tensor:
        return self.second(F.relu(self.first(x, causal)), causal)


class TimeAttention(nn.Module):
    """Multi-head attention with a learned bias by the distance in time.

    Parameters
    ----------
    embed_dim, num_heads : int
        D and H.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv, self.out = nn.Linear(embed_dim, 3 * embed_dim), nn.Linear(embed_dim, embed_dim)
        nn.init.normal_(self.out.weight, std=0.02)
        decay = torch.tensor([DECAYS[head % len(DECAYS)] for head in range(num_heads)])
        self.bias = nn.Parameter(-(torch.arange(-REACH, REACH + 1) * STEP).abs() / decay[:, None])  # (H, 2 · REACH + 1)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """x (N, D) → (N, D)."""
        qkv = self.qkv(x)
        out, start = [], 0
        for run in layout.runs:
            stop = start + run.n_windows * run.n_tokens
            of_run = qkv[start:stop].view(run.n_windows, run.n_tokens, 3, self.num_heads, -1)
            q, k, v = of_run.permute(2, 0, 3, 1, 4)  # each (b, H, L, D / H)
            out.append(_attend(q, k, v, self._bias(run, layout.causal).to(q.dtype)).transpose(1, 2).flatten(2))
            start = stop
        return self.out(torch.cat([part.flatten(0, 1) for part in out]))

    def _bias(self, run: Run, causal: bool) -> Tensor:
        """The bias of the attention scores, (1, H, L, L), or (b, H, L, L) where tokens are missing."""
        steps = ((run.time[None] - run.time[:, None]) / STEP).round().clamp(-REACH, REACH).long() + REACH  # (L, L)
        bias = self.bias[:, steps][None]
        if causal:
            bias = bias.masked_fill(run.end[None] > run.end[:, None] + 1e-4, -torch.inf)
        if run.valid is not None:  # a missing token is seen by itself alone, so that its scores are finite
            itself = torch.eye(run.n_tokens, dtype=torch.bool, device=bias.device)
            bias = bias.masked_fill(~(run.valid[:, None, None] | itself), -torch.inf)
        return bias


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q kᵀ / √K + bias) v, (b, H, L, K)."""
    if q.is_cuda or not (torch.is_grad_enabled() and q.requires_grad):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # on CPUs quicker backwards than torch's own kernel
    return (scores + bias).softmax(dim=-1) @ v


class FusedBlock(nn.Module):
    """x + attention(norm(x)), then x + linear(ReLU(linear(norm(x)))).

    Parameters
    ----------
    embed_dim, num_heads : int
        D and H.
    hidden_dim : int
        Width of the feed-forward.
    """

    def __init__(self, embed_dim: int, num_heads: int, hidden_dim: int) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(embed_dim), nn.LayerNorm(embed_dim)
        self.attention = TimeAttention(embed_dim, num_heads)
        self.expand, self.contract = nn.Linear(embed_dim, hidden_dim), nn.Linear(hidden_dim, embed_dim)
        nn.init.normal_(self.contract.weight, std=0.02)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """x (N, D) → (N, D), float32 where x is, also where the matrices are bfloat16."""
        dtype = self.attention.qkv.weight.dtype
        x = x + self.attention(self.attention_norm(x).to(dtype), layout)
        return x + self.contract(F.relu(self.expand(self.mlp_norm(x).to(dtype))))
