"""Hand-made EEG features: log power of the classical bands per channel, by Welch's method (1967).

Names: `eeg.alpha[O1]`, in log10 uV².
"""

from __future__ import annotations

import numpy as np

from biosig.evaluate.baselines.gaps import usable
from biosig.recording import Stream
from biosig.signal import unit_factor

BANDS = {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}
"""Hz, lower limit included; gamma ends below both power-line frequencies."""

SEGMENT = 2.0
"""Seconds per Welch segment, Hann window, half overlap: a resolution of 0.5 Hz."""


def eeg_features(stream: Stream) -> dict[str, float]:
    """Log band power of each EEG channel of one window.

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

    features = {f"eeg.{band}[{name}]": np.nan for name in stream.ch_names for band in BANDS}
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
    return features
