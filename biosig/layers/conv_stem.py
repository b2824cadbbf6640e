"""Tokens of a patch by convolutions along time, as LaBraM and CBraMod make them.

Shape letters: B windows, R patches of all channels of a window, P samples of a patch, F filters, S steps.
"""

from __future__ import annotations

from torch import Tensor, nn


class ConvStem(nn.Sequential):
    """Three convolutions, each followed by a norm and GELU; the first goes forward by several samples.

    The norms take mean and deviation over all channels and patches of a window, so a channel more, or a bad one,
    changes every token.

    Parameters
    ----------
    n_filters, n_groups : int
        F, and how many groups of them have a mean and a deviation each.
    kernel, stride : int
        Of the first convolution, in samples; it pads by half a kernel. The others have kernels of 3.
    """

    def __init__(self, n_filters: int, n_groups: int, kernel: int, stride: int) -> None:
        super().__init__(
            *(
                nn.Sequential(
                    nn.Conv2d(n_in, n_filters, (1, length), (1, step), (0, length // 2)),
                    nn.GroupNorm(n_groups, n_filters),
                    nn.GELU(),
                )
                for n_in, length, step in ((1, kernel, stride), (n_filters, 3, 1), (n_filters, 3, 1))
            )
        )

    def forward(self, patches: Tensor) -> Tensor:
        """patches (B, R, P) → (B, F, R, S)."""
        return super().forward(patches[:, None])
