"""Small supervised network for PPG: four strided convolutions, mean and maximum over time.

Shape letters: B windows, C channels, T samples at `SFREQ`, D features.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.downstream.baselines.models.signal_batch import Augmentation, SignalBatch

SFREQ = 64.0
WIDTHS = (32, 64, 64, 96)
KERNEL = 7
STRIDE = 16  # samples per column of features: each layer halves the rate


class PPGNetwork(nn.Module):
    """Network of convolutions and a linear layer.

    Parameters
    ----------
    n_chans : int
        Channels that a window can have.
    n_outputs : int
        Outputs.
    """

    def __init__(self, n_chans: int, n_outputs: int) -> None:
        super().__init__()
        self.augment = Augmentation(gain=0.1)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(before, after, KERNEL, 2, KERNEL // 2), nn.BatchNorm1d(after), nn.ReLU())
            for before, after in pairwise((n_chans, *WIDTHS))
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * WIDTHS[-1], n_outputs))

    def forward(self, batch: SignalBatch) -> Tensor:
        """Windows in units of their recording's robust scale → outputs (B, n_outputs)."""
        batch = self.augment(batch).padded(STRIDE)
        x, measured = batch.values * batch.present[:, :, None], batch.measured[:, None]  # (B, C, T), (B, 1, T)
        for layer in self.layers:
            measured = F.max_pool1d(measured, 2)
            x = layer(x) * measured  # (B, D, T / 2), none below 0
        mean = x.sum(dim=2) / measured.sum(dim=2).clamp(min=1)
        return self.head(torch.cat((mean, x.amax(dim=2)), dim=1))
