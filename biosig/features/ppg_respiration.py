"""Breathing as it shows in the pulses' amplitude, baseline and intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import argrelmax

from biosig.features.ppg_pulses import pulses
from biosig.features.ppg_signals import signals
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window

KARLEN = "Karlen et al., IEEE Trans Biomed Eng 2013; 60:1946"

BREATHS = (0.1, 0.6)
"""Hz; no more than half the pulse rate, since each pulse gives one sample."""

SHORTEST = 30.0
"""Seconds: three cycles of the slowest breath."""

AGREEMENT = 4.0
"""1/min: largest standard deviation of three estimates that are averaged (Karlen et al. 2013)."""

STEP = 4.0
"""Hz at which the pulses' values are interpolated (Karlen et al. 2013)."""


@feature(
    "ppg",
    Column("breaths_amplitude", "1/min", "spectral peak of the pulses' heights, 0.1 to 0.6 Hz, 30 s or more", KARLEN),
    Column("breaths_baseline", "1/min", "as breaths_amplitude, of the level midway between foot and peak", KARLEN),
    Column("breaths_frequency", "1/min", "as breaths_amplitude, of the pulse intervals", KARLEN),
    Column("breaths", "1/min", "mean of the three where their standard deviation is at most 4 per minute", KARLEN),
    Column("breaths_amplitude_share", "1", "share of 0.1 to 0.6 Hz within 0.03 Hz of that peak"),
    Column("breaths_baseline_share", "1", "share of 0.1 to 0.6 Hz within 0.03 Hz of that peak"),
    Column("breaths_frequency_share", "1", "share of 0.1 to 0.6 Hz within 0.03 Hz of that peak"),
    Column("amplitude_modulation", "1", "standard deviation of the pulses' heights over their median"),
    Column("baseline_modulation", "1", "standard deviation of that level over the median height"),
)  # fmt: skip
def respiration(window: Window) -> Values:
    """Respiratory rate by three modulations, and how deep they are."""
    ppg, found = signals(window), pulses(window)
    good = found.normal
    if good.sum() < 3:
        return {}
    feet, peaks = found.feet[good], found.peaks[good]
    times, heights = found.upstrokes[good] / ppg.sfreq, found.heights[good]
    usual = float(np.median(heights))
    raw = ppg.raw[found.signal]
    level = (raw[feet].astype(np.float64) + raw[peaks]) / 2
    values = {"amplitude_modulation": float(heights.std(ddof=1)) / usual}
    series = {"amplitude": (times, heights)}
    if (window.band[0] or 0.0) <= BREATHS[0]:
        values["baseline_modulation"] = float(level.std(ddof=1)) / usual
        series["baseline"] = (times, level)
    gaps = np.diff(times)
    steady = gaps < 1.8 * np.median(gaps)  # no interval over a pulse that is left out
    series["frequency"] = (times[1:][steady], gaps[steady])
    for name, (at, numbers) in series.items():
        values[f"breaths_{name}"], values[f"breaths_{name}_share"] = _peak(at, numbers, 0.5 / float(np.median(gaps)))
    three = np.array([values.get(f"breaths_{name}", np.nan) for name in ("amplitude", "baseline", "frequency")])
    if np.isfinite(three).all() and three.std(ddof=1) <= AGREEMENT:
        values["breaths"] = float(three.mean())
    return values


def _peak(times: NDArray[np.float64], numbers: NDArray[np.float64], highest: float) -> tuple[float, float]:
    """Rate in 1/min of the largest spectral peak, and the share of the power that is near it; NaN where none can be."""
    if len(times) < 8 or times[-1] - times[0] < SHORTEST - 2:
        return np.nan, np.nan
    at = np.arange(times[0], times[-1], 1 / STEP)
    even = np.interp(at, times, numbers)
    even -= np.polyval(np.polyfit(at, even, 1), at)
    if not even.std() > 1e-9 * (np.abs(numbers).max() + 1e-30):
        return np.nan, np.nan
    power = np.abs(np.fft.rfft(even * np.hanning(len(even)), 8 * len(even))) ** 2
    freqs = np.fft.rfftfreq(8 * len(even), 1 / STEP)
    use = (freqs >= BREATHS[0]) & (freqs <= min(BREATHS[1], highest))
    peaks = argrelmax(power)[0]
    peaks = peaks[use[peaks]]  # a peak that still rises at the edge of the band is not a breath
    if not len(peaks):
        return np.nan, np.nan
    best = freqs[peaks[power[peaks].argmax()]]
    near = use & (np.abs(freqs - best) <= 0.03)
    return float(60 * best), float(power[near].sum() / power[use].sum())
