"""The transformer block that every preset is made of: pre-norm attention and a gated feed-forward, both residual."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from biosig.layers.attention import Attention, PackedLengths
from biosig.layers.linear import AlignedLinear


class GEGLU(nn.Module):
    """Gated feed-forward, value · GELU(gate), without biases (Shazeer 2020, arXiv:2002.05202, section 2).

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    hidden_dim : int
        Width of value and gate, each.
    """

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.expand = AlignedLinear(embed_dim, 2 * hidden_dim, bias=False)
        self.contract = AlignedLinear(hidden_dim, embed_dim, bias=False)
        for linear in (self.expand, self.contract):
            nn.init.trunc_normal_(linear.weight, std=0.02)  # ViT and MAE practice

    def forward(self, x: Tensor) -> Tensor:
        """x (N, D) → (N, D)."""
        value, gate = self.expand(x).chunk(2, dim=-1)
        return self.contract(value * F.gelu(gate))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)).

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    num_heads : int
        Attention heads.
    head_dim : int
        Width of a head.
    mlp_ratio : float
        Width of the feed-forward over `embed_dim`; 8/3 makes a gated one as large as an ungated one of ratio 4.
    """

    def __init__(self, embed_dim: int, num_heads: int, head_dim: int, mlp_ratio: float) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(embed_dim, eps=1e-6)
        self.attention = Attention(embed_dim, num_heads, head_dim)
        self.mlp_norm = nn.RMSNorm(embed_dim, eps=1e-6)
        self.mlp = GEGLU(embed_dim, int(embed_dim * mlp_ratio))

    def forward(self, x: Tensor, lengths: PackedLengths) -> Tensor:
        """x (N, D) → (N, D), float32 where x is, also where the matrices are bfloat16."""
        dtype = self.attention.qkv.weight.dtype
        x = x + self.attention(self.attention_norm(x).to(dtype), lengths)
        return x + self.mlp(self.mlp_norm(x).to(dtype))
