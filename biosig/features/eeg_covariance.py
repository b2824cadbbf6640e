"""Covariances of virtual channels per band: how regions of the head go together, whatever the montage.

Shape letters: E electrodes, V virtual channels, B bands, S segments, K tapers, F frequencies.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from biosig.features.eeg_bands import BANDS
from biosig.features.eeg_channels import REGIONS, electrodes, position
from biosig.features.eeg_spectra import SEGMENT, holds, spectrum, transforms
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window

WIDTH = 0.025
"""Metres, deviation of the Gaussian that weighs the electrodes about a virtual channel's place: a quarter of a head's
radius."""

FARTHEST = 0.04
"""Metres to the nearest electrode, beyond which a virtual channel is left out."""

MOST_MISSING = 0.05
"""An electrode that lacks more of its samples is not used here."""

COVARIANCE_BANDS = ("delta", "theta", "alpha", "beta", "gamma")

BARACHANT = "covariances: Barachant et al., IEEE Trans Biomed Eng 2012; 59:920"


def weights(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (V, E) of electrodes at `positions` (E, 3) for one virtual channel per region; NaN rows have none near.

    Each row sums to one; each virtual channel lies in the middle of its region's 10–20 sites.
    """
    places = np.array([np.mean([position(site) for site in members], axis=0) for members in REGIONS.values()])
    distance = np.linalg.norm(places[:, None] - positions[None], axis=2)  # (V, E)
    distance = np.where(np.isfinite(distance), distance, np.inf)
    nearest = distance.min(1, keepdims=True, initial=np.inf)
    with np.errstate(invalid="ignore"):
        weight = np.exp((nearest**2 - distance**2) / (2 * WIDTH**2))
        weight /= weight.sum(1, keepdims=True)
    return np.where(nearest <= FARTHEST, weight, np.nan)


@feature(
    "eeg",
    *(Column(f"virtual_power_{band}", "dB re 1 uV²", f"10 lg of the power of {band} in the region's virtual channel: "
             "Gaussian mean of the electrodes around it, 25 mm, less the mean of all virtual channels", BARACHANT,
             "region", True) for band in COVARIANCE_BANDS),
    *(Column(f"virtual_correlation_{band}", "1", f"artanh of the correlation in {band} of two virtual channels",
             BARACHANT, "pair", True, ratio=True) for band in COVARIANCE_BANDS),
)  # fmt: skip
def covariance(window: Window) -> Values:
    """Powers and correlations of virtual channels."""
    found, channels = spectrum(window), electrodes(window)
    carried = [band for band in COVARIANCE_BANDS if holds(window, *BANDS[band])]
    names = list(REGIONS)
    power = {band: np.full(len(names), np.nan) for band in COVARIANCE_BANDS}
    related = {band: np.full((len(names), len(names)), np.nan) for band in COVARIANCE_BANDS}
    missing = 1 - np.isfinite(window.x[channels.rows]).mean(1) if window.n_times else np.ones(len(channels.rows))
    whole = channels.rows[missing <= MOST_MISSING]
    weight = weights(channels.positions[missing <= MOST_MISSING])
    live = np.flatnonzero(np.isfinite(weight).all(1)) if weight.size else np.empty(0, np.intp)
    if window.amplitude and found is not None and carried and len(live) > 1:
        mix = weight[live] - weight[live].mean(0)
        total = _covariances(mix.astype(np.float32) @ window.x[whole], window.sfreq, carried)
        for band, matrix in zip(carried, total, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                variance = np.diag(matrix)
                power[band][live] = 10 * np.log10(variance)
                correlation = matrix / np.sqrt(np.outer(variance, variance))
                related[band][np.ix_(live, live)] = np.arctanh(np.clip(correlation, -0.9999, 0.9999))
    values: dict[str, dict[str, float]] = {}
    for band in COVARIANCE_BANDS:
        values[f"virtual_power_{band}"] = dict(zip(names, power[band], strict=True))
        values[f"virtual_correlation_{band}"] = {
            f"{names[i]}, {names[j]}": related[band][i, j] for i, j in combinations(range(len(names)), 2)
        }
    return values


def _covariances(x: NDArray[np.float32], sfreq: float, bands: list[str]) -> NDArray[np.float64]:
    """Covariances (B, V, V) of signals (V, T) in some bands; NaN where no segment is without a gap."""
    total, n = np.zeros((len(bands), len(x), len(x))), 0
    for transformed, whole in transforms(x, sfreq):
        part = transformed[whole.all(1)]  # (S, V, K, F)
        n += part.shape[0] * part.shape[2]
        freqs = np.arange(part.shape[3]) * sfreq / min(round(SEGMENT * sfreq), x.shape[1])
        for i, band in enumerate(bands):
            low, high = BANDS[band]
            inside = part[..., (freqs >= low) & (freqs < high)].swapaxes(0, 1).reshape(len(x), -1)
            total[i] += (inside @ inside.conj().T).real
    length = min(round(SEGMENT * sfreq), x.shape[1])
    return 2 * total / (n * length) if n else np.full_like(total, np.nan)
