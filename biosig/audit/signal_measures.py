"""Signal measures of a window that need no model: acquisition and spectrum.

A class that line frequency, gain, gaps, recorder or length of the recording predict may have no physiological sign.
Shape letters: N windows, F features, C channels, T samples, B frequencies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import welch

from biosig.batches.windows import Windows
from biosig.evaluate.metrics import Floats
from biosig.progress import Progress
from biosig.recording import Recording
from biosig.signal import bridge_gaps, is_flat, robust_scale

LINE_FREQUENCIES = (50.0, 60.0)
"""Hz."""

BANDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 45.0)
"""Hz: the edges of the bands whose power is measured; the last lies below both line frequencies."""

SEGMENT = 2.0
"""Seconds per segment of Welch's method: a resolution of 0.5 Hz."""

_TINY = 1e-20  # power of a flat signal
_GROUPS = ("line frequency", "gain", "missing samples", "recording format", "spectrum", "slope")


@dataclass(frozen=True)
class Measured:
    """Features of N windows.

    Parameters
    ----------
    recording : dict
        Group of acquisition measures → features (N, F), NaN where one cannot be measured: "line frequency", "gain",
        "missing samples" (and the window's own length), "recording format" (channels, rates, steps), "recording
        length", "time in the recording".
    spectrum : ndarray, shape (N, F)
        Log power of each channel in `BANDS`.
    scales : dict
        Kind → its robust scale, in its unit: the median over windows.
    slopes : dict
        Kind → exponent β of its falling spectrum, power ~ 1 / f^β: the median over channels and windows.
    """

    recording: dict[str, Floats]
    spectrum: Floats
    scales: dict[str, float]
    slopes: dict[str, float]


def measure(windows: Windows, modalities: Collection[str], progress: Progress | None = None) -> Measured:
    """Measure every window, read one at a time.

    Parameters
    ----------
    windows : Windows
        N windows.
    modalities : collection of str
        Kinds of signal that a model reads; others are passed over.
    progress : callable, optional
        Called with stage, number done and total.
    """
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for i in range(len(windows)):
        for group, features in measure_window(windows.read(i), modalities).items():
            found[group].append(features)
        if progress:
            progress("audit: measures", i + 1, len(windows))
    tables = {group: pd.DataFrame(rows, dtype="float64") for group, rows in found.items()}
    spectrum, slope = tables.pop("spectrum").to_numpy(), tables.pop("slope").median()
    scales = 10 ** tables["gain"].median()
    recording = {group: table.to_numpy() for group, table in tables.items()}
    durations = windows.ds.to_pandas()["duration"].to_numpy(np.float64)
    per_recording = np.bincount(windows.recording, minlength=len(durations))
    recording["recording length and window count"] = np.stack((durations, per_recording), axis=1)[windows.recording]
    recording["time in the recording"] = windows.onset[:, None]
    return Measured(recording, spectrum, scales.to_dict(), slope.to_dict())


def measure_window(window: Recording, modalities: Collection[str]) -> dict[str, dict[str, float]]:
    """The features of one window, by group."""
    found: dict[str, dict[str, float]] = {name: {} for name in _GROUPS}
    seconds, n_valid, n_samples, n_flat = 0.0, 0, 0, 0
    for kind in sorted(modalities):
        for stream in window.of_kind(kind):
            values = stream.physical()  # (C, T)
            flat = is_flat(values)
            seconds, n_flat = max(seconds, stream.duration), n_flat + int(flat.sum())
            n_valid, n_samples = n_valid + int(np.isfinite(values).sum()), n_samples + values.size
            found["gain"][kind] = _log(robust_scale(values))
            found["recording format"] |= {
                f"{kind} channels": found["recording format"].get(f"{kind} channels", 0) + stream.n_chans,
                f"{kind} rate": stream.sfreq,
                f"{kind} step": _log(float(np.abs(stream.scale).min())),
            }
            if not flat.all() and stream.n_times >= SEGMENT * stream.sfreq:
                names = [name for name, still in zip(stream.ch_names, flat, strict=True) if not still]
                freqs, power = power_spectrum(values[~flat], stream.sfreq)
                found["line frequency"] |= {f"{kind} {hz:g} Hz": line_peak(freqs, power, hz) for hz in LINE_FREQUENCIES}
                found["slope"][kind] = float(np.median(slopes(freqs, power)))
                found["spectrum"] |= _band_powers(names, freqs, power)
    found["missing samples"] = {"seconds": seconds, "valid": n_valid / max(n_samples, 1), "flat": float(n_flat)}
    return found


def _band_powers(names: Sequence[str], freqs: Floats, power: Floats) -> dict[str, float]:
    """Log power (C, B) of each channel in each band that the rate resolves."""
    features: dict[str, float] = {}
    for low, high in pairwise(BANDS):
        band = (freqs >= low) & (freqs < high)
        if high <= freqs[-1] and band.any():
            log_power = np.log10(power[:, band].sum(axis=1) + _TINY)
            features |= {f"{name} {low:g} Hz": value for name, value in zip(names, log_power.tolist(), strict=True)}
    return features


def power_spectrum(values: NDArray[np.float32], sfreq: float) -> tuple[Floats, Floats]:
    """Frequencies (B,) in Hz and power (C, B) by Welch's method (1967); gaps are bridged."""
    n = min(round(SEGMENT * sfreq), values.shape[1])
    freqs, power = welch(bridge_gaps(values.astype(np.float64)), sfreq, nperseg=n)
    return freqs, power


def line_peak(freqs: Floats, power: Floats, line: float) -> float:
    """Height of the power at a line frequency above its surroundings: log10, the median over channels.

    Negative after a notch; NaN where the rate is too low to tell.
    """
    at = np.abs(freqs - line) <= 1.0
    around = (np.abs(freqs - line) > 2.0) & (np.abs(freqs - line) <= 5.0)
    if freqs[-1] < line + 1.0 or not around.any():
        return math.nan
    peak = np.log10(power[:, at].max(axis=1) + _TINY) - np.log10(np.median(power[:, around], axis=1) + _TINY)
    return float(np.median(peak))


def slopes(freqs: Floats, power: Floats) -> Floats:
    """Exponent β of each channel (C,) by a straight line through the log-log spectrum from 1 to 45 Hz."""
    fitted = (freqs >= 1.0) & (freqs < min(BANDS[-1], 0.9 * freqs[-1]))
    x = np.log10(freqs[fitted])
    y = np.log10(power[:, fitted] + _TINY)
    return -((y - y.mean(axis=1, keepdims=True)) @ (x - x.mean())) / ((x - x.mean()) ** 2).sum()


def _log(value: float) -> float:
    return math.log10(value) if value > 0 else math.nan
