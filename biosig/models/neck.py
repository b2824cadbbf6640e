"""The neck between pooled tokens and heads.

Shape letters: W windows, D embed_dim, E width of the neck.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.models.readouts import READOUTS

POOLING = "mean+max+std"
"""The readout of the last layer: an event of a single beat is in the maximum, and is lost in the mean."""

WIDTH = 128


MOMENTUM = 0.05
"""Share of the averages that a batch replaces."""


class Neck(nn.Module):
    """Standardisation of the pooled tokens by running averages of their mean and variance, and one linear layer.

    Training standardises by the averages too, as they are after the batch, so a batch of three windows is as good as
    one of forty, what a window gives does not hang on its batch, and validation sees what training saw. (Batch
    normalisation, Ioffe & Szegedy 2015, arXiv:1502.03167, standardises by the batch while training.)

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
        if self.training and len(pooled) > 1:
            self._take_in(pooled.detach().float())
        return self.linear(F.batch_norm(pooled, norm.running_mean, norm.running_var, eps=norm.eps))

    @torch.no_grad()
    def _take_in(self, pooled: Tensor) -> None:
        """Move the averages towards a batch; the first ones are their means so far."""
        norm = self.norm
        assert norm.num_batches_tracked is not None
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.num_batches_tracked += 1
        share = max(MOMENTUM, 1 / float(norm.num_batches_tracked))
        norm.running_mean.lerp_(pooled.mean(0), share)
        spread = (pooled - norm.running_mean).square().mean(0)
        norm.running_var.lerp_(spread, share)
