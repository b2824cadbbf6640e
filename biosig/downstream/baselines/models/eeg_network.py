"""Small supervised network for EEG of any montage: sites by distance, narrow bands and waves, attention.

Channels are averaged about sixteen sites of the scalp, by distance, so that one network serves all montages; a site
without an electrode nearby has a small weight. A token is a quarter of a second: the logarithm of power in narrow bands
of the second about it, and convolutions of its samples.

Shape letters: B windows, C channels, S sites, T samples at `SFREQ`, N tokens.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from biosig.downstream.baselines.models.signal_batch import Augmentation, SignalBatch
from biosig.downstream.baselines.models.token_layers import Readout, Trunk
from biosig.electrodes.locate import locate

SITES = ["AF7", "AF8", "F3", "F4", "FCz", "T7", "T8", "C3", "C4", "Cz", "P3", "P4", "Pz", "PO7", "PO8", "Oz"]
NEAR, REACH = 0.025, 0.035
"""Metres: the spread of a site's average, and the spread of its weight by the distance of the nearest electrode."""

SFREQ = 128.0
STRIDE = 32  # samples per token
SECOND = 128  # samples in which power is measured
EDGES = (1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 24, 27, 30, 34, 38, 45)
"""Hz, of bands of power."""

SMALLEST_POWER = 1e-3
STEM, WIDTH = 96, 192


@lru_cache(maxsize=1)
def _sites() -> NDArray[np.float64]:
    found = [locate(name, "eeg") for name in SITES]
    return np.array([site.position for site in found if site is not None])


def site_weights(position: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight of each channel in each site's average (S, C), and of each site by its nearest channel (S,), 0 to 1.

    Parameters
    ----------
    position : ndarray, shape (C, 3)
        Positions in metres in the head frame; C may be 0.
    """
    if not len(position):
        return np.zeros((len(SITES), 0), np.float32), np.zeros(len(SITES), np.float32)
    square = ((_sites()[:, None] - position) ** 2).sum(axis=2)  # (S, C)
    nearest = square.min(axis=1, keepdims=True)
    weights = np.exp(-(square - nearest) / (2 * NEAR**2))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32), np.exp(-nearest[:, 0] / (2 * REACH**2)).astype(np.float32)


class EEGNetwork(nn.Module):
    """Network with a stem, a pair of convolutions, two blocks of attention and a readout.

    Parameters
    ----------
    n_outputs : int
        Outputs.
    """

    window: Tensor

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        n_rows = 2 * len(SITES)
        self.augment = Augmentation(gain=0.1, noise=0.1)
        self.power = nn.Linear(n_rows * (len(EDGES) - 1), WIDTH)
        self.first = nn.Conv1d(2 * n_rows, STEM, 8, 4, 2, bias=False)
        self.second = nn.Conv1d(STEM, WIDTH, 8, 8)
        self.presence = nn.Linear(len(SITES), WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.trunk = Trunk(WIDTH, n_convolutions=1, n_attentions=2)
        self.readout = Readout(WIDTH, n_outputs)
        self.register_buffer("window", torch.hann_window(SECOND), persistent=False)

    def forward(self, batch: SignalBatch) -> Tensor:
        """Windows of sites, in units of their recording's robust scale → outputs (B, n_outputs)."""
        batch = self.augment(batch).padded(STRIDE)
        x, near = batch.values, batch.present[:, :, None]  # (B, S, T), (B, S, 1)
        common = (x * near).sum(dim=1, keepdim=True) / near.sum(dim=1, keepdim=True).clamp(min=1e-6)
        x = torch.cat((x * near, (x - common) * near), dim=1)  # (B, 2 · S, T)
        power = self._log_power(x) * torch.cat((near, near), dim=1)[:, None]  # (B, N, 2 · S, bands)
        waves = self.second(F.relu(self.first(torch.cat((x / 2, torch.asinh(2 * x)), dim=1))))  # (B, D, N)
        tokens = self.power(power.flatten(2) / 2) + waves.transpose(1, 2) + self.presence(batch.present)[:, None]
        real = batch.tokens(STRIDE)
        return self.readout(self.trunk(self.norm(tokens), real), real)

    def _log_power(self, x: Tensor) -> Tensor:
        """Logarithm of the power of rows x (B, R, T) in the bands, in the second about each token: (B, N, R, bands)."""
        rest = (SECOND - STRIDE) // 2
        seconds = (
            F.pad(x.float(), (rest, rest), mode="reflect").unfold(2, SECOND, STRIDE) * self.window
        )  # (B, R, N, T')
        power = torch.fft.rfft(seconds).abs().square() / SECOND  # a bin per Hz
        bands = torch.stack([power[..., low:high].mean(dim=-1) for low, high in pairwise(EDGES)], dim=-1)
        return torch.log(bands + SMALLEST_POWER).transpose(1, 2)
