"""Log power in narrow bands, of 1-s windows every token: the rhythms of an EEG.

Shape letters: b windows, K virtual channels, T samples, L tokens, F bands.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.models.fused.widths import EDGES

FLOOR = 1e-3
"""Added to powers of signals of deviation 1 before the logarithm."""


class BandPowers(nn.Module):
    """Log power of 1-s Hann windows in `EDGES`' bands, around each token, or with `causal` up to its end.

    Parameters
    ----------
    sfreq : float
        Hz, a whole number.
    step : int
        Samples per token.
    """

    window: Tensor
    fourier: Tensor
    bands: Tensor

    def __init__(self, sfreq: float, step: int) -> None:
        super().__init__()
        self.size, self.step = round(sfreq), step
        window = torch.hann_window(self.size)
        frequency = torch.arange(EDGES[0], EDGES[-1])  # 1 Hz apart, as the window lasts 1 s
        phase = 2 * math.pi / self.size * torch.arange(self.size)[:, None] * frequency  # (size, 44)
        # A product with so few frequencies is quicker than many short Fourier transforms.
        fourier = torch.cat((window[:, None] * phase.cos(), window[:, None] * phase.sin()), dim=1)
        bands = torch.stack([((frequency >= a) & (frequency < b)) / (b - a) for a, b in pairwise(EDGES)])
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("fourier", fourier, persistent=False)
        self.register_buffer("bands", (bands / self.size).T.contiguous(), persistent=False)  # (44, F)

    @property
    def n_bands(self) -> int:
        """F."""
        return len(EDGES) - 1

    def forward(self, x: Tensor, belief: Tensor, causal: bool = False) -> Tensor:
        """Virtual channels (b, K, T) and their belief (b, K, T or 1) → (b, L, K, F), multiplied by the belief.

        Samples without belief are missing: the power is that of the others.
        """
        power = (self._frames(x, causal) @ self.fourier).square().unflatten(-1, (2, -1)).sum(dim=-2)  # (b, K, L, 44)
        power = power @ self.bands
        if belief.shape[2] > 1:
            believed = self._frames(belief, causal)  # (b, K, L, size)
            share = ((believed > 0) * self.window.square()).sum(dim=-1) / self.window.square().sum()
            power = power / share.clamp(min=0.1)[..., None]
            belief = (believed * self.window).sum(dim=-1) / self.window.sum()  # (b, K, L)
        return ((power + FLOOR).log() * belief[..., None]).transpose(1, 2)

    def _frames(self, x: Tensor, causal: bool) -> Tensor:
        """(b, K, T) → (b, K, L, size), mirrored about the ends; with `causal`, zeros before the first sample."""
        around = self.size - self.step
        if causal:
            return F.pad(x, (around, 0)).unfold(2, self.size, self.step)
        at = torch.arange(-(around // 2), x.shape[2] + around - around // 2, device=x.device)
        period = max(2 * (x.shape[2] - 1), 1)
        at = at.remainder(period)
        return x[:, :, torch.minimum(at, period - at)].unfold(2, self.size, self.step)
