"""Shape of a pulse: a systolic wave that rises faster than it falls, a reflected and a diastolic one, and run-off.

Sums of Gaussians as in Tang, Chen, Ward & Elgendi, Sci Rep 2020; 10:6149 (two of them) and Sološenko, Petrėnas,
Marozas & Sörnmo, Comput Biol Med 2017; 81:130 (three, a log-normal first), over a windkessel's exponential run-off.
Widths and delays are those of 60 beats per minute. Faster pulses are shorter by a power of the interval, slower ones
hardly longer, as systole is (Weissler, Harris & Schoenfeld, Circulation 1968; 37:149).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PulseShape:
    """One person's pulse.

    Parameters
    ----------
    crest : float
        Seconds from the pulse's start to the systolic peak.
    rise, fall : float
        Deviations of the systolic wave before and after its peak, in seconds.
    reflected : tuple of float
        Delay after the peak, deviation, and height over the systolic one.
    diastolic : tuple of float
        As `reflected`.
    runoff : tuple of float
        Time constant in seconds, and the share of the height that flows off with it.
    """

    crest: float
    rise: float
    fall: float
    reflected: tuple[float, float, float]
    diastolic: tuple[float, float, float]
    runoff: tuple[float, float]

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The pulse at some times after its start; about 1 at the peak."""
        after = times - self.crest
        x = np.exp(-0.5 * (after / np.where(after < 0, self.rise, self.fall)) ** 2)
        constant, share = self.runoff
        later = np.maximum(after, 0.0)  # a hyperbola: level at the peak, exponential after it
        flow = np.exp((self.fall - np.sqrt(self.fall**2 + later**2)) / constant)
        x = np.where(after < 0, x, (1 - share) * x + share * flow)
        for delay, width, height in (self.reflected, self.diastolic):
            if height:
                x += height * np.exp(-0.5 * ((after - delay) / width) ** 2)
        return x

    @property
    def foot(self) -> float:
        """Seconds from the start to where the systolic wave has 1 % of its height."""
        return self.crest - 3.03 * self.rise

    @property
    def peak(self) -> float:
        """Seconds from the start to the highest point, which a reflected wave may move."""
        fine = np.linspace(self.crest, self.crest + self.reflected[0] + self.reflected[1], 400)
        return float(fine[self.at(fine).argmax()])

    @property
    def upstroke(self) -> float:
        """Seconds from the start to the steepest rise."""
        fine = np.linspace(self.foot, self.crest, 400)
        return float(fine[np.gradient(self.at(fine)).argmax()])

    @property
    def reach(self) -> tuple[float, float]:
        """Seconds before and after the start outside which the pulse has less than about 0.2 % of its height."""
        return self.crest - 3.8 * self.rise, self.crest + 6 * max(self.runoff[0], self.fall)


def draw_shape(rng: np.random.Generator, rate: float) -> PulseShape:
    """A pulse from young (a deep notch) to old (no second wave), at a rate in beats per minute."""
    k = (60 / rate) ** (rng.uniform(0.3, 0.8) if rate > 60 else rng.uniform(0.1, 0.3))
    diastolic = rng.uniform(0.1, 0.5) if rng.random() < 0.8 else 0.0
    reflected = rng.uniform(0, 0.35) if rng.random() < 0.5 else 0.0
    crest, rise = rng.uniform(0.16, 0.24) * k, rng.uniform(0.05, 0.085) * k
    fall = max(rng.uniform(0.08, 0.15) * k, 1.1 * rise)
    return PulseShape(
        crest=crest,
        rise=rise,
        fall=fall,
        reflected=(rng.uniform(0.08, 0.2) * k, rise * 1.1, reflected),
        diastolic=(rng.uniform(0.2, 0.3) * k, rng.uniform(0.06, 0.14) * k, diastolic),
        runoff=(rng.uniform(0.25, 0.6) * k, rng.uniform(0.15, 0.7)),
    )


def pulse_train(
    shape: PulseShape, starts: NDArray[np.float64], heights: NDArray[np.float64], n_times: int, sfreq: float
) -> NDArray[np.float64]:
    """Pulses (n_times,) that start at `starts` seconds (N,) with `heights` (N,)."""
    x = np.zeros(n_times)
    before, after = shape.reach
    for start, height in zip(starts.tolist(), heights.tolist(), strict=True):
        first = max(int(np.ceil((start + before) * sfreq)), 0)
        last = min(int((start + after) * sfreq) + 1, n_times)
        if last > first:
            x[first:last] += height * shape.at(np.arange(first, last) / sfreq - start)
    return x
