"""Blinks and muscle of a simulated EEG.

Shape letters: C channels, T samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Annotation, Channel
from biosig.simulate.draws import coloured_noise

BLINKS = (6.0, 30.0)
"""Per minute, eyes open (Bentivoglio et al., Mov Disord 1997; 12:1028: 17 at rest)."""

MUSCLES = {
    "temporal left": (-0.085, 0.03, 0.0),
    "temporal right": (0.085, 0.03, 0.0),
    "frontal": (0.0, 0.115, 0.06),
    "neck": (0.0, -0.08, 0.0),
}
"""Metres in the head frame (Goncharova et al., Clin Neurophysiol 2003; 114:1580)."""

MUSCLE_REACH = 0.03
"""Metres: deviation of a Gaussian of the distance to a muscle."""


def blink_train(
    rng: np.random.Generator, n_times: int, sfreq: float, per_minute: float
) -> tuple[NDArray[np.float64], list[Annotation]]:
    """Lid movements (T,), 1 at their peak, of 0.2 to 0.4 s, at least 0.5 s apart."""
    x, marks = np.zeros(n_times), []
    at = rng.exponential(60 / per_minute)
    while at < n_times / sfreq - 0.45:
        length = rng.uniform(0.22, 0.4)
        first, n = round(at * sfreq), round(length * sfreq)
        rise = round(0.4 * n)  # lids close faster than they open
        shape = np.r_[np.hanning(2 * rise)[:rise], np.hanning(2 * (n - rise))[n - rise :]]
        x[first : first + n] += rng.uniform(0.7, 1.2) * shape
        marks.append(Annotation(at, length, "blink"))
        at += 0.5 + rng.exponential(max(60 / per_minute - 0.5, 0.1))
    return x, marks


def muscle(
    rng: np.random.Generator, channels: Sequence[Channel], n_times: int, sfreq: float, size: float
) -> tuple[NDArray[np.float64], list[Annotation]]:
    """Bursts of muscle in µV, shape (C, T): broad noise above 15 Hz, strongest beside the muscle.

    Parameters
    ----------
    size : float
        Typical deviation in µV at an electrode over the muscle.
    """
    x, marks = np.zeros((len(channels), n_times)), []
    places, seconds = np.array([channel.position for channel in channels]), n_times / sfreq
    for name, place in MUSCLES.items():
        near = np.exp(-0.5 * (np.linalg.norm(places - np.array(place), axis=1) / MUSCLE_REACH) ** 2)[:, None]
        tone = 0.15 * size * rng.random()
        x += tone * near * coloured_noise(rng, (len(channels), n_times), sfreq, 0.0, (15.0, 120.0))
        for _ in range(rng.poisson(seconds / 25)):
            length = min(rng.uniform(0.3, 4.0), seconds)
            onset = rng.uniform(0, seconds - length)
            first, n = round(onset * sfreq), round(length * sfreq)
            burst = coloured_noise(rng, (len(channels), n), sfreq, 0.0, (15.0, 120.0)) * np.hanning(n) ** 0.5
            x[:, first : first + n] += (size * np.exp(0.5 * rng.standard_normal()) * near * burst)[:, : n_times - first]
            marks.append(Annotation(onset, length, f"muscle {name}"))
    return x, marks
