"""Where and when: a position code over (x, y, z, t), the reference electrode, and the modality.

The code follows REVE (arXiv:2510.21585, section 3.1) in adding Fourier features and an MLP of the raw coordinates,
and departs from it where REVE is weak: time is in seconds with periods from below a patch to beyond an hour, so the
code does not repeat within a window; the reference electrode is part of the position, so two bipolar derivations with
one midpoint differ; and an unknown position is said to be unknown instead of being placed somewhere.

Shape letters: N tokens, D embed_dim, F frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SPACE_WAVELENGTHS = (4.0, 0.06)
"""m: from a body length and more, so that space never wraps round, to the spacing of a 64-channel cap."""

TIME_WAVELENGTHS = (7200.0, 0.5)
"""s: from two hours, beyond any window, to about a patch."""


def geometric_frequencies(wavelengths: tuple[float, float], n: int) -> Tensor:
    """`n` angular frequencies, shape (F,), geometrically spaced from the longest to the shortest wavelength."""
    longest, shortest = wavelengths
    return 2 * math.pi / torch.logspace(math.log10(longest), math.log10(shortest), n, dtype=torch.float64)


class FourierFeatures(nn.Module):
    """Sine and cosine of each coordinate at geometrically spaced frequencies (Mildenhall 2020, NeRF, section 5.1)."""

    space: Tensor
    time: Tensor

    def __init__(self, n_space: int, n_time: int) -> None:
        super().__init__()
        self.out_dim = 2 * (3 * n_space + n_time)
        # float64 until the product is taken: at 2 h, float32 seconds times a fast frequency would lose the phase.
        self.register_buffer("space", geometric_frequencies(SPACE_WAVELENGTHS, n_space), persistent=False)
        self.register_buffer("time", geometric_frequencies(TIME_WAVELENGTHS, n_time), persistent=False)

    def forward(self, position: Tensor) -> Tensor:
        """Position (N, 4), or (N, 3) without time → (N, out_dim) or (N, 6 · n_space)."""
        phase = (position[:, :3, None].double() * self.space).flatten(1)  # (N, 3F)
        if position.shape[1] == 4:
            phase = torch.cat((phase, position[:, 3, None].double() * self.time), dim=1)
        phase = torch.remainder(phase, 2 * math.pi).to(position.dtype)
        return torch.cat((phase.sin(), phase.cos()), dim=1)


class PositionCode(nn.Module):
    """norm(Fourier(x, y, z, t) + MLP(x, y, z, reference, log-time) + reference + modality).

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    n_modalities : int
        Size of the modality embedding.
    n_space, n_time : int
        Frequencies per spatial axis, and in time.
    """

    def __init__(self, embed_dim: int, n_modalities: int, n_space: int = 8, n_time: int = 16) -> None:
        super().__init__()
        self.fourier = FourierFeatures(n_space, n_time)
        self.n_space = n_space
        self.from_position = nn.Linear(self.fourier.out_dim, embed_dim)
        self.from_reference = nn.Linear(6 * n_space, embed_dim, bias=False)
        self.mlp = nn.Sequential(nn.Linear(7, embed_dim), nn.GELU(), nn.Linear(embed_dim, embed_dim))
        self.unknown_position = nn.Parameter(torch.zeros(embed_dim))
        self.no_reference = nn.Parameter(torch.zeros(embed_dim))
        self.modality = nn.Embedding(n_modalities, embed_dim)
        self.norm = nn.RMSNorm(embed_dim, eps=1e-6)

    def forward(self, position: Tensor, reference: Tensor, modality: Tensor) -> Tensor:
        """Position (N, 4), reference (N, 3), modality (N,) → (N, D). NaN coordinates are unknown."""
        placed = position[:, :3].isfinite().all(dim=1, keepdim=True)  # (N, 1)
        referred = reference.isfinite().all(dim=1, keepdim=True)  # (N, 1)
        xyz = torch.where(placed, position[:, :3], 0.0)
        ref = torch.where(referred, reference, 0.0)
        time = position[:, 3:]
        # log1p(t) gives the MLP a time of order one from a patch to a night.
        coordinates = torch.cat((xyz, ref, time.clamp(min=0).log1p()), dim=1)  # (N, 7)
        dtype = self.from_position.weight.dtype
        code = self.from_position(self.fourier(torch.cat((xyz, time), dim=1)).to(dtype))
        code = code + self.mlp(coordinates.to(dtype)) + torch.where(placed, 0.0, self.unknown_position)
        code = code + torch.where(referred, self.from_reference(self.fourier(ref).to(dtype)), self.no_reference)
        return self.norm(code + self.modality(modality))
