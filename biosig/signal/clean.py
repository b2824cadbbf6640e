"""NeuroKit2's cleaning of ECG and PPG, as CSFM was trained with it (Makowski 2021, doi 10.3758/s13428-020-01516-y)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.signal.validity import bridge_gaps


def neurokit_clean(x: NDArray[Any], sfreq: float, kind: str) -> NDArray[np.float32]:
    """Clean each channel with NeuroKit2's default method for its kind.

    ECG: 0.5-Hz high-pass and the mains smoothed out (`neurokit2.ecg_clean`). PPG: 0.5 to 8 Hz (`neurokit2.ppg_clean`).

    Parameters
    ----------
    x : ndarray, shape (C, T)
        NaN samples are bridged for the filter and stay NaN; a channel of nothing else stays so.
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
    import neurokit2  # here, since its import takes a second

    if kind not in ("ecg", "ppg"):
        raise UsageError(f"NeuroKit2 cleans ECG and PPG, not {kind}: choose a contract without cleaning for it.")
    clean = neurokit2.ecg_clean if kind == "ecg" else neurokit2.ppg_clean
    finite = np.isfinite(x)
    bridged = np.nan_to_num(bridge_gaps(x).astype(np.float64))
    rows = [clean(row, sampling_rate=sfreq) if real.any() else row for row, real in zip(bridged, finite, strict=True)]
    cleaned = np.array(rows, np.float32).reshape(x.shape)
    cleaned[~finite] = np.nan
    return cleaned
