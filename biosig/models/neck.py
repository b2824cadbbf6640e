"""The neck between pooled tokens and heads.

Shape letters: W windows, D embed_dim, E width of the neck.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from biosig.models.readouts import READOUTS

POOLING = "mean+max+std"
"""The readout of the last layer: what happens in one beat only is in the maximum, and is lost in the mean."""

WIDTH = 128


class Neck(nn.Module):
    """Standardisation of the pooled tokens by their mean and deviation over a batch, and one linear layer.

    Mean and deviation are averaged while training, and are buffers. A batch of one window, which has no deviation, is
    standardised by these averages too.

    Parameters
    ----------
    embed_dim : int
        D.
    width : int
        E.
    """

    def __init__(self, embed_dim: int, width: int = WIDTH) -> None:
        super().__init__()
        n_features = READOUTS[POOLING]().n_features(embed_dim)
        self.norm = nn.BatchNorm1d(n_features, affine=False)
        self.linear = nn.Linear(n_features, width)

    def forward(self, pooled: Tensor) -> Tensor:
        """Vectors (W, E) of the pooled tokens (W, 3 · D)."""
        norm = self.norm
        if self.training and len(pooled) < 2:
            return self.linear(F.batch_norm(pooled, norm.running_mean, norm.running_var, eps=norm.eps))
        return self.linear(norm(pooled))
