"""Small supervised network for ECG: leads joined in the stem, tokens of 80 ms, convolutions and attention.

Its performance comes from the input rather than its depth: mV without a scale per lead, and beside each value its
inverse hyperbolic sine, which shows small and large waves alike. A missing lead adds nothing.

Shape letters: B windows, C leads, T samples at `SFREQ`, N tokens.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.downstream.baselines.models.signal_batch import Augmentation, SignalBatch
from biosig.downstream.baselines.models.token_layers import Readout, Trunk

SFREQ = 100.0
STRIDE = 8  # samples per token
CROP = 512  # samples: 5.12 s
STEM, WIDTH = 96, 128


class ECGNetwork(nn.Module):
    """Network with a stem, two pairs of convolutions, three blocks of attention and a readout.

    Parameters
    ----------
    n_chans : int
        Leads that a window can have.
    n_outputs : int
        Outputs.
    """

    def __init__(self, n_chans: int, n_outputs: int) -> None:
        super().__init__()
        self.augment = Augmentation(CROP, gain=0.1, noise=0.01, missing=0.15)
        self.first = nn.Conv1d(2 * n_chans, STEM, 8, 4, 2, bias=False)
        self.presence = nn.Linear(n_chans, STEM)
        self.second = nn.Conv1d(STEM, WIDTH, 4, 2, 1)
        self.trunk = Trunk(WIDTH, n_convolutions=2, n_attentions=3)
        self.readout = Readout(WIDTH, n_outputs)

    def forward(self, batch: SignalBatch) -> Tensor:
        """Windows in mV → outputs (B, n_outputs)."""
        batch = self.augment(batch).padded(STRIDE)
        x = batch.values * batch.present[:, :, None]  # (B, C, T)
        x = self.first(torch.cat((2 * x, torch.asinh(10 * x)), dim=1)) + self.presence(batch.present)[:, :, None]
        x = F.relu(x) * batch.tokens(STRIDE // 2)[:, None]  # (B, STEM, T / 4)
        tokens, real = self.second(x).transpose(1, 2), batch.tokens(STRIDE)  # (B, N, D), (B, N)
        return self.readout(self.trunk(tokens, real), real)
