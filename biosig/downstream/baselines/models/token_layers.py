"""Layers over the tokens of a window for small supervised networks: convolutions, attention by distance, a readout.

Tokens without a real value are masked for all other tokens and left out of means. Shape letters: B windows, N tokens,
D features of a token, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 5  # tokens in a convolution's kernel
REACH = 128  # tokens beyond which all distances share one bias
RANGES = (3.0, 12.0, 48.0, 1e4)  # tokens over which a head's attention initially falls by e
LONGEST = 512  # tokens that attend to each other; longer windows are cut into pieces: memory grows with the square
SMALL = 0.02  # initial standard deviation of a layer's output


class ConvPair(nn.Module):
    """Pair of convolutions over time with a shortcut.

    Parameters
    ----------
    width : int
        D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = (nn.Conv1d(width, width, WIDTH, padding=WIDTH // 2) for _ in range(2))
        nn.init.normal_(self.second.weight, std=SMALL)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Tokens x (B, N, D), of which `real` (B, N) hold a value → (B, N, D)."""
        kept = real[:, None]  # (B, 1, N)
        inner = F.relu(self.first(self.norm(x).transpose(1, 2) * kept)) * kept
        return x + self.second(inner).transpose(1, 2)


class AttentionBlock(nn.Module):
    """Block of attention with a learned bias by distance, and two linear layers, each with a shortcut.

    It uses plain matrix products: on a CPU the backward pass of torch's fused attention takes several times as long at
    this size.

    Parameters
    ----------
    width : int
        D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.norm_inner = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        distance = torch.arange(-REACH, REACH + 1).abs().float()
        self.bias = nn.Parameter(-distance / torch.tensor(RANGES)[:, None])  # (H, 2 · REACH + 1)
        for last in (self.out, self.down):
            nn.init.normal_(last.weight, std=SMALL)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Tokens x (B, N, D), of which `real` (B, N) hold a value → (B, N, D)."""
        B, N, D = x.shape
        q, k, v = self.qkv(self.norm(x)).view(B, N, 3, len(RANGES), -1).permute(2, 0, 3, 1, 4)  # (B, H, N, D / H)
        place = torch.arange(N, device=x.device)
        bias = self.bias[:, (place - place[:, None]).clamp(-REACH, REACH) + REACH]  # (H, N, N)
        bias = bias + torch.where(real, 0.0, -1e4)[:, None, None]  # (B, H, N, N)
        weight = (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2) + bias).softmax(-1)
        x = x + self.out((weight @ v).transpose(1, 2).reshape(B, N, D))
        return x + self.down(F.relu(self.up(self.norm_inner(x))))


class Trunk(nn.Module):
    """Trunk of two linear layers over each token of a stem, pairs of convolutions, and blocks of attention.

    Parameters
    ----------
    width : int
        D.
    n_convolutions, n_attentions : int
        Numbers of pairs of convolutions and of blocks of attention.
    """

    def __init__(self, width: int, n_convolutions: int, n_attentions: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )
        layers: Sequence[nn.Module] = [ConvPair(width) for _ in range(n_convolutions)]
        self.layers = nn.ModuleList([*layers, *(AttentionBlock(width) for _ in range(n_attentions))])

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Tokens x (B, N, D), of which `real` (B, N) hold a value → (B, N, D)."""
        B, N, D = x.shape
        if N > LONGEST:
            rest = -N % LONGEST
            pieces = F.pad(x, (0, 0, 0, rest)).reshape(-1, LONGEST, D)
            return self(pieces, F.pad(real, (0, rest)).reshape(-1, LONGEST)).reshape(B, -1, D)[:, :N]
        x = x + self.inner(x)
        for layer in self.layers:
            x = layer(x, real)
        return x


class Readout(nn.Module):
    """Readout of mean, maximum and deviation over a window's tokens, standardised, with a linear layer.

    Parameters
    ----------
    width, n_outputs : int
        D, and outputs.
    dropout : float
        Dropout of the pooled features.
    """

    def __init__(self, width: int, n_outputs: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.BatchNorm1d(3 * width, affine=False), nn.Dropout(dropout), nn.Linear(3 * width, n_outputs)
        )

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """Tokens x (B, N, D), of which `real` (B, N) hold a value → outputs (B, n_outputs)."""
        return self.head(pooled(x.float(), real))


def pooled(x: Tensor, real: Tensor) -> Tensor:
    """Mean, maximum and deviation (B, 3 · D) of tokens x (B, N, D) that are `real` (B, N); zeros without a real one."""
    kept = real[:, :, None]
    count = kept.sum(dim=1).clamp(min=1)
    mean = (x * kept).sum(dim=1) / count
    largest = x.masked_fill(~kept, -torch.inf).amax(dim=1)
    variance = ((x - mean[:, None]) ** 2 * kept).sum(dim=1) / count
    return torch.cat((mean, torch.where(real.any(dim=1)[:, None], largest, 0.0), (variance + 1e-6).sqrt()), dim=1)
