"""Times of beats: sinus rhythm with its variability, fibrillation, premature beats. ECG and PPG share them.

Shape letters: N beats.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

BEFORE, AFTER = 4.0, 3.0
"""Seconds of beats before a recording's first sample and after its last one: their waves reach into it."""

EXTRA = 1.3
"""Beats reach so many times beyond the recording: premature ones of the atria bring all later ones forward."""

MAYER = (0.07, 0.13)
"""Hz: the low-frequency oscillation of the heart rate (Task Force, Circulation 1996; 93:1043)."""

SHORTEST_RR, LONGEST_RR = 0.24, 4.0
"""Seconds between two beats, at least and at most."""

FIBRILLATION_CV = (0.12, 0.28)
"""Coefficient of variation of RR in atrial fibrillation (mean about 0.24 in Tateno & Glass, Med Biol Eng Comput 2001;
39:664; that of ventricular response at rest reaches lower)."""

COUPLING = (0.55, 0.78)
"""Interval of a premature beat over the one that was due; the criterion asks less than 0.85."""


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats in order.

    Parameters
    ----------
    times : ndarray, shape (N,)
        Seconds from the recording's start, from before it to after it.
    kinds : ndarray of str, shape (N,)
        "N" conducted from the sinus node, "A" premature from an atrium, "V" premature from a ventricle; the letters of
        the MIT-BIH annotations. In fibrillation all are "N".
    """

    times: NDArray[np.float64]
    kinds: NDArray[np.str_]

    @property
    def rr(self) -> NDArray[np.float64]:
        """Seconds from each beat to the next, shape (N − 1,)."""
        return np.diff(self.times)

    def rr_before(self) -> NDArray[np.float64]:
        """Seconds since the beat before, shape (N,); the first has that of the second."""
        return np.r_[self.rr[:1], self.rr]

    def within(self, start: float, stop: float) -> Beats:
        """The beats from `start` (inclusive) to `stop` (exclusive)."""
        inside = (self.times >= start) & (self.times < stop)
        return Beats(self.times[inside], self.kinds[inside])

    def rate_at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Beats per minute at some times (n,): 60 over the interval that each lies in; NaN outside the beats."""
        after = np.searchsorted(self.times, times, side="right")
        inside = (after > 0) & (after < len(self.times))
        rates = np.full(np.shape(times), np.nan)
        rates[inside] = 60 / self.rr[after[inside] - 1]
        return rates

    def phase_at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the interval that has gone by at some times (n,), 0 to 1; NaN outside the beats."""
        place = np.interp(times, self.times, np.arange(len(self.times)), np.nan, np.nan)
        return place % 1


def sinus(
    rng: np.random.Generator,
    seconds: float,
    rate: float,
    breaths: float,
    respiratory: float,
    slow: float,
    scatter: float,
    trend: float = 0.0,
) -> Beats:
    """Sinus rhythm: an oscillator whose interval follows breathing and Mayer waves.

    Parameters
    ----------
    rng : numpy.random.Generator
    seconds : float
        Length of the recording.
    rate, breaths : float
        Beats and breaths per minute.
    respiratory, slow, scatter : float
        Amplitudes of respiratory arrhythmia and Mayer waves, and deviation of independent scatter, as shares of RR.
    trend : float
        Change of RR from begin to end, as a share.
    """
    rr, total = 60 / rate, BEFORE + seconds + AFTER
    n = int(EXTRA * total / (0.8 * rr)) + 8
    at = np.arange(n) * rr
    wave = respiratory * np.sin(2 * np.pi * (breaths / 60 * at + rng.random()))
    wave += slow * np.sin(2 * np.pi * (rng.uniform(*MAYER) * at + rng.random()))
    wave += scatter * rng.standard_normal(n) + trend * (at / total - 0.5)
    return _from_intervals(rng, rr * np.maximum(1 + wave, 0.5), seconds)


def fibrillation(rng: np.random.Generator, seconds: float, rate: float, cv: float | None = None) -> Beats:
    """Atrial fibrillation: independent log-normal intervals of mean 60 / `rate` s."""
    cv = rng.uniform(*FIBRILLATION_CV) if cv is None else cv
    spread = np.sqrt(np.log(1 + cv**2))
    n = int(EXTRA * (BEFORE + seconds + AFTER) * rate / 60 * 1.3) + 8
    return _from_intervals(rng, 60 / rate * np.exp(spread * rng.standard_normal(n) - spread**2 / 2), seconds)


def with_premature(rng: np.random.Generator, beats: Beats, share: float, kind: str) -> Beats:
    """Beats of which some come early, never two in a row.

    After a ventricular one the pause is fully compensatory: the sinus node goes on undisturbed. An atrial one resets
    it, so that the beat after comes a usual interval later.

    Parameters
    ----------
    share : float
        Of all beats, at most a half (bigeminy).
    kind : str
        "A" or "V".
    """
    times, kinds = beats.times.copy(), beats.kinds.copy()
    chance = share / max(1 - share, 0.5)  # of the beats that may be early, so that `share` of all are
    i = 2
    while i < len(times) - 1:
        if rng.random() < chance:
            usual = times[i] - times[i - 1]
            early = usual * (1 - rng.uniform(*COUPLING))
            times[i] -= early
            if kind == "A":
                times[i + 1 :] -= 0.8 * early  # some delay on the way back to the sinus node
            kinds[i] = kind
            i += 1
        i += 1
    return Beats(times, kinds)


def with_pause(rng: np.random.Generator, beats: Beats, seconds: float, length: float) -> Beats:
    """Beats with one interval of `length` seconds within the recording."""
    inside = np.flatnonzero((beats.times > 0.15 * seconds) & (beats.times < 0.6 * seconds))
    if not len(inside):
        return beats
    i = int(rng.choice(inside))
    times = beats.times.copy()
    times[i + 1 :] += max(length - beats.rr[i], 0.0)
    return replace(beats, times=times)


def _from_intervals(rng: np.random.Generator, rr: NDArray[np.float64], seconds: float) -> Beats:
    rr = rr.clip(SHORTEST_RR, LONGEST_RR)
    times = np.cumsum(rr) - rr[0] * rng.random() - BEFORE
    times = times[: int(np.searchsorted(times, EXTRA * seconds + AFTER)) + 2]
    return Beats(times, np.full(len(times), "N"))
