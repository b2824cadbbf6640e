"""Covariance of tokens, as its matrix logarithm (log-Euclidean; Arsigny 2006, MRM 56:411).

Shape letters: M valid tokens, S segments, D embed_dim, A axes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from biosig.models.readouts import READOUTS, Readout, Segments

if TYPE_CHECKING:
    from torch import Tensor

AXES = 32
"""Of a fixed random rotation, to which wider tokens are projected: a covariance has A · (A + 1) / 2 numbers."""

SHRINKAGE = 0.02
"""Share of the mean variance that is added to each, so that few tokens have a logarithm."""


@READOUTS.register
class Covariance(Readout):
    """The upper triangle of the logarithm of the covariance of a segment's valid tokens, off-diagonals times √2."""

    name = "covariance"

    def n_features(self, embed_dim: int, n_tokens: int = 0) -> int:  # noqa: ARG002
        """The numbers of a symmetric matrix."""
        n_axes = min(embed_dim, AXES)
        return n_axes * (n_axes + 1) // 2

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, F)."""
        import torch

        values, segment = tokens.real
        values = values.double() @ _axes(values.shape[1]).to(values.device)  # (M, A)
        n_axes, counts = values.shape[1], tokens.counts()
        mean = values.new_zeros(tokens.n_segments, n_axes).index_add(0, segment, values) / counts
        centred = values - mean[segment]
        products = (centred[:, :, None] * centred[:, None]).flatten(1)  # (M, A · A)
        total = products.new_zeros(tokens.n_segments, n_axes**2).index_add(0, segment, products)
        covariance = (total / counts).unflatten(1, (n_axes, n_axes))
        power = covariance.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
        covariance = covariance + (SHRINKAGE * power + 1e-6) * torch.eye(n_axes, device=values.device)
        rows, columns = torch.triu_indices(n_axes, n_axes, device=values.device)
        weight = torch.where(rows == columns, 1.0, 2**0.5)
        return (matrix_log(covariance)[:, rows, columns] * weight).float()


@lru_cache(maxsize=8)
def _axes(embed_dim: int) -> Tensor:
    """Orthonormal axes (D, A), the same in every session."""
    import torch

    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(embed_dim, min(embed_dim, AXES), generator=generator, dtype=torch.float64)
    return torch.linalg.qr(drawn).Q


def matrix_log(matrices: Tensor) -> Tensor:
    """Logarithm of symmetric positive matrices (S, A, A), whose gradient is finite also where eigenvalues are equal."""
    import torch

    class Log(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            values, vectors = torch.linalg.eigh(x)
            ctx.save_for_backward(values, vectors)
            return (vectors * values.log()[:, None]) @ vectors.mT

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            """Daleckii and Krein's formula: divided differences of the logarithm."""
            values, vectors = ctx.saved_tensors
            a, b = values[:, :, None], values[:, None]
            apart = (a - b).abs() > 1e-9 * (a + b)
            slope = torch.where(apart, (a.log() - b.log()) / torch.where(apart, a - b, 1.0), 2 / (a + b))
            return vectors @ ((vectors.mT @ gradient @ vectors) * slope) @ vectors.mT

    return Log.apply(matrices)
