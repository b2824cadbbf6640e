"""The transformer block that every preset is made of: pre-norm attention and a feed-forward, both residual."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from biosig.layers.attention import Attention, PackedLengths
from biosig.layers.config import BlockStyle
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


class MLP(nn.Module):
    """The ungated feed-forward of the first transformers, linear · GELU · linear, with biases.

    Parameters
    ----------
    embed_dim, hidden_dim : int
        Width of a token, and between the two matrices.
    """

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.expand = AlignedLinear(embed_dim, hidden_dim)
        self.contract = AlignedLinear(hidden_dim, embed_dim)
        for linear in (self.expand, self.contract):
            nn.init.trunc_normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, D) → (N, D)."""
        return self.contract(F.gelu(self.expand(x)))


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
    style : BlockStyle
        Norm, feed-forward and dropout.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, head_dim: int, mlp_ratio: float, style: BlockStyle | None = None
    ) -> None:
        super().__init__()
        style = style or BlockStyle()
        ungated = style.mlp == "gelu"
        self.attention_norm = style.make_norm(embed_dim)
        self.attention = Attention(embed_dim, num_heads, head_dim, bias=ungated)
        self.mlp_norm = style.make_norm(embed_dim)
        self.mlp = (MLP if ungated else GEGLU)(embed_dim, int(embed_dim * mlp_ratio))
        self.dropout = nn.Dropout(style.dropout)

    def forward(self, x: Tensor, lengths: PackedLengths, rows: Tensor | None = None) -> Tensor:
        """x (N, D) → (N, D), float32 where x is, also where the matrices are bfloat16.

        With `rows` (K,), what these tokens become, (K, D): the others are attended to, and go no further.
        """
        dtype = self.attention.qkv.weight.dtype
        attended = self.attention(self.attention_norm(x).to(dtype), lengths)
        if rows is not None:
            x, attended = x[rows], attended[rows]
        x = x + self.dropout(attended)
        return x + self.dropout(self.mlp(self.mlp_norm(x).to(dtype)))
