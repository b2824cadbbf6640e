"""Convolution whose output is ceil(T / stride) samples long, and the shortcut of a residual block past it.

The padding of TensorFlow's "SAME", which the residual towers of Hong's resnet1d keep (ECGFounder, PaPaGei).
Shape letters: B windows, C channels, T samples.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def same_padding(n_times: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Zeros before and after `n_times` samples; of an odd number the one more stands after."""
    n_out = -(-n_times // stride)
    total = max((n_out - 1) * stride + kernel_size - n_times, 0)
    return total // 2, total - total // 2


class SameConv1d(nn.Conv1d):
    """`nn.Conv1d` that pads by `same_padding`, which depends on the length: (B, C, T) → (B, C', ceil(T / stride))."""

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, T) → (B, C', ceil(T / stride))."""
        return super().forward(F.pad(x, same_padding(x.shape[-1], self.kernel_size[0], self.stride[0])))


def shortcut(x: Tensor, n_chans: int, halve: bool) -> Tensor:
    """x (B, C, T) as a residual block adds it to its output (B, `n_chans`, T or ceil(T / 2)), without weights.

    Halved, it is the larger of each two samples, the last of an odd number beside a zero. Channels that are new are
    zero, half of them (rounded down) before the old ones.
    """
    if halve:
        x = F.max_pool1d(F.pad(x, (0, 1)), 2)
    new = n_chans - x.shape[1]
    return F.pad(x, (0, 0, new // 2, new - new // 2)) if new else x
