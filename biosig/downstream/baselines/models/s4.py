"""A small S4: layers of diagonal state spaces, each a filter as long as the window (S4D; Gu 2022, arXiv:2206.11893).

A channel h is filtered by K[t] = 2 Re Σₙ Cₙ (exp(Δ Aₙ) - 1) / Aₙ exp(Δ Aₙ t), with A begun as S4D-Lin (section 4.3) and
zero-order hold (equation 3). ECG papers find such networks level with the best residual ones (Mehari 2023,
arXiv:2308.15291).

Shape letters: B windows, C channels, T samples, H features, S states, W outputs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

N_LAYERS = 4
N_STATES = 32  # complex, hence 64 real ones, as in the paper
STEP_RANGE = (1e-3, 1e-1)  # of Δ at the start, in units of a sample


class S4(nn.Module):
    """Network with a linear layer per sample, four state-space layers, the mean over time and a linear layer.

    Parameters
    ----------
    n_chans : int
        Channels of every window, which may have any number of samples.
    n_outputs : int
        W.
    width : int
        H.
    dropout : float
        After each filter.
    """

    def __init__(self, n_chans: int, n_outputs: int, width: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.expand = nn.Conv1d(n_chans, width, 1)
        self.layers = nn.ModuleList(StateSpaceLayer(width, dropout) for _ in range(N_LAYERS))
        self.head = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Windows x (B, C, T) → outputs (B, W)."""
        x = self.expand(x)  # (B, H, T)
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(dim=2))


class StateSpaceLayer(nn.Module):
    """State-space layer: filter, GELU, a gated mix of features, residual, LayerNorm.

    Parameters
    ----------
    width : int
        H.
    dropout : float
        After the filter.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        low, high = map(math.log, STEP_RANGE)
        self.log_step = nn.Parameter(torch.rand(width) * (high - low) + low)  # (H,)
        self.log_decay = nn.Parameter(torch.full((width, N_STATES), math.log(0.5)))  # (H, S)
        self.frequency = nn.Parameter(math.pi * torch.arange(N_STATES).repeat(width, 1).float())  # (H, S)
        self.readout = nn.Parameter(torch.randn(width, N_STATES, 2) * 0.5**0.5)  # (H, S, 2) real, imaginary
        self.skip = nn.Parameter(torch.randn(width))  # (H,)
        self.mix = nn.Sequential(nn.GELU(), nn.Dropout(dropout), nn.Conv1d(width, 2 * width, 1), nn.GLU(dim=1))
        self.norm = nn.LayerNorm(width)

    def kernel(self, n_times: int) -> Tensor:
        """The impulse response of each feature, shape (H, T)."""
        decay = torch.complex(-self.log_decay.exp(), self.frequency)  # (H, S) A
        exponent = decay * self.log_step.exp()[:, None]  # (H, S) Δ A
        weight = torch.view_as_complex(self.readout) * (exponent.exp() - 1) / decay  # (H, S)
        times = torch.arange(n_times, device=decay.device)
        return 2 * torch.einsum("hs,hst->ht", weight, torch.exp(exponent[..., None] * times)).real

    def forward(self, x: Tensor) -> Tensor:
        """Features x (B, H, T) → (B, H, T)."""
        n_times = x.shape[2]
        with torch.autocast(x.device.type, enabled=False):  # there are no complex numbers of 16 bits
            signal = torch.fft.rfft(x.float(), n=2 * n_times)  # twice as long, so that the end does not meet the start
            filtered = torch.fft.irfft(signal * torch.fft.rfft(self.kernel(n_times), n=2 * n_times), n=2 * n_times)
        y = filtered[..., :n_times] + self.skip[:, None] * x
        return self.norm((x + self.mix(y)).transpose(1, 2)).transpose(1, 2)
