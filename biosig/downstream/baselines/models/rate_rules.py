"""Rules for heart and respiratory rate of a window, without a fit: baselines for models of vital signs.

Heart rate is 60 over the median interval, which one missed or doubled beat hardly changes; NeuroKit2 finds the beats,
those of PPG by its detector after Elgendi et al., PLoS ONE 2013; 8:e76585. Respiratory rate is the frequency of the
beats' amplitude modulation in the band of breathing (Charlton et al., Physiol Meas 2016; 37:610, algorithms X_b of
amplitude modulation with a Fourier spectrum).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.baselines.models.ecg_features import DETECTION_LEADS, find_beats
from biosig.downstream.baselines.models.missing import usable
from biosig.downstream.baselines.models.ppg_features import find_pulses
from biosig.recording import Recording

BREATHING = (0.08, 0.67)
"""Hz: 5 to 40 breaths per minute."""

_FEWEST = 4  # beats; fewer have no rhythm of their amplitude
_GRID = 4.0  # Hz at which the amplitudes are resampled


def heart_rate(window: Recording, kind: str) -> float:
    """Beats per minute from the median interval between peaks; NaN if there are too few.

    Parameters
    ----------
    window : Recording
        One window.
    kind : {"ecg", "ppg"}
        Signal to use.
    """
    times, _ = _beats(window, kind)
    return float(60 / np.median(np.diff(times))) if len(times) >= _FEWEST else float("nan")


def respiratory_rate(window: Recording, kind: str) -> float:
    """Breaths per minute from the amplitude of the beats; NaN if there are too few.

    Parameters
    ----------
    window : Recording
        One window of 20 s or more: slower breathing has no whole period in less.
    kind : {"ecg", "ppg"}
        Signal to use.
    """
    times, amplitudes = _beats(window, kind)
    if len(times) < _FEWEST:
        return float("nan")
    grid = np.arange(times[0], times[-1], 1 / _GRID)
    return 60 * _dominant(np.interp(grid, times, amplitudes), _GRID)


def _dominant(signal: NDArray[np.float64], sfreq: float) -> float:
    """The frequency in the band of breathing with the greatest power, in Hz."""
    from scipy.signal import periodogram

    frequencies, power = periodogram(signal, sfreq, "hann", nfft=4096, detrend="linear")
    inside = (frequencies >= BREATHING[0]) & (frequencies <= BREATHING[1])
    return float(frequencies[inside][power[inside].argmax()])


def _beats(window: Recording, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times (s) and amplitudes of the beats or pulses in the first usable channel; empty where there is none."""
    for stream in window.of_kind(kind):
        found = {c.name: usable(row) for c, row in zip(stream.channels, stream.physical(), strict=True)}
        signals = {name: signal for name, signal in found.items() if signal is not None}
        for name in (*(lead for lead in DETECTION_LEADS if lead in signals), *signals):
            signal = signals[name]
            peaks = find_beats(signal, stream.sfreq)[0] if kind == "ecg" else find_pulses(signal, stream.sfreq)[1]
            if len(peaks) >= _FEWEST:
                return peaks / stream.sfreq, signal[peaks]
    return np.empty(0), np.empty(0)
