"""The aperiodic part of the spectrum, and peaks above it.

Shape letters: E electrodes that can be measured, F frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from biosig.features.eeg_channels import electrodes, per_channel, per_region
from biosig.features.eeg_spectra import HALF_BANDWIDTH, TAPERS, Spectrum, spectrum
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window, shared

DONOGHUE = "after Donoghue et al., Nat Neurosci 2020; 23:1655"
KLIMESCH = "Klimesch, Brain Res Rev 1999; 29:169"

RANGE = (2.0, 40.0)
"""Hz of the fit, cut to the recording's own band."""

LEAST_OCTAVES = 3.0
"""A fit over less of a range would follow a peak; the exponent is NaN then."""

SKIRT = 0.3
"""Decades by which the last fifth of a range may lie below the line: more is the skirt of a low-pass filter."""

ABOVE = 0.1
"""Decades above the aperiodic line from which a maximum is a peak."""

PEAKS = {"theta": (4.0, 8.0), "alpha": (7.0, 13.0), "beta": (13.0, 30.0)}


@dataclass(frozen=True, eq=False)
class Aperiodic:
    """Lines lg density = offset − exponent · lg f.

    Parameters
    ----------
    offset, exponent, error : ndarray, shape (E,)
        `error` is the standard deviation of the spectrum below and at the line, in decades.
    high : float
        Hz up to which they were fitted.
    """

    offset: NDArray[np.float64]
    exponent: NDArray[np.float64]
    error: NDArray[np.float64]
    high: float


@shared
def aperiodic(window: Window) -> Aperiodic | None:
    """The line under each electrode's spectrum; None where the recording's band is too narrow for one."""
    found = spectrum(window)
    if found is None:
        return None
    low = max(RANGE[0], 3.0 / found.length, 1.5 * (window.band[0] or 0.0))
    high = min(RANGE[1], 0.8 * (window.band[1] or np.inf), window.highest_frequency)
    whole = found.n_segments > 0
    while whole.any() and np.log2(high / low) >= LEAST_OCTAVES:
        x, y = _by_octave(found, low, high)
        _, _, rest = _line(x, np.median(y[whole], axis=0)[None], x < np.log10(low + 0.6 * (high - low)))
        if np.median(rest[0, x > np.log10(low + 0.8 * (high - low))]) >= -SKIRT:
            offset, exponent, rest = _robust_line(x, y)
            return Aperiodic(offset, exponent, np.sqrt(2 * np.mean(np.minimum(rest, 0.0) ** 2, axis=1)), high)
        high *= 0.85
    return None


def _by_octave(found: Spectrum, low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """lg f and lg density (E, bins) of means over an eighth of an octave, so that every octave weighs the same.

    The logarithm of a mean of n squares is too low by lg n − ψ(n) / ln 10; that is added.
    """
    freqs = np.flatnonzero(found.mask(low, high))
    bins = np.floor(8 * np.log2(found.freqs[freqs] / low + 1e-9)).astype(int)
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    width = np.diff(np.r_[first, len(bins)])
    density = np.add.reduceat(found.density[:, freqs], first, axis=1) / width
    x = np.add.reduceat(np.log10(found.freqs[freqs]), first) / width
    independent = TAPERS * np.maximum(width / (2 * HALF_BANDWIDTH), 1.0)
    n = np.maximum(found.n_segments, 1)[:, None] * independent
    with np.errstate(divide="ignore", invalid="ignore"):
        return x, np.log10(density) + np.log10(n) - digamma(n) / np.log(10)


def _line(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Offset (E,), exponent (E,) and residuals (E, bins) of straight lines through the chosen bins of `y` (E, bins)."""
    w = np.broadcast_to(weight, y.shape).astype(np.float64)
    total = w.sum(1)
    mx, my = (w @ x) / total, (w * y).sum(1) / total
    dx = x - mx[:, None]
    slope = (w * dx * (y - my[:, None])).sum(1) / (w * dx**2).sum(1)
    offset = my - slope * mx
    return offset, -slope, y - offset[:, None] - slope[:, None] * x


def _robust_line(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """`_line` without the bins of peaks: those far above the line leave, step by step."""
    kept = np.ones(y.shape, bool)
    offset, exponent, rest = _line(x, y, kept)
    for _ in range(8):
        below = np.minimum(rest, 0.0)
        scale = np.sqrt((below**2).sum(1) / np.maximum((below < 0).sum(1), 1))
        kept = rest <= np.maximum(2.0 * scale, 0.05)[:, None]
        kept |= kept.mean(1, keepdims=True) < 0.4
        offset, exponent, rest = _line(x, y, kept)
    return offset, exponent, rest


@feature(
    "eeg",
    Column("aperiodic_exponent", "1", "b of lg density = a − b · lg f from 2 to 40 Hz inside the recording's band, "
           "without the bins of peaks", DONOGHUE, "channel"),
    Column("aperiodic_offset", "lg (uV²/Hz)", "a of that line", DONOGHUE, "channel", True),
    Column("aperiodic_error", "1", "deviation of the spectrum from that line, below it, in decades", "", "channel"),
    Column("region_aperiodic_exponent", "1", "mean of aperiodic_exponent over the region's electrodes", DONOGHUE,
           "region"),
    Column("aperiodic_high", "Hz", "upper end of the fit: lower than 40 where a low-pass filter shows"),
)  # fmt: skip
def line(window: Window) -> Values:
    """Exponent and offset."""
    found = aperiodic(window)
    if found is None:
        return {"region_aperiodic_exponent": per_region(window, np.full(len(electrodes(window).rows), np.nan))}
    return {
        "aperiodic_exponent": per_channel(window, found.exponent),
        "aperiodic_offset": per_channel(window, found.offset),
        "aperiodic_error": per_channel(window, found.error),
        "region_aperiodic_exponent": per_region(window, found.exponent),
        "aperiodic_high": found.high,
    }


@feature(
    "eeg",
    *(Column(f"peak_{name}", "Hz", f"largest maximum of the spectrum over the aperiodic line, {low:g} to {high:g} Hz; "
             "NaN where none is 0.1 decades above", DONOGHUE, "channel") for name, (low, high) in PEAKS.items()),
    *(Column(f"peak_{name}_height", "1", f"largest density from {low:g} to {high:g} Hz over the aperiodic line, in "
             "decades", DONOGHUE, "channel") for name, (low, high) in PEAKS.items()),
    Column("alpha_gravity", "Hz", "mean frequency from 7 to 13 Hz, weighed by the density above the aperiodic line",
           KLIMESCH, "channel"),
    Column("peak_alpha_posterior", "Hz", "median of peak_alpha over parietal and occipital electrodes", KLIMESCH),
    Column("edge_frequency", "Hz", "95 % of the power from 1 to 45 Hz lie below", "", "channel"),
    Column("median_frequency", "Hz", "half of the power from 1 to 45 Hz lies below", "", "channel"),
    Column("spectral_entropy", "1", "entropy of the power from 1 to 45 Hz over that of a flat spectrum",
           "Inouye et al., Electroencephalogr Clin Neurophysiol 1991; 79:204", "channel"),
)  # fmt: skip
def peaks(window: Window) -> Values:
    """Peak, edge and median frequencies."""
    spectra, found = spectrum(window), aperiodic(window)
    if spectra is None:
        return {}
    values: dict[str, NDArray[np.floating] | float] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        use = spectra.mask(1.0, min(45.0, window.highest_frequency))
        if use.sum() > 8 and spectra.length >= 3.0:
            share = spectra.density[:, use] / spectra.density[:, use].sum(1, keepdims=True)
            whole, sums = np.isfinite(share).all(1), np.cumsum(share, axis=1)
            for name, part in (("edge_frequency", 0.95), ("median_frequency", 0.5)):
                at = spectra.freqs[use][(sums >= part).argmax(1)]
                values[name] = per_channel(window, np.where(whole, at, np.nan))
            entropy = -(share * np.log(np.maximum(share, 1e-30))).sum(1) / np.log(use.sum())
            values["spectral_entropy"] = per_channel(window, entropy)
        if found is None:
            return values
        line_at = found.offset[:, None] - found.exponent[:, None] * np.log10(spectra.freqs)
        above = np.log10(spectra.density) - line_at
    # over 1 Hz, so that no single bin is a peak
    width = max(round(1 / spectra.step) | 1, 1)
    smooth = _smooth(above, width)
    for name, (low, high) in PEAKS.items():
        if high > found.high:
            continue
        band = np.flatnonzero(spectra.mask(low, high))
        inner = smooth[:, band]
        rising = (inner >= smooth[:, band - 1]) & (inner >= smooth[:, band + 1])  # no shoulder of a neighbour's peak
        best = np.where(rising, inner, -np.inf).argmax(1)
        height = np.take_along_axis(np.where(rising, inner, -np.inf), best[:, None], 1)[:, 0]
        values[f"peak_{name}"] = per_channel(window, np.where(height >= ABOVE, spectra.freqs[band[best]], np.nan))
        values[f"peak_{name}_height"] = per_channel(window, inner.max(1))
    band = np.flatnonzero(spectra.mask(*PEAKS["alpha"]))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        excess = np.maximum(spectra.density[:, band] - 10 ** line_at[:, band], 0.0)
        values["alpha_gravity"] = per_channel(window, (excess @ spectra.freqs[band]) / excess.sum(1))
    if "peak_alpha" in values:
        back = [i for i, region in enumerate(electrodes(window).regions) if region.startswith(("par", "occ"))]
        of_back = np.asarray(values["peak_alpha"])[electrodes(window).rows[back]]
        some = of_back[np.isfinite(of_back)]
        values["peak_alpha_posterior"] = float(np.median(some)) if len(some) else np.nan
    return values


def _smooth(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Moving mean over `width` bins of each row; shorter at the ends."""
    sums = np.cumsum(np.pad(np.where(np.isfinite(values), values, 0.0), ((0, 0), (1, 0))), axis=1)
    at = np.arange(values.shape[1])
    first, last = np.maximum(at - width // 2, 0), np.minimum(at + width // 2 + 1, values.shape[1])
    mean = (sums[:, last] - sums[:, first]) / (last - first)
    return np.where(np.isfinite(values).any(1, keepdims=True), mean, np.nan)
