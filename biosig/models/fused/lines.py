"""Lines that several sites share: how far they swing together at each frequency, against the neighbouring ones.

At a frequency at which a stimulus flickers, the sites' Fourier coefficients stand out of the cross-spectrum of the
frequencies around: Hotelling's statistic, which is the same for any mixture of the sites.

Shape letters: b windows, K sites, T samples, Q frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from biosig.models.fused.widths import FIRST, N_LINES, STEP

NEAR, FAR = 2, 12
"""Steps: the neighbours are farther away than the first, and at most as far as the second."""

FLOOR, SHRINKAGE = 1e-2, 0.05


def coherence(x: Tensor, sfreq: float) -> Tensor:
    """Logarithm of Hotelling's statistic of each frequency per site, its direct neighbours counted by a quarter.

    Parameters
    ----------
    x : Tensor, shape (b, K, T)
        Sites, of deviation about 1; zeros where nothing is known.
    sfreq : float
        Hz.

    Returns
    -------
    Tensor, shape (b, 161)
    """
    n_sites, n_times = x.shape[1:]
    reach = FAR + 1
    frequency = FIRST + STEP * torch.arange(-reach, N_LINES + reach, device=x.device)  # (Q,)
    phase = 2 * math.pi / sfreq * torch.arange(n_times, device=x.device)[:, None] * frequency
    windowed = x * torch.hann_window(n_times, device=x.device)
    f = torch.complex(windowed @ phase.cos(), -(windowed @ phase.sin())).transpose(1, 2)  # (b, Q, K)
    products = f[..., :, None] * f[..., None, :].conj()  # (b, Q, K, K)
    sums = torch.cat((torch.zeros_like(products[:, :1]), products.cumsum(dim=1)), dim=1)
    k = torch.arange(reach, reach + N_LINES, device=x.device)
    around = (sums[:, k + FAR + 1] - sums[:, k - FAR]) - (sums[:, k + NEAR + 1] - sums[:, k - NEAR])
    noise = around / (2 * (FAR - NEAR))  # (b, 161, K, K)
    power = noise.diagonal(dim1=2, dim2=3).real.mean(dim=2)[..., None, None]
    noise = noise + (SHRINKAGE * power + 1e-6) * torch.eye(n_sites, device=x.device)
    root = torch.linalg.cholesky(noise)
    statistic = x.new_zeros(len(x), N_LINES)
    for step, share in ((-1, 0.25), (0, 1.0), (1, 0.25)):
        white = torch.linalg.solve_triangular(root, f[:, k + step][..., None], upper=False)
        statistic = statistic + share * white.abs().square().sum(dim=(2, 3))
    return (statistic / n_sites + FLOOR).log()
