"""NeuroKit2's cleaning of ECG and PPG, as CSFM was trained with it (Makowski 2021, doi 10.3758/s13428-020-01516-y).

Its filters and their settings, over all channels at once and designed once a rate: NeuroKit2 takes one channel a call
and designs its filter in each, which takes longer than to filter ten seconds. The test compares the two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, filtfilt, sosfiltfilt

from biosig.errors import UsageError
from biosig.signal.validity import bridge_gaps

MAINS = 50.0
"""Hz: `neurokit2.ecg_clean` averages over one period of it, in 60-Hz countries too unless told otherwise."""

MOST_PADDING = 18
"""Samples that SciPy adds at either end for the filters of `_butterworth`."""


def neurokit_clean(x: NDArray[Any], sfreq: float, kind: str) -> NDArray[np.float32]:
    """Clean each channel with NeuroKit2's default method for its kind.

    ECG: 0.5-Hz high-pass and the mains smoothed out (`neurokit2.ecg_clean`). PPG: 0.5 to 8 Hz (`neurokit2.ppg_clean`).

    Parameters
    ----------
    x : ndarray, shape (C, T)
        NaN samples are bridged for the filter and stay NaN; a channel of nothing else stays so.
        All becomes NaN where T is too short to filter: 18 samples, or three periods of the mains.
    sfreq : float
        Sampling rate in Hz.
    kind : {"ecg", "ppg"}
        Of all channels.

    Returns
    -------
    ndarray of float32, shape (C, T)

    Raises
    ------
    UsageError
        If NeuroKit2 has no cleaning for the kind.
    """
    if kind not in ("ecg", "ppg"):
        raise UsageError(f"NeuroKit2 cleans ECG and PPG, not {kind}: choose a contract without cleaning for it.")
    finite = np.isfinite(x)
    window = np.ones(int(sfreq / MAINS) if sfreq >= 2 * MAINS else 2)
    if x.shape[1] <= max(MOST_PADDING, 3 * len(window)) or not finite.any():
        return np.full(x.shape, np.nan, np.float32)
    bridged = np.nan_to_num(bridge_gaps(x).astype(np.float64))
    cleaned = sosfiltfilt(_butterworth(kind, sfreq), bridged)
    if kind == "ecg":
        cleaned = filtfilt(window, [len(window)], cleaned)
    return np.where(finite, cleaned, np.nan).astype(np.float32)


@lru_cache(maxsize=64)
def _butterworth(kind: str, sfreq: float) -> NDArray[np.float64]:
    """Second-order sections of the filter."""
    if kind == "ecg":
        return np.asarray(butter(5, 0.5, "highpass", output="sos", fs=sfreq))
    return np.asarray(butter(2, [0.5, 8.0], "bandpass", output="sos", fs=sfreq))
