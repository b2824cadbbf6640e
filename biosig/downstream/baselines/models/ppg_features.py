"""Hand-made PPG features: pulse rate and its variation, pulse shape; peaks by NeuroKit2 (Elgendi et al. 2013).

Names: `ppg.rate[finger]`. Times are ms, rates per minute, amplitudes in the source's unit.
"""

from __future__ import annotations

import logging
import warnings
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.baselines.models.missing import usable
from biosig.recording import Stream

log = logging.getLogger(__name__)

FEWEST_PULSES = 3

_MEASURES = ("rate", "sdnn", "rmssd", "amplitude", "rise_time", "width", "skewness", "kurtosis", "sd")


def ppg_features(stream: Stream) -> dict[str, float]:
    """Pulse rate, variation and shape of each PPG channel of one window.

    Parameters
    ----------
    stream : Stream
        PPG channels of one window.

    Returns
    -------
    dict of str to float
        NaN for features that could not be measured; never raises on a bad signal.
    """
    features: dict[str, float] = {}
    for channel, row in zip(stream.channels, stream.physical(), strict=True):
        measured = _pulse_features(usable(row), stream.sfreq)
        features |= {f"ppg.{name}[{channel.name}]": measured.get(name, np.nan) for name in _MEASURES}
    return features


def _pulse_features(signal: NDArray[np.float64] | None, sfreq: float) -> dict[str, float]:
    from scipy.signal import peak_widths
    from scipy.stats import kurtosis, skew

    if signal is None:
        return {}
    # Skewness is the best single index of pulse quality (Elgendi, Bioengineering 2016; 3:21).
    shape = {"skewness": float(skew(signal)), "kurtosis": float(kurtosis(signal)), "sd": float(signal.std())}
    cleaned, peaks = find_pulses(signal, sfreq)
    if len(peaks) < FEWEST_PULSES:
        return shape
    intervals = np.diff(peaks) / sfreq * 1000
    feet = np.array([a + cleaned[a:b].argmin() for a, b in pairwise(peaks)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a peak on the window's rim has no prominence, and its width is left out
        widths = peak_widths(cleaned, peaks, rel_height=0.5)[0]
    return shape | {
        "rate": float(60_000 / intervals.mean()),
        "sdnn": float(intervals.std(ddof=1)),
        "rmssd": float(np.sqrt(np.mean(np.diff(intervals) ** 2))),
        "amplitude": float(np.median(cleaned[peaks[1:]] - cleaned[feet])),
        "rise_time": float(np.median(peaks[1:] - feet) / sfreq * 1000),
        "width": float(np.median(widths[widths > 0]) / sfreq * 1000) if (widths > 0).any() else np.nan,
    }


def find_pulses(signal: NDArray[np.float64], sfreq: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The cleaned signal (T,), and the places of its systolic peaks (n,); no peaks if NeuroKit2 fails."""
    import neurokit2 as nk

    rate = round(sfreq)  # NeuroKit2 needs an integer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the NaN in the table is the report
        try:
            cleaned = np.asarray(nk.ppg_clean(signal, sampling_rate=rate), np.float64)
            return cleaned, np.asarray(nk.ppg_findpeaks(cleaned, sampling_rate=rate)["PPG_Peaks"], np.int64)
        except Exception as error:  # a foreign detector fails on noise in ways that it does not document
            log.debug("NeuroKit2 found no pulses: %s", error)
            return signal, np.empty(0, np.int64)
