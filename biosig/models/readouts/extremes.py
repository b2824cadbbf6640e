"""The largest value of each feature, beside the mean, in which an event of a single beat is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biosig.models.readouts import READOUTS, Readout, Segments
from biosig.models.readouts.mean import MeanAndDeviation

if TYPE_CHECKING:
    from torch import Tensor


def largest(values: Tensor, segment: Tensor, n_segments: int) -> Tensor:
    """The largest value of each feature in each segment's tokens (M, D), shape (S, D); zeros where it has none."""
    rows = segment[:, None].expand_as(values)
    zeros = values.new_zeros(n_segments, values.shape[1])
    return zeros.scatter_reduce(0, rows, values, "amax", include_self=False)


@READOUTS.register
class MeanMaxDeviation(Readout):
    """The mean of a segment's valid tokens, the largest value of each feature, and the standard deviation."""

    name = "mean+max+std"

    def n_features(self, embed_dim: int, n_tokens: int = 0) -> int:  # noqa: ARG002
        """Three times the width of a token."""
        return 3 * embed_dim

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, 3 · D)."""
        import torch

        mean, deviation = MeanAndDeviation()(tokens).chunk(2, dim=1)
        return torch.cat((mean, largest(*tokens.real, tokens.n_segments), deviation), dim=1)


@READOUTS.register
class LocalMax(Readout):
    """The mean of a segment's tokens, and mean and maximum of the same tokens before the first block.

    Local tokens, which have not been mixed over time, keep what happens once.
    """

    name = "local_max"
    reads = "local"

    def n_features(self, embed_dim: int, n_tokens: int = 0) -> int:  # noqa: ARG002
        """Three times the width of a token."""
        return 3 * embed_dim

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, 3 · D)."""
        import torch

        assert tokens.local is not None
        local, segment = tokens.local[tokens.valid], tokens.segment[tokens.valid]
        total = local.new_zeros(tokens.n_segments, local.shape[1]).index_add(0, segment, local)
        return torch.cat((tokens.mean(), total / tokens.counts(), largest(local, segment, tokens.n_segments)), dim=1)
