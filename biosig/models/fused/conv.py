"""Convolution over time as a matrix product of frames laid side by side.

Shape letters: b windows, T samples or tokens, C channels, D out channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TimeConv(nn.Module):
    """Convolution over time with the channels last.

    Parameters
    ----------
    in_channels, out_channels : int
        C and D.
    kernel, stride : int
        In samples; the kernel is a whole number of strides.
    bias : bool
        Whether something is added.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__()
        if kernel % stride:
            raise ValueError(f"A kernel of {kernel} is not a whole number of strides of {stride}.")
        self.kernel, self.stride = kernel, stride
        self.product = nn.Linear(kernel * in_channels, out_channels, bias=bias)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        """x (b, T, C) → (b, T / stride, D); each looks as far back as ahead, or with `causal` back alone."""
        around = self.kernel - self.stride
        ahead = 0 if causal else around // 2
        x = F.pad(x, (0, 0, around - ahead, ahead))
        frames = x.reshape(len(x), x.shape[1] // self.stride, -1)  # (b, n + kernel / stride - 1, stride · C)
        n = frames.shape[1] - around // self.stride
        shifted = [frames[:, i : i + n] for i in range(self.kernel // self.stride)]
        return self.product(shifted[0] if len(shifted) == 1 else torch.cat(shifted, dim=2))
