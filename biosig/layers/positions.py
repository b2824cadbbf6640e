"""Position code over place and time (x, y, z, t), the reference electrode, and the modality.

The code follows REVE (arXiv:2510.21585, section 3.1) in adding Fourier features and an MLP of the raw coordinates,
and departs from it where REVE is weak: time is in seconds with periods from below a patch to beyond an hour, so the
code does not repeat within a window; the reference electrode is part of the position, so two bipolar derivations with
one midpoint differ; and an unknown position is marked as unknown instead of being placed somewhere.

Shape letters: N tokens, D embed_dim, F frequencies.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from biosig.layers.config import BodyCode

if TYPE_CHECKING:
    from biosig.batches.packed import PackedBatch

SPACE_WAVELENGTHS = (4.0, 0.06)
"""m: from a body length and more, so that space never wraps round, to the spacing of a 64-channel cap."""

TIME_WAVELENGTHS = (40.0, 0.5)
"""s: from a window to about a patch; dense here, because "at the same instant" is what a token asks first."""

LONG_TIME_WAVELENGTHS = (14400.0, 80.0)
"""s: four more, to four hours, so that the code does not repeat within a long window."""

SPACE_EXTENT, TIME_EXTENT = (-0.5, 0.5), (0.0, 10.0)
"""m and s: where most coordinates lie, a head and torso and a window."""


def geometric_frequencies(wavelengths: tuple[float, float], n: int) -> Tensor:
    """`n` angular frequencies, shape (F,), geometrically spaced from the longest to the shortest wavelength."""
    longest, shortest = wavelengths
    return 2 * math.pi / torch.logspace(math.log10(longest), math.log10(shortest), n, dtype=torch.float64)


class Fourier(nn.Module):
    """Sine and cosine of each coordinate at given frequencies (Mildenhall 2020, NeRF, section 5.1), centred.

    Each feature has its mean over a usual extent subtracted, so that a frequency too slow to tell two coordinates apart
    adds nothing, where a cosine near 1 in every token would drown what differs between them.

    Parameters
    ----------
    frequencies : Tensor, shape (F,)
        Angular, in radians per metre or second.
    extent : tuple of 2 float
        Usual range of the coordinates.
    """

    frequencies: Tensor
    centre: Tensor

    def __init__(self, frequencies: Tensor, extent: tuple[float, float]) -> None:
        super().__init__()
        # float64 until the product is taken: after hours, float32 seconds times a fast frequency would lose the phase.
        low, high = frequencies.double() * extent[0], frequencies.double() * extent[1]
        mean_sin, mean_cos = (low.cos() - high.cos()) / (high - low), (high.sin() - low.sin()) / (high - low)
        self.register_buffer("frequencies", frequencies.double(), persistent=False)
        self.register_buffer("centre", torch.stack((mean_sin, mean_cos)).float(), persistent=False)  # (2, F)

    def forward(self, x: Tensor) -> Tensor:
        """Coordinates (N, K) → (N, 2 · K · F)."""
        phase = torch.remainder(x[:, :, None].double() * self.frequencies, 2 * math.pi).to(x.dtype)  # (N, K, F)
        return torch.cat((phase.sin() - self.centre[0], phase.cos() - self.centre[1]), dim=1).flatten(1)


class BodyPositions(nn.Module):
    """norm(place) + norm(time) + modality, from Fourier features and an MLP of the raw coordinates.

    Place is position and reference. It and time are normalised apart, so that neither drowns the other.

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    n_modalities : int
        Size of the modality embedding.
    code : BodyCode
        Number of frequencies.
    """

    def __init__(self, embed_dim: int, n_modalities: int, code: BodyCode) -> None:
        super().__init__()
        n_space, n_time = code.n_space, code.n_time
        self.space = Fourier(geometric_frequencies(SPACE_WAVELENGTHS, n_space), SPACE_EXTENT)
        slow, fast = geometric_frequencies(LONG_TIME_WAVELENGTHS, 4), geometric_frequencies(TIME_WAVELENGTHS, n_time)
        self.time = Fourier(torch.cat((slow, fast)), TIME_EXTENT)
        self.from_position = nn.Linear(6 * n_space, embed_dim, bias=False)
        self.from_reference = nn.Linear(6 * n_space, embed_dim, bias=False)
        self.from_time = nn.Linear(2 * (4 + n_time), embed_dim, bias=False)
        self.mlp = nn.Sequential(nn.Linear(7, embed_dim), nn.GELU(), nn.Linear(embed_dim, embed_dim, bias=False))
        self.unknown_position = nn.Parameter(torch.zeros(embed_dim))
        self.no_reference = nn.Parameter(torch.zeros(embed_dim))
        self.modality = nn.Embedding(n_modalities, embed_dim)
        self.place_norm = nn.RMSNorm(embed_dim, eps=1e-6)
        self.time_norm = nn.RMSNorm(embed_dim, eps=1e-6)

    def initialise(self) -> None:
        """Draw the vectors of unknown places and of the modalities, about as large as the rest of the code."""
        for vector in (self.unknown_position, self.no_reference, self.modality.weight):
            nn.init.normal_(vector, std=0.1)

    def forward(self, batch: PackedBatch) -> Tensor:
        """The code of each token of a packed batch (N, D); NaN coordinates are unknown."""
        position, reference = batch.position, batch.reference  # (N, 4), (N, 3)
        placed = position[:, :3].isfinite().all(dim=1, keepdim=True)  # (N, 1)
        referred = reference.isfinite().all(dim=1, keepdim=True)  # (N, 1)
        xyz = torch.where(placed, position[:, :3], 0.0)
        ref = torch.where(referred, reference, 0.0)
        t = position[:, 3:]  # (N, 1) seconds
        place = torch.where(placed, self.from_position(self.space(xyz)), self.unknown_position)
        place = place + torch.where(referred, self.from_reference(self.space(ref)), self.no_reference)
        # Decimetres and log-seconds are of order one, from an electrode to a body and from a patch to a night.
        joint = self.mlp(torch.cat((10 * xyz, 10 * ref, t.clamp(min=0).log1p()), dim=1))
        time = self.from_time(self.time(t))
        # Norms in float32, also where autocast makes the products bfloat16.
        return self.place_norm((place + joint).float()) + self.time_norm(time.float()) + self.modality(batch.modality)
