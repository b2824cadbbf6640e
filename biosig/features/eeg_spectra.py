"""Power spectra of the electrodes, by multitaper estimates of overlapping segments.

Shape letters: C channels, E electrodes that can be measured, F frequencies, T samples, S segments, K tapers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.signal.windows import dpss

from biosig.features.eeg_channels import electrodes
from biosig.features.window import Window, shared

THOMSON = "Thomson, Proc IEEE 1982; 70:1055"

SEGMENT = 4.0
"""Seconds of a segment: 0.25 Hz a bin, and four cycles of 1 Hz. A shorter window is one segment."""

SHORTEST = 0.5
"""Seconds of the shortest window that has a spectrum."""

CYCLES = 3.0
"""Cycles of its lowest frequency that a segment must hold for a band to be measured."""

HALF_BANDWIDTH, TAPERS = 2.0, 3
"""Time-half-bandwidth product and number of tapers: ±0.5 Hz in 4 s."""

AT_ONCE = 2**22
"""Samples that are transformed together."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One-sided power spectral densities.

    Parameters
    ----------
    freqs : ndarray, shape (F,)
        Hz.
    density : ndarray, shape (E, F)
        unit² / Hz; NaN where an electrode has no segment without a gap.
    n_segments : ndarray of int, shape (E,)
        Segments behind each.
    seconds : ndarray, shape (E,)
        Seconds that those cover.
    length : float
        Seconds of a segment.
    """

    freqs: NDArray[np.float64]
    density: NDArray[np.float64]
    n_segments: NDArray[np.intp]
    seconds: NDArray[np.float64]
    length: float

    def mask(self, low: float, high: float) -> NDArray[np.bool_]:
        """Bins of low ≤ f < high Hz, shape (F,)."""
        return (self.freqs >= low) & (self.freqs < high)

    def power(self, low: float, high: float) -> NDArray[np.float64]:
        """Power between two frequencies (E,) in unit²; a sine of amplitude A inside gives A² / 2."""
        return self.density[:, self.mask(low, high)].sum(1) * self.step

    @property
    def step(self) -> float:
        """Hz between bins."""
        return float(self.freqs[1] - self.freqs[0])


def holds(window: Window, low: float, high: float) -> bool:
    """True if the window carries a band: three cycles of its lowest frequency, inside the recording's own band."""
    length = min(window.duration, SEGMENT)
    return (
        length >= max(SHORTEST, CYCLES / low) - 1e-9
        and high <= window.highest_frequency + 1e-9
        and (window.band[0] or 0.0) <= low
    )


@lru_cache(maxsize=32)
def _tapers(length: int) -> NDArray[np.float32]:
    return dpss(length, HALF_BANDWIDTH, TAPERS).astype(np.float32)  # (K, length), each of unit energy


def transforms(
    x: NDArray[np.floating], sfreq: float
) -> Iterator[tuple[NDArray[np.complexfloating], NDArray[np.bool_]]]:
    """Tapered Fourier transforms of a signal's segments, some at a time.

    Parameters
    ----------
    x : ndarray, shape (E, T)
        NaN = missing.
    sfreq : float

    Yields
    ------
    transformed : ndarray of complex, shape (S, E, K, F)
        Each squared and over `sfreq` is a two-sided density; zero in segments with a gap.
    whole : ndarray of bool, shape (S, E)
        True if the segment has no gap in that channel.
    """
    length = min(round(SEGMENT * sfreq), x.shape[1])
    tapers = _tapers(length)
    starts = np.arange(0, x.shape[1] - length + 1, max(length // 2, 1))
    step = max(AT_ONCE // max(x.shape[0] * length * TAPERS, 1), 1)
    for first in range(0, len(starts), step):
        # (S, E, length)
        parts = np.stack([x[:, start : start + length] for start in starts[first : first + step]])
        parts = parts - parts.mean(2, keepdims=True)
        whole = np.isfinite(parts[..., 0])  # one missing sample makes the mean, and so every sample, NaN
        parts = parts if whole.all() else np.where(whole[..., None], parts, np.float32(0))
        yield rfft(parts[:, :, None, :] * tapers, axis=3), whole


@shared
def spectrum(window: Window) -> Spectrum | None:
    """Spectra of the usable electrodes; None without an electrode, under half a second or 16 samples a segment."""
    rows = electrodes(window).rows
    length = min(round(SEGMENT * window.sfreq), window.n_times)
    if not len(rows) or window.duration < SHORTEST or length < 16:
        return None
    total = np.zeros((len(rows), length // 2 + 1))
    n = np.zeros(len(rows), np.intp)
    for transformed, whole in transforms(window.x[rows], window.sfreq):
        total += (transformed.real**2 + transformed.imag**2).sum((0, 2))
        n += whole.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        density = 2 * total / (n[:, None] * TAPERS * window.sfreq)
    seconds = np.where(n > 0, (n + 1) * (length // 2) / window.sfreq, 0.0)
    freqs = np.arange(total.shape[1]) * window.sfreq / length
    return Spectrum(freqs, density, n, np.minimum(seconds, window.duration), length / window.sfreq)
