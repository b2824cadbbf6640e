"""Hand-made EEG features by Welch's method (1967): per channel the log power of classical bands and the spectral slope.

Names: `eeg.alpha[O1]`, in log10 uV²; `eeg.slope[O1]`, in decades of power per decade of frequency.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.baselines.models.missing import usable
from biosig.recording import Stream
from biosig.signal import unit_factor

BANDS = {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}
"""Hz, lower limit included; gamma ends below both power-line frequencies."""

SLOPE_BAND, RHYTHM_BAND = (2.0, 40.0), (7.0, 14.0)
"""Hz: the band in which the slope is fitted, and the alpha band, which is left out of it: a peak is not a part of 1/f
(Donoghue et al., Nat Neurosci 2020; 23:1655)."""

SEGMENT = 2.0
"""Seconds per Welch segment, Hann window, half overlap: a resolution of 0.5 Hz."""


_FEWEST_BINS = 10


def eeg_features(stream: Stream) -> dict[str, float]:
    """Log band power and spectral slope of each EEG channel of one window.

    Parameters
    ----------
    stream : Stream
        EEG channels of one window.

    Returns
    -------
    dict of str to float
        NaN for a channel that cannot be measured, and for a band that the rate or the length does not resolve.
    """
    from scipy.signal import welch

    features = {f"eeg.{band}[{name}]": np.nan for name in stream.ch_names for band in (*BANDS, "slope")}
    signals = {}
    for channel, row in zip(stream.channels, stream.physical(), strict=True):
        signal = usable(row)
        if signal is not None:
            signals[channel.name] = signal * unit_factor(channel.unit, "uV")
    if not signals:
        return features
    stacked = np.stack(list(signals.values()))  # [C, T]
    freqs, density = welch(stacked, stream.sfreq, nperseg=min(round(SEGMENT * stream.sfreq), stacked.shape[1]))
    for band, (low, high) in BANDS.items():
        inside = (freqs >= low) & (freqs < high)
        if inside.any() and high <= stream.sfreq / 2:
            power = density[:, inside].sum(1) * (freqs[1] - freqs[0])  # uV²
            for name, value in zip(signals, power, strict=True):
                features[f"eeg.{band}[{name}]"] = float(np.log10(value)) if value > 0 else np.nan
    for name, spectrum in zip(signals, density, strict=True):
        features[f"eeg.slope[{name}]"] = spectral_slope(freqs, spectrum)
    return features


def spectral_slope(freqs: NDArray[np.float64], density: NDArray[np.float64]) -> float:
    """Slope of log power over log frequency, by least squares; NaN if the spectrum does not cover the band.

    Parameters
    ----------
    freqs, density : ndarray, shape (n_freqs,)
        Hz, and power per Hz.
    """
    (low, high), (alpha_low, alpha_high) = SLOPE_BAND, RHYTHM_BAND
    inside = (freqs >= low) & (freqs <= high) & ((freqs < alpha_low) | (freqs > alpha_high)) & (density > 0)
    if freqs[-1] < high or inside.sum() < _FEWEST_BINS:
        return float("nan")
    return float(np.polyfit(np.log10(freqs[inside]), np.log10(density[inside]), 1)[0])
