"""Zero-phase filters: band-pass and mains notch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from biosig.errors import UsageError
from biosig.signal.validity import as_float, bridge_gaps

ORDER = 4
"""Of the Butterworth design; run forwards and backwards it is 8, and the cut-offs are at −6 dB."""

NOTCH_QUALITY = 30.0
"""Centre frequency over −3-dB width of the notch: 1.7 Hz at 50 Hz."""


def bandpass(x: NDArray[Any], sfreq: float, low: float | None, high: float | None) -> NDArray[Any]:
    """Keep what lies between `low` and `high`, without delay (Butterworth, second-order sections, both directions).

    Parameters
    ----------
    x : ndarray, shape (…, T)
        NaN samples are bridged for the filter and stay NaN.
    sfreq : float
        Sampling rate in Hz.
    low, high : float or None
        Cut-offs in Hz; None leaves that side open, so one of them gives a high-pass or a low-pass.

    Returns
    -------
    ndarray, shape (…, T)
        In the dtype of `x` (float64 for integers).

    Raises
    ------
    UsageError
        If the cut-offs are not 0 < low < high < sfreq / 2.
    """
    x = as_float(x)
    edges = [edge for edge in (low, high) if edge is not None]
    if not edges:
        return x.copy()
    if not (edges[0] > 0 and edges[-1] < sfreq / 2 and (len(edges) == 1 or edges[0] < edges[1])):
        raise UsageError(
            f"A band from {low} to {high} Hz was asked for at a sampling rate of {sfreq:g} Hz: "
            f"give 0 < low < high < {sfreq / 2:g} Hz."
        )
    form = "bandpass" if len(edges) == 2 else "highpass" if low is not None else "lowpass"
    sos = signal.butter(ORDER, edges if len(edges) == 2 else edges[0], form, fs=sfreq, output="sos")
    return _both_ways(sos, x, settle=sfreq / edges[0])


def notch(x: NDArray[Any], sfreq: float, freq: float, harmonics: bool = True) -> NDArray[Any]:
    """Remove mains hum at `freq`, without delay.

    Parameters
    ----------
    x : ndarray, shape (…, T)
        NaN samples are bridged for the filter and stay NaN.
    sfreq : float
        Sampling rate in Hz.
    freq : float
        Mains frequency in Hz: 50 or 60.
    harmonics : bool
        Remove its multiples below the Nyquist frequency too.

    Returns
    -------
    ndarray, shape (…, T)
        In the dtype of `x` (float64 for integers).

    Raises
    ------
    UsageError
        If `freq` is not between 0 and sfreq / 2.
    """
    x = as_float(x)
    if not 0 < freq < sfreq / 2:
        raise UsageError(
            f"A notch at {freq:g} Hz was asked for at a sampling rate of {sfreq:g} Hz: it must lie between 0 and "
            f"{sfreq / 2:g} Hz."
        )
    centres = np.arange(freq, sfreq / 2, freq) if harmonics else np.array([freq])
    sections = [
        signal.tf2sos(*signal.iirnotch(centre, NOTCH_QUALITY * centre / freq, fs=sfreq))
        for centre in centres
        if centre < sfreq / 2
    ]
    return _both_ways(np.concatenate(sections), x, settle=NOTCH_QUALITY * sfreq / freq)


def _both_ways(sos: NDArray[np.float64], x: NDArray[Any], settle: float) -> NDArray[Any]:
    """Filter forwards and backwards; the ends are padded by the samples that the filter needs to `settle`."""
    if x.shape[-1] < 2:
        return x.copy()
    finite = np.isfinite(x)
    n_pad = min(round(settle) + 6 * len(sos), x.shape[-1] - 1)
    # float64: second-order sections with a cut-off far below the rate are unstable in float32
    y = signal.sosfiltfilt(sos, bridge_gaps(x).astype(np.float64), axis=-1, padlen=n_pad).astype(x.dtype)
    y[~finite] = np.nan
    return y
