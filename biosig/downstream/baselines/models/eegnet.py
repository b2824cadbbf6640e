"""EEGNet-8,2, the usual small convolutional baseline of EEG papers (Lawhern 2018, arXiv:1611.08024).

It follows section 2.2.1 and table 2; lengths at 128 Hz are given in seconds, so that other rates have the same filters.

Shape letters: B windows, C channels, T samples, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_TEMPORAL, PER_TEMPORAL, N_SEPARABLE = 8, 2, 16
"""F1 temporal filters, D spatial filters for each, F2 = F1 · D separable ones."""

KERNEL = 0.5  # s, of temporal and separable filters: 64 samples at 128 Hz, 16 after the first pooling
POOL_1, POOL_2 = 1 / 32, 1 / 4  # s: 4 samples at 128 Hz, 8 of what is left
MAX_SPATIAL_NORM, MAX_DENSE_NORM = 1.0, 0.25


class EEGNet(nn.Module):
    """Network of temporal filters, spatial filters for each, separable filters and a linear layer.

    Parameters
    ----------
    n_chans, n_times : int
        Channels and samples of every window.
    sfreq : float
        Sampling rate in Hz.
    n_classes : int
        K.
    dropout : float
        After each of the two poolings.
    """

    def __init__(self, n_chans: int, n_times: int, sfreq: float, n_classes: int, dropout: float = 0.25) -> None:
        super().__init__()
        n_spatial = N_TEMPORAL * PER_TEMPORAL
        pool_1 = max(round(sfreq * POOL_1), 1)
        pool_2 = max(round(sfreq / pool_1 * POOL_2), 1)
        long, short = _odd(sfreq * KERNEL), _odd(sfreq / pool_1 * KERNEL)
        self.temporal = nn.Conv2d(1, N_TEMPORAL, (1, long), padding="same", bias=False)
        self.temporal_norm = nn.BatchNorm2d(N_TEMPORAL)
        self.spatial = nn.Conv2d(N_TEMPORAL, n_spatial, (n_chans, 1), groups=N_TEMPORAL, bias=False)
        self.spatial_norm = nn.BatchNorm2d(n_spatial)
        self.pool_1 = nn.Sequential(nn.ELU(), nn.AvgPool2d((1, pool_1)), nn.Dropout(dropout))
        self.separable = nn.Sequential(
            nn.Conv2d(n_spatial, n_spatial, (1, short), padding="same", groups=n_spatial, bias=False),
            nn.Conv2d(n_spatial, N_SEPARABLE, 1, bias=False),
            nn.BatchNorm2d(N_SEPARABLE),
        )
        self.pool_2 = nn.Sequential(nn.ELU(), nn.AvgPool2d((1, pool_2)), nn.Dropout(dropout))
        self.dense = nn.Linear(N_SEPARABLE * (n_times // pool_1 // pool_2), n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Windows x (B, C, T) → logits (B, K)."""
        x = self.temporal_norm(self.temporal(x[:, None]))  # (B, F1, C, T)
        # Weights with too large a norm are rescaled where they are used; the paper rescales them after each step.
        weight = torch.renorm(self.spatial.weight, 2, 0, MAX_SPATIAL_NORM)
        x = self.spatial_norm(nn.functional.conv2d(x, weight, groups=N_TEMPORAL))  # (B, D · F1, 1, T)
        x = self.pool_2(self.separable(self.pool_1(x)))  # (B, F2, 1, T')
        weight = torch.renorm(self.dense.weight, 2, 0, MAX_DENSE_NORM)
        return nn.functional.linear(x.flatten(1), weight, self.dense.bias)


def _odd(length: float) -> int:
    """The nearest odd number of samples: a filter with a centre has equal padding on both sides."""
    return 2 * round((length - 1) / 2) + 1
