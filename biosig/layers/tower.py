"""Parts of one-dimensional convolutional towers: padding, pooling and shortcut as two families of makers do them.

Shape letters: B windows, C channels, T samples.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SameConv(nn.Conv1d):
    """A convolution of which the output has ⌈T / stride⌉ samples; of an odd number of zeros the right gets one more."""

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, T) → (B, out, ⌈T / stride⌉)."""
        (kernel,), (stride,) = self.kernel_size, self.stride
        n_zeros = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
        return super().forward(F.pad(x, (n_zeros // 2, n_zeros - n_zeros // 2)))


def halved(x: Tensor) -> Tensor:
    """The larger of each two neighbours (B, C, ⌈T / 2⌉), a last one alone against zero."""
    return F.max_pool1d(F.pad(x, (0, x.shape[-1] % 2)), 2)


def widened(x: Tensor, n_chans: int) -> Tensor:
    """x (B, C, T) with channels of zeros on both sides, (B, n_chans, T), the smaller half of them in front."""
    new = n_chans - x.shape[1]
    return F.pad(x, (0, 0, new // 2, new - new // 2))
