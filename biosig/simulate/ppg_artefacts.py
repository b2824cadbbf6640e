"""Artefacts of a PPG: motion in bursts, walking, a sensor that slips, stretches that are flat or clipped.

Each artefact changes the samples (T,) in place and gives the annotation of where it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Annotation
from biosig.simulate.draws import coloured_noise

Signal = NDArray[np.float64]

CADENCE = (0.7, 2.8)
"""Hz: steps of walking and running; wrist PPG takes them for pulses (Zhang, Pi & Liu, IEEE TBME 2015; 62:522)."""


def add_motion(rng: np.random.Generator, x: Signal, sfreq: float, size: float, share: float) -> list[Annotation]:
    """Bursts of band-limited noise over about a share of the time.

    Parameters
    ----------
    x : ndarray, shape (T,)
        Changed in place.
    size : float
        Standard deviation of the pulses; bursts have 0.3 to 5 times that.
    share : float
    """
    seconds = len(x) / sfreq
    left, marks = share * seconds, []
    while left > 0.2:
        length = min(rng.uniform(0.5, 9.0), left, seconds)
        onset = rng.uniform(0, seconds - length)
        first, last = round(onset * sfreq), min(round((onset + length) * sfreq), len(x))
        burst = coloured_noise(rng, (1, last - first), sfreq, 1.0, (0.3, rng.uniform(2.0, 8.0)))[0]
        x[first:last] += size * np.exp(rng.uniform(-1.2, 1.6)) * burst * _edges(last - first, sfreq)
        marks.append(Annotation(onset, (last - first) / sfreq, "motion"))
        left -= length
    return marks


def add_cadence(rng: np.random.Generator, x: Signal, sfreq: float, size: float) -> list[Annotation]:
    """Steps over a part of the recording, at a cadence that wanders: as regular as a pulse and often stronger."""
    seconds = len(x) / sfreq
    length = rng.uniform(0.3, 1.0) * seconds
    onset = rng.uniform(0, seconds - length)
    first, last = round(onset * sfreq), min(round((onset + length) * sfreq), len(x))
    cadence = rng.uniform(*CADENCE) + 0.1 * coloured_noise(rng, (1, last - first), sfreq, 0.0, (0.0, 0.2))[0]
    phase = 2 * np.pi * np.cumsum(cadence) / sfreq
    steps = np.sin(phase) + rng.uniform(0, 0.6) * np.sin(2 * phase + rng.uniform(0, 6.3))
    x[first:last] += size * rng.uniform(0.2, 1.5) * steps * _edges(last - first, sfreq)
    return [Annotation(onset, (last - first) / sfreq, "cadence")]


def add_slip(rng: np.random.Generator, x: Signal, sfreq: float, size: float) -> list[Annotation]:
    """The sensor moves: the level jumps."""
    at = int(rng.integers(len(x)))
    x[at:] += size * rng.choice([-1, 1]) * rng.uniform(2, 8)
    return [Annotation(at / sfreq, 0.0, "slip")]


def add_flat(rng: np.random.Generator, x: Signal, sfreq: float) -> list[Annotation]:
    """The last value is held for up to 3 s."""
    length = min(round(rng.uniform(0.3, 3.0) * sfreq), len(x) // 2)
    at = int(rng.integers(len(x) - length))
    x[at : at + length] = x[at]
    return [Annotation(at / sfreq, length / sfreq, "flat")]


def add_clipping(rng: np.random.Generator, x: Signal, sfreq: float) -> list[Annotation]:
    """The converter's range is too small: the highest and lowest values are cut."""
    low, high = np.quantile(x, [rng.uniform(0, 0.1), rng.uniform(0.88, 0.99)])
    np.clip(x, low, high, out=x)
    return [Annotation(0.0, len(x) / sfreq, "clipped")]


def _edges(n_times: int, sfreq: float) -> Signal:
    """A window (n_times,) that rises and falls within a quarter of a second."""
    ramp = min(round(0.25 * sfreq), n_times // 2)
    window = np.ones(n_times)
    if ramp:
        window[:ramp] = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp) / ramp)
        window[-ramp:] = window[:ramp][::-1]
    return window
