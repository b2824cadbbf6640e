"""ShallowFBCSPNet: filter-bank common spatial patterns as a network (Schirrmeister 2017, arXiv:1703.05051).

It follows section 2.4.3: temporal filters, spatial filters, and the logarithm of the mean square in sliding windows,
which is band power, trained end to end. The paper's lengths at 250 Hz (25, 75 and 15 samples) are given in seconds.

Shape letters: B windows, C channels, T samples, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_FILTERS = 40
KERNEL, POOL, STRIDE = 0.1, 0.3, 0.06  # s
SMALLEST_POWER = 1e-6


class ShallowFBCSPNet(nn.Module):
    """Network of log band power of learned bands and sources, and a linear layer.

    Parameters
    ----------
    n_chans, n_times : int
        Channels and samples of every window.
    sfreq : float
        Sampling rate in Hz.
    n_classes : int
        K.
    dropout : float
        Before the linear layer.
    """

    def __init__(self, n_chans: int, n_times: int, sfreq: float, n_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        kernel, pool, stride = (max(round(sfreq * seconds), 1) for seconds in (KERNEL, POOL, STRIDE))
        self.temporal = nn.Conv2d(1, N_FILTERS, (1, kernel))
        self.spatial = nn.Conv2d(N_FILTERS, N_FILTERS, (n_chans, 1), bias=False)
        self.norm = nn.BatchNorm2d(N_FILTERS)
        self.pool = nn.AvgPool2d((1, pool), (1, stride))
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(N_FILTERS * ((n_times - kernel + 1 - pool) // stride + 1), n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Windows x (B, C, T) → logits (B, K)."""
        x = self.norm(self.spatial(self.temporal(x[:, None])))  # (B, 40, 1, T')
        power = self.pool(x.square())  # (B, 40, 1, P)
        return self.dense(self.dropout(torch.log(power.clamp(min=SMALLEST_POWER)).flatten(1)))
