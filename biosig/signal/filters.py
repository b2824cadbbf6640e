"""Zero-phase filters: band-pass and mains notch."""

from __future__ import annotations

import math
from functools import lru_cache
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

_AT_ONCE = 2**15  # samples that are filtered together: their float64 copies stay in a processor's cache


class ZeroPhase:
    """Second-order sections, run forwards and backwards over the last axis: no delay, the squared response.

    The ends are padded by the signal turned about its last sample (as `scipy.signal.sosfiltfilt` does), for as long
    as an echo takes to fall to a tenth.

    Parameters
    ----------
    sos : ndarray, shape (n_sections, 6)
    """

    def __init__(self, sos: NDArray[np.float64]) -> None:
        self.sos = sos
        self._at_rest = signal.sosfilt_zi(sos)[:, None, :]  # (n_sections, 1, 2)
        poles = np.concatenate([np.roots(section[3:]) for section in sos])
        self._slowest = float(np.abs(poles).max())
        self._n_pad = self.settling(0.1)

    def settling(self, share: float) -> int:
        """Samples after which the echo of a disturbance has fallen to `share` of it, by the slowest pole."""
        return math.ceil(math.log(share) / math.log(self._slowest)) + 2 * len(self.sos)

    def then(self, other: ZeroPhase) -> ZeroPhase:
        """Both filters in one pass."""
        return ZeroPhase(np.concatenate((self.sos, other.sos)))

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Filter `x`, shape (…, T); NaN samples are bridged for the filter and stay NaN."""
        x = as_float(x)
        n_times = x.shape[-1]
        if n_times < 2 or not x.size:
            return x.copy()
        finite = np.isfinite(x)
        all_finite = bool(finite.all())
        rows = (x if all_finite else bridge_gaps(x)).reshape(-1, n_times)
        y = np.empty_like(rows)
        step = max(_AT_ONCE // n_times, 1)
        for first in range(0, len(rows), step):
            y[first : first + step] = self._run(rows[first : first + step])
        y = y.reshape(x.shape)
        if not all_finite:
            y[~finite] = np.nan
        return y

    def _run(self, x: NDArray[Any]) -> NDArray[np.float64]:
        n_times = x.shape[1]
        n_pad = min(self._n_pad, n_times - 1)
        # float64: second-order sections with a cut-off far below the rate are unstable in float32
        padded = np.empty((len(x), n_times + 2 * n_pad))
        padded[:, n_pad : n_pad + n_times] = x
        first, last = padded[:, n_pad, None], padded[:, n_pad + n_times - 1, None]
        padded[:, :n_pad] = 2 * first - x[:, 1 : n_pad + 1][:, ::-1]
        padded[:, n_pad + n_times :] = 2 * last - x[:, -n_pad - 1 : -1][:, ::-1]
        y, _ = signal.sosfilt(self.sos, padded, zi=self._at_rest * padded[:, :1])
        y, _ = signal.sosfilt(self.sos, y[:, ::-1], zi=self._at_rest * y[:, -1:])
        return y[:, ::-1][:, n_pad : n_pad + n_times]


@lru_cache(maxsize=64)
def band_filter(sfreq: float, low: float | None, high: float | None) -> ZeroPhase:
    """A Butterworth band-pass, or a high-pass or low-pass where one cut-off is None.

    Raises
    ------
    UsageError
        If the cut-offs, in Hz, are not 0 < low < high < sfreq / 2.
    """
    edges = [edge for edge in (low, high) if edge is not None]
    if not (edges and edges[0] > 0 and edges[-1] < sfreq / 2 and (len(edges) == 1 or edges[0] < edges[1])):
        raise UsageError(
            f"A band from {low} to {high} Hz was asked for at a sampling rate of {sfreq:g} Hz: "
            f"give 0 < low < high < {sfreq / 2:g} Hz."
        )
    form = "bandpass" if len(edges) == 2 else "highpass" if low is not None else "lowpass"
    return ZeroPhase(signal.butter(ORDER, edges if len(edges) == 2 else edges[0], form, fs=sfreq, output="sos"))


@lru_cache(maxsize=64)
def notch_filter(sfreq: float, freq: float, harmonics: bool = True) -> ZeroPhase:
    """Narrow notches at `freq` Hz and, with `harmonics`, at its multiples below sfreq / 2, all of one width.

    Raises
    ------
    UsageError
        If `freq` is not between 0 and sfreq / 2.
    """
    if not 0 < freq < sfreq / 2:
        raise UsageError(
            f"A notch at {freq:g} Hz was asked for at a sampling rate of {sfreq:g} Hz: it must lie between 0 and "
            f"{sfreq / 2:g} Hz."
        )
    centres = np.arange(freq, sfreq / 2, freq) if harmonics else np.array([freq])
    sections = [signal.tf2sos(*signal.iirnotch(centre, NOTCH_QUALITY * centre / freq, fs=sfreq)) for centre in centres]
    return ZeroPhase(np.concatenate(sections))


def bandpass(x: NDArray[Any], sfreq: float, low: float | None, high: float | None) -> NDArray[Any]:
    """Keep frequencies between `low` and `high`, without delay.

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
    return as_float(x).copy() if low is None and high is None else band_filter(sfreq, low, high)(x)


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
    return notch_filter(sfreq, freq, harmonics)(x)
