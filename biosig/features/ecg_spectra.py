"""Spectra of each lead and of its remainder without the beats: fibrillatory waves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.features.ecg_leads import leads
from biosig.features.ecg_measures import per_channel
from biosig.features.ecg_median import median_beat
from biosig.features.ecg_waves import waves
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window, shared

BANDS = ((1, 3), (3, 6), (6, 10), (10, 15), (15, 25), (25, 40))
"""Hz; the lowest begins at three cycles of a stretch of `SEGMENT` seconds."""

SEGMENT = 4.0

SLOCUM = "after Slocum, Sahakian & Swiryn, J Electrocardiol 1992; 25:1"


@shared
def spectrum(window: Window) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    """Frequencies (F,) and one-sided densities (L, F) in unit² / Hz by Welch's method; empty in windows under 4 s."""
    ecg = leads(window)
    length = round(SEGMENT * ecg.sfreq)
    freqs = np.fft.rfftfreq(length, 1 / ecg.sfreq)
    n_times = ecg.x.shape[1]
    if n_times < length or not len(ecg.x):
        return freqs, np.empty((len(ecg.x), 0))
    taper = np.hanning(length).astype(np.float32)
    starts = np.arange(0, n_times - length + 1, length // 2)
    total = np.zeros((len(ecg.x), len(freqs)))
    for start in starts:
        part = ecg.x[:, start : start + length]
        total += np.abs(np.fft.rfft((part - part.mean(1, keepdims=True)) * taper, axis=1)) ** 2
    return freqs, 2 * total / len(starts) / (taper**2).sum() / ecg.sfreq


@feature(
    "ecg",
    Column("rms", "mV", "root mean square of the lead above 0.5 Hz", "", "channel", True),
    *(Column(f"band_{low}_{high}", "1", f"share of 1 to 40 Hz that lies in {low} to {high} Hz, Welch, 4-s Hann",
             "Welch, IEEE Trans Audio 1967; 15:70", "channel") for low, high in BANDS),
    Column("median_frequency", "Hz", "half of the power from 1 to 40 Hz lies below", "", "channel"),
    Column("spectral_entropy", "1", "entropy of the power from 1 to 40 Hz over that of a flat spectrum", "", "channel"),
)  # fmt: skip
def bands(window: Window) -> Values:
    """Band powers of each lead."""
    (freqs, density), ecg = spectrum(window), leads(window)
    if not len(ecg.x):
        return {}
    values = {"rms": per_channel(window, np.sqrt((ecg.x.astype(np.float64) ** 2).mean(1)))}
    if not density.size:
        return values
    use = (freqs >= BANDS[0][0]) & (freqs < BANDS[-1][1])
    share = density[:, use] / np.maximum(density[:, use].sum(1, keepdims=True), 1e-30)
    for low, high in BANDS:
        values[f"band_{low}_{high}"] = per_channel(window, share[:, (freqs[use] >= low) & (freqs[use] < high)].sum(1))
    half = (np.cumsum(share, axis=1) >= 0.5).argmax(1)
    values["median_frequency"] = per_channel(window, freqs[use][half])
    entropy = -(share * np.log(np.maximum(share, 1e-30))).sum(1) / np.log(use.sum())
    values["spectral_entropy"] = per_channel(window, entropy)
    return values


@feature(
    "ecg",
    Column("f_wave_share", "1", "share of 4 to 10 Hz in what single beats leave between T and QRS, V1, II or any lead",
           SLOCUM),
    Column("f_wave_frequency", "Hz", "peak from 4 to 10 Hz of it", SLOCUM),
    Column("f_wave_amplitude", "mV", "root mean square of it", SLOCUM, "", True),
)  # fmt: skip
def fibrillation(window: Window) -> Values:
    """Spectrum of the atrial activity that is not locked to the QRS."""
    beat, found, ecg = median_beat(window), waves(window), leads(window)
    if found is None or beat.n_beats < 3:
        return {}
    row = next((row for name in ("V1", "II") if (row := ecg.row(name)) is not None), 0)
    middle = beat.singles.shape[2] * beat.zero // max(beat.x.shape[1] - 1, 1)
    first, last = max(middle - round(0.4 * ecg.sfreq), 0), middle + round((found.qrs[0] - 0.01) * ecg.sfreq)
    rest = beat.singles[row, :, first:last] - np.nanmedian(beat.singles[row, :, first:last], axis=0)
    rest = rest[np.isfinite(rest).all(1)]
    if len(rest) < 3 or rest.shape[1] < 0.2 * ecg.sfreq:
        return {}
    rest = rest - rest.mean(1, keepdims=True)
    n_fft = 4 * round(ecg.sfreq)
    power = (np.abs(np.fft.rfft(rest * np.hanning(rest.shape[1]), n_fft, axis=1)) ** 2).mean(0)
    freqs = np.fft.rfftfreq(n_fft, 1 / ecg.sfreq)
    atrial, wide = (freqs >= 4) & (freqs <= 10), (freqs >= 1) & (freqs <= 40)
    return {
        "f_wave_share": float(power[atrial].sum() / max(power[wide].sum(), 1e-30)),
        "f_wave_frequency": float(freqs[atrial][power[atrial].argmax()]),
        "f_wave_amplitude": float(np.sqrt((rest**2).mean())),
    }
