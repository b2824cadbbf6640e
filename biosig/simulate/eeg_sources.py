"""Time courses of a simulated EEG's sources: a 1/f background, rhythms of a region, sleep spindles.

Shape letters: S sources, N of them, T samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biosig.simulate.draws import bounded, coloured_noise
from biosig.simulate.eeg_head import CENTRE, RADIUS, source_places

KLIMESCH = "Klimesch, Brain Res Rev 1999; 29:169"
PURCELL = "Purcell et al., Nat Commun 2017; 8:15930"


@dataclass(frozen=True, eq=False)
class Oscillation:
    """A rhythm of some sources.

    Parameters
    ----------
    name : str
    frequency, width : float
        Centre and deviation of its spectrum in Hz.
    sources : ndarray of int, shape (N,)
        Numbers of the sources that take part.
    size : float
        Deviation at the electrode where the rhythm is largest, over that of the median electrode's background.
    """

    name: str
    frequency: float
    width: float
    sources: NDArray[np.intp]
    size: float


@dataclass(frozen=True)
class Kind:
    """Distribution of a rhythm: mean, deviation, lowest and highest frequency in Hz, width, middle of its region.

    The region is given in units of the head's radius: +x right, +y front; `reach` is the deviation of a Gaussian.
    """

    frequency: tuple[float, float, float, float]
    width: float
    places: tuple[tuple[float, float, float], ...]
    reach: float


KINDS = {
    "alpha": Kind((10.0, 1.0, 7.5, 12.5), 0.6, ((-0.25, -0.7, 0.25), (0.25, -0.7, 0.25)), 0.3),
    "mu": Kind((10.5, 0.9, 8.5, 13.0), 0.7, ((-0.45, 0.05, 0.6), (0.45, 0.05, 0.6)), 0.22),
    "beta": Kind((20.0, 2.5, 15.0, 28.0), 2.0, ((-0.35, 0.15, 0.65), (0.35, 0.15, 0.65)), 0.3),
    "theta": Kind((6.0, 0.6, 4.5, 7.4), 0.7, ((0.0, 0.55, 0.55),), 0.25),
}
"""Frequencies and regions after Klimesch (above) and Niedermeyer's Electroencephalography; alpha 10 ± 1 Hz in
adults."""

SIZES = {
    "eyes_open": {"alpha": (0.0, 0.7), "mu": (0.2, 0.9), "beta": (0.1, 0.45), "theta": (0.0, 0.5)},
    "eyes_closed": {"alpha": (0.9, 2.5), "mu": (0.1, 0.7), "beta": (0.1, 0.4), "theta": (0.0, 0.45)},
    "sleep": {"alpha": (0.0, 0.1), "mu": (0.0, 0.06), "beta": (0.0, 0.08), "theta": (0.2, 0.6)},
}
"""State → rhythm → lowest and highest size."""

EXPONENTS = {"eyes_open": (0.8, 1.7), "eyes_closed": (0.8, 1.7), "sleep": (1.8, 2.9)}
"""Of the power's fall with frequency: Donoghue et al., Nat Neurosci 2020; 23:1655, awake; Lendner et al., eLife 2020;
9:e55092, asleep."""

SPINDLE = ((11.0, 15.0), (0.5, 1.8), (2.0, 8.0))
"""Frequency in Hz, duration in s, and number a minute in light sleep (Purcell, above)."""


def background(rng: np.random.Generator, n_times: int, sfreq: float, exponent: float) -> NDArray[np.float64]:
    """Noise of power 1 / f ** `exponent` of each source, of unequal strength about 1, shape (S, T)."""
    strength = np.exp(0.4 * rng.standard_normal((len(source_places()), 1)))
    return strength * coloured_noise(rng, (len(strength), n_times), sfreq, exponent, (0.3, np.inf))


def draw_oscillations(
    rng: np.random.Generator, state: str, alpha: float | None = None, scale: float = 1.0
) -> list[Oscillation]:
    """The rhythms of one person in a state; `alpha` is alpha's frequency in Hz, `scale` multiplies all sizes."""
    found = []
    for name, kind in KINDS.items():
        frequency = alpha if name == "alpha" and alpha is not None else bounded(rng, *kind.frequency)
        size = scale * rng.uniform(*SIZES[state][name])
        sources = _near(rng, kind)
        if size > 0.05 and len(sources):
            found.append(Oscillation(name, frequency, kind.width, sources, size))
    return found


def _near(rng: np.random.Generator, kind: Kind) -> NDArray[np.intp]:
    """Sources that a region's Gaussian picks."""
    places = (source_places() - CENTRE) / RADIUS
    away = np.min([np.linalg.norm(places - np.array(place), axis=1) for place in kind.places], axis=0)
    return np.flatnonzero(rng.random(len(places)) < np.exp(-0.5 * (away / kind.reach) ** 2))


def oscillate(rng: np.random.Generator, one: Oscillation, n_times: int, sfreq: float) -> NDArray[np.float64]:
    """Activity of the rhythm's sources, shape (N, T): seven tenths of it common, waxing and waning together."""
    common = narrow_noise(rng, (1, n_times), sfreq, one.frequency, one.width)
    own = narrow_noise(rng, (len(one.sources), n_times), sfreq, one.frequency, one.width)
    slow = coloured_noise(rng, (1, n_times), sfreq, 1.0, (0.0, 0.4))
    return np.exp(0.4 * slow - 0.16) * (np.sqrt(0.7) * common + np.sqrt(0.3) * own)


def narrow_noise(
    rng: np.random.Generator, shape: tuple[int, int], sfreq: float, frequency: float, width: float
) -> NDArray[np.float64]:
    """Gaussian noise (N, T) of standard deviation 1 whose spectrum is a Gaussian of deviation `width` Hz."""
    n_times = shape[1]
    freqs = np.fft.rfftfreq(n_times, 1 / sfreq)
    gain = np.exp(-0.25 * ((freqs - frequency) / width) ** 2)  # of amplitude: its square has the deviation
    white = rng.standard_normal((shape[0], len(freqs), 2)).view(np.complex128)[..., 0]
    noise = np.fft.irfft(white * gain, n_times)
    return noise / (np.sqrt(4 * (gain**2).sum()) / n_times)


def spindles(
    rng: np.random.Generator, n_times: int, sfreq: float
) -> tuple[NDArray[np.intp], NDArray[np.float64], list[tuple[float, float, float]]]:
    """Sleep spindles of the middle.

    Returns
    -------
    sources : ndarray of int, shape (N,)
    activity : ndarray, shape (T,)
        The same in all of them, at most 1.
    events : list of tuple
        Onset, duration and frequency of each.
    """
    kind = Kind((0, 0, 0, 0), 0.0, ((0.0, 0.1, 0.85),), 0.35)
    x, events = np.zeros(n_times), []
    seconds = n_times / sfreq
    at = rng.exponential(8.0)
    per_minute = rng.uniform(*SPINDLE[2])
    base = rng.uniform(*SPINDLE[0])
    while at < seconds - 2:
        length = rng.uniform(*SPINDLE[1])
        frequency = base + 0.3 * rng.standard_normal()
        first, n = round(at * sfreq), round(length * sfreq)
        t = np.arange(n) / sfreq
        x[first : first + n] += np.hanning(n) * np.sin(2 * np.pi * frequency * t + rng.uniform(0, 6.3))
        events.append((at, length, float(frequency)))
        at += length + 1 + rng.exponential(60 / per_minute - 1)
    return _near(rng, kind), x, events
