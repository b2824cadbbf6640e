"""The mean of the valid tokens, and the mean beside their standard deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biosig.models.readouts import READOUTS, Readout, Segments

if TYPE_CHECKING:
    from torch import Tensor


@READOUTS.register
class Mean(Readout):
    """The mean of a segment's valid tokens."""

    name = "mean"

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, D)."""
        return tokens.mean()


@READOUTS.register
class MeanAndDeviation(Readout):
    """The mean of a segment's valid tokens, and their standard deviation beside it."""

    name = "mean+std"

    def n_features(self, embed_dim: int, n_tokens: int = 0) -> int:  # noqa: ARG002
        """Twice the width of a token."""
        return 2 * embed_dim

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, 2 · D)."""
        import torch

        values, segment = tokens.real
        mean = tokens.mean()  # (S, D)
        squares = (values - mean[segment]) ** 2
        variance = torch.zeros_like(mean).index_add(0, segment, squares) / tokens.counts()
        constant = variance == 0  # where the root has no gradient
        deviation = variance.masked_fill(constant, 1.0).sqrt().masked_fill(constant, 0.0)
        return torch.cat((mean, deviation), dim=1)
