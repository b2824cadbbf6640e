"""A distribution over pulse rates: spectra of learned channels on a grid of log rates, read along the grid.

On a logarithmic grid a pulse and its harmonics are one pattern that moves with the rate, so a convolution along the
grid knows it at every rate.

Shape letters: b windows, T samples of the stem's first convolution, W its width, K learned channels, R rates.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.models.fused.conv import TimeConv
from biosig.models.fused.widths import N_RATES, RATES

CHANNELS, READERS = 12, 32
"""Learned channels, and channels of the convolutions before them and along the grid."""

KERNEL, SPAN, GROUPS = 9, 81, 4
"""Samples that a learned channel sees; steps of the grid, a factor of four in rate, over which harmonics are sought."""

FLOOR = 1e-3
"""Added to powers before the logarithm."""

NEAR = 4
"""Steps of the grid around the mode over which the own rate is an expectation."""


def log_rates(device: torch.device | None = None) -> Tensor:
    """The grid: natural logarithms of beats per second (R,)."""
    low, high = (math.log(rate / 60) for rate in RATES)
    return torch.linspace(low, high, N_RATES, device=device)


def own_log_rate(logits: Tensor) -> Tensor:
    """Logarithm of beats per second (b,): the expectation within `NEAR` steps of the mode of logits (b, R)."""
    share = logits.float().softmax(dim=1)
    mode = share.argmax(dim=1, keepdim=True)
    near = (torch.arange(N_RATES, device=logits.device) - mode).abs() <= NEAR
    share = share * near
    return (share @ log_rates(logits.device)) / share.sum(dim=1)


class RateSpectrum(nn.Module):
    """Logits over `N_RATES` rates, and their code, which every token gets.

    Parameters
    ----------
    width : int
        W.
    sfreq : float
        Hz, of the input.
    embed_dim : int
        Width of a token.
    """

    def __init__(self, width: int, sfreq: float, embed_dim: int) -> None:
        super().__init__()
        self.sfreq = sfreq
        self.mix = TimeConv(width, READERS, KERNEL)
        self.channels = nn.Linear(READERS, CHANNELS)
        self.enter = nn.Conv1d(2 * CHANNELS, READERS, 5, padding=2)
        self.harmonics = nn.Conv1d(READERS, READERS, SPAN, padding=SPAN // 2, groups=GROUPS)
        self.across = nn.Conv1d(READERS, READERS, 1)
        self.leave = nn.Conv1d(READERS, 1, 5, padding=2)
        self.usual = nn.Parameter(torch.zeros(N_RATES))
        self.write = nn.Linear(N_RATES + 2, embed_dim)

    def forward(self, x: Tensor, belief: Tensor) -> Tensor:
        """Logits (b, R), float32.

        Parameters
        ----------
        x : Tensor, shape (b, T, W)
            Output of the stem's first convolution.
        belief : Tensor, shape (b, T or 1, 1)
            Weight of each moment, 0 to 1.
        """
        x = F.relu(self.mix(x))
        with torch.autocast(x.device.type, enabled=False):
            power = self._spectra(self.channels(x.float()).mT, belief.float().mT)  # (b, 2 · K, R)
            y = F.relu(self.enter(power - power.mean(dim=(1, 2), keepdim=True)))
            y = F.relu(self.across(F.relu(self.harmonics(y))) + y)
            return self.leave(y)[:, 0] + self.usual

    def code(self, logits: Tensor) -> Tensor:
        """Project the distribution, its rate and its certainty to a vector that is added to every token (b, D)."""
        share = logits.softmax(dim=1)
        sure = (share * (share + 1e-6).log()).sum(dim=1) / 3
        return self.write(torch.cat((share, own_log_rate(logits)[:, None], sure[:, None]), dim=1))

    def _spectra(self, x: Tensor, belief: Tensor) -> Tensor:
        """Log power (b, 2 · K, R) of channels (b, K, T), through a Hann window and through none."""
        n_times = x.shape[2]
        belief = belief.expand(-1, 1, n_times)
        total = belief.sum(dim=2, keepdim=True).clamp(min=1.0)  # (b, 1, 1)
        x = (x - (x * belief).sum(dim=2, keepdim=True) / total) * belief
        time = torch.arange(n_times, device=x.device) / self.sfreq
        phase = 2 * math.pi * time[:, None] * log_rates(x.device).exp()  # (T, R)
        waves = torch.cat((phase.cos(), phase.sin()), dim=1)
        both = torch.stack(((x * torch.hann_window(n_times, device=x.device)) @ waves, x @ waves * 0.5), dim=1)
        power = (both / total[:, None].sqrt()).square().unflatten(3, (2, N_RATES)).sum(dim=3)
        return (power + FLOOR).log().flatten(1, 2)
