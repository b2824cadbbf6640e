"""SIGReg: how far vectors are from an isotropic Gaussian, tested along random directions (LeJEPA, arXiv:2511.08544).

Latents that are predicted from each other without a stopped gradient would collapse to a point; this keeps them apart.

Shape letters: N vectors, D their length, G groups, S directions, K knots.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LAST, KNOTS = 5.0, 17
"""Frequencies 0 to 5 are looked at: beyond them the weight has fallen to 4e-6."""


def sigreg(x: Tensor, group: Tensor, n_groups: int, directions: Tensor) -> Tensor:
    """Sketched Epps–Pulley statistic of the vectors of each group (section 4 of the paper).

    Along a direction it is ∫ |c(t) - exp(-t²/2)|² exp(-t²/2) dt over all t, where c(t) = mean exp(i t x) is the
    empirical characteristic function of the n projected vectors; the integral is by trapezoids. The paper multiplies by
    n; without that its weight means the same for windows of any length. For vectors from the Gaussian it is
    √(2π) (1 - 1/√3) / n = 1.06 / n on average.

    Parameters
    ----------
    x : Tensor, shape (N, D)
        Vectors.
    group : Tensor of int64, shape (N,)
        The group of each, 0 to G - 1.
    n_groups : int
        G.
    directions : Tensor, shape (D, S)
        Of length one each.

    Returns
    -------
    Tensor, shape (G,)
        The mean over directions; 0 of a group without vectors.
    """
    along = x.float() @ directions  # (N, S)
    knots = torch.linspace(0, LAST, KNOTS, device=x.device)
    gauss = (-knots.square() / 2).exp()  # (K,)
    step = torch.full_like(knots, 2 * LAST / (KNOTS - 1))  # twice, as negative frequencies say the same
    step[0] /= 2
    step[-1] /= 2
    counts = torch.bincount(group, minlength=n_groups).float()  # (G,)
    phase = along[..., None] * knots  # (N, S, K)
    real, imaginary = (
        phase.new_zeros(n_groups, *phase.shape[1:]).index_add(0, group, wave(phase)) for wave in (torch.cos, torch.sin)
    )  # (G, S, K)
    n = counts.clamp(min=1)[:, None, None]
    distance = (real / n - gauss).square() + (imaginary / n).square()
    return (counts > 0) * (distance * (step * gauss)).sum(dim=2).mean(dim=1)


def random_directions(dim: int, n: int, seed: int, device: torch.device | str = "cpu") -> Tensor:
    """Directions (D, S) that are uniform on the sphere, a function of the seed."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(dim, n, generator=generator), dim=0).to(device)
