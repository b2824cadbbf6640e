"""The position code of REVE: Fourier features of (x, y, z, t) plus an MLP of them (arXiv:2510.21585, section 3.1).

Its spatial phases turn by little more than a radian across a head, and in time the Fourier part repeats every 18
patches (16.2 s): beyond that the MLP alone tells times apart. `BodyPositions` is our own code without these limits.

Shape letters: N tokens, D embed_dim, F frequencies per axis.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from biosig.errors import UsageError
from biosig.layers.config import ReveCode

if TYPE_CHECKING:
    from biosig.batches.packed import PackedBatch

MARGIN = 0.4
"""Coordinates are moved by this and wrap at 1 + 2 · MARGIN = 1.8 (metres, and ten patches; the published code)."""

TIME_STEP = 0.1
"""What one patch adds to the fourth coordinate before the Fourier features; the MLP sees whole patches."""


class RevePositions(nn.Module):
    """LayerNorm(Fourier(x, y, z, t) + MLP(x, y, z, t)), t counted in patches from the window's start.

    Parameters
    ----------
    embed_dim : int
        Width of a token; half of it are cosines, half sines.
    code : ReveCode
        Number of frequencies.
    patch_seconds, stride_seconds : float
        Length of a patch, and the step from one to the next.

    Raises
    ------
    UsageError
        If the combinations of frequencies are fewer than `embed_dim` / 2.
    """

    turns: Tensor

    def __init__(self, embed_dim: int, code: ReveCode, patch_seconds: float, stride_seconds: float) -> None:
        super().__init__()
        n = code.n_frequencies
        if 2 * n**4 < embed_dim or embed_dim % 2:
            raise UsageError(
                f"{n} frequencies per axis give {2 * n**4} features, too few for a width of {embed_dim}: "
                f"raise n_frequencies, or choose an even width of at most {2 * n**4}."
            )
        self.first, self.stride = patch_seconds / 2, stride_seconds
        axis = torch.arange(n, dtype=torch.float32)
        # x turns slowest, t fastest; what exceeds the width is left out at the end.
        turns = torch.cartesian_prod(axis, axis, axis, axis)[: embed_dim // 2]  # (D / 2, 4)
        self.register_buffer("turns", turns * (2 * math.pi / (1 + 2 * MARGIN)), persistent=False)
        self.mlp = nn.Sequential(nn.Linear(4, embed_dim, bias=False), nn.GELU(), nn.LayerNorm(embed_dim))
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, batch: PackedBatch) -> Tensor:
        """The code of each token of a packed batch (N, D)."""
        place, seconds = batch.position[:, :3], batch.position[:, 3:]  # (N, 3), (N, 1)
        t = (seconds - self.first) / self.stride  # (N, 1) patches
        axes = torch.cat((place, TIME_STEP * t), dim=1) + MARGIN  # (N, 4)
        # Products and sums instead of a matrix product, which autocast would round to bfloat16: a tenth of a turn.
        phase = torch.stack([axes[:, a, None] * self.turns[:, a] for a in range(4)]).sum(dim=0)  # (N, D / 2)
        fourier = torch.cat((phase.cos(), phase.sin()), dim=1)
        return self.norm(fourier + self.mlp(torch.cat((place, t), dim=1)).float())
