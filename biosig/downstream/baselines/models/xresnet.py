"""xresnet1d, the usual residual network of ECG papers (Strodthoff 2021, arXiv:2004.13701, section III-C).

It is a ResNet with He's "bag of tricks" (2019, arXiv:1812.01187, section 4) in one dimension: a stem of three
convolutions, downsampling inside the second convolution of a block, average pooling on its shortcut, and blocks that
begin as the identity. Depth 3-4-6-3, as xresnet1d50.

Shape letters: B windows, C channels, T samples, W outputs.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

KERNEL = 5
BLOCKS = (3, 4, 6, 3)
EXPANSION = 4  # of the last convolution of a block


class XResNet(nn.Module):
    """Network with a stem, four stages of bottleneck blocks, mean and maximum over time, and a linear layer.

    Parameters
    ----------
    n_chans : int
        Channels of every window, which must have 32 samples or more.
    n_outputs : int
        W.
    width : int
        Channels of the first stage's inner convolutions; 64 in the paper. Each later stage has twice as many.
    dropout : float
        Dropout of the pooled features.
    """

    def __init__(self, n_chans: int, n_outputs: int, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        stem = [n_chans, width // 2, width // 2, width]
        layers: list[nn.Module] = [
            _convolution(before, after, KERNEL, stride=2 if number == 0 else 1)
            for number, (before, after) in enumerate(itertools.pairwise(stem))
        ]
        layers.append(nn.MaxPool1d(3, stride=2, padding=1))
        n_in = width
        for stage, n_blocks in enumerate(BLOCKS):
            for number in range(n_blocks):
                layers.append(Bottleneck(n_in, width * 2**stage, stride=2 if stage and not number else 1))
                n_in = width * 2**stage * EXPANSION
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.BatchNorm1d(2 * n_in), nn.Dropout(dropout), nn.Linear(2 * n_in, n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Windows x (B, C, T) → outputs (B, W)."""
        x = self.body(x)  # (B, 4 · 8 · width, T / 32)
        return self.head(torch.cat((x.mean(dim=2), x.amax(dim=2)), dim=1))


class Bottleneck(nn.Module):
    """Bottleneck block of convolutions 1, 5 and 1 samples wide, with a shortcut.

    Parameters
    ----------
    n_in, width : int
        Channels that come in, and of the inner convolutions.
    stride : int
        Of the middle convolution.
    """

    def __init__(self, n_in: int, width: int, stride: int) -> None:
        super().__init__()
        last = nn.BatchNorm1d(width * EXPANSION)
        nn.init.zeros_(last.weight)
        self.path = nn.Sequential(
            _convolution(n_in, width, 1),
            _convolution(width, width, KERNEL, stride),
            nn.Conv1d(width, width * EXPANSION, 1, bias=False),
            last,
        )
        shortcut: list[nn.Module] = [nn.AvgPool1d(stride, ceil_mode=True)] if stride > 1 else []
        if n_in != width * EXPANSION:
            shortcut.append(_convolution(n_in, width * EXPANSION, 1, rectified=False))
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, n_in, T) → (B, 4 · width, T / stride)."""
        return torch.relu(self.path(x) + self.shortcut(x))


def _convolution(n_in: int, n_out: int, kernel: int, stride: int = 1, rectified: bool = True) -> nn.Sequential:
    convolution = nn.Conv1d(n_in, n_out, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight)
    return nn.Sequential(convolution, nn.BatchNorm1d(n_out), *([nn.ReLU()] if rectified else []))
