"""A heart's beat as moving dipoles: waves with a vector, a place and exact limits, and how a healthy one is drawn.

A wave is a raised cosine, so that it begins and ends at an instant. Times count from the onset of the QRS. Vectors and
places are in Frank's axes: X to the left, Y to the feet, Z to the back. Normal limits are those of Mason et al., J
Electrocardiol 2007; 40:228 (79,743 people): PR 113 to 212 ms, QRS 69 to 109 ms, QTc 365 to 457 ms.

Shape letters: K waves, N beats, T samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from biosig.simulate.draws import bounded

Vector = NDArray[np.float64]

ATRIUM_RIGHT, ATRIUM_LEFT = (-0.02, -0.03, 0.0), (0.01, -0.03, 0.02)
SEPTUM, LEFT, RIGHT, BASE = (0.0, 0.0, 0.0), (0.015, 0.005, 0.01), (-0.015, 0.005, -0.01), (0.0, -0.02, 0.02)
"""Metres from the heart's middle."""

GENTLE = 0.0125
"""Seconds at each end of the QRS in which it only begins to rise or stops falling: cardiologists place its limits
there, some 12 ms from the first and last steep slope (`biosig.features.ecg_waves`)."""

Place = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Wave:
    """One dipole that rises and falls.

    Parameters
    ----------
    part : str
        "P", "QRS", "ST" or "T", whose times count from the end of QT.
    centre, width : float
        Seconds from the QRS's onset, and from the wave's begin to its end.
    vector : ndarray, shape (3,)
        mV at the centre.
    place : tuple of float
        Metres from the heart's middle.
    """

    part: str
    centre: float
    width: float
    vector: Vector
    place: Place = SEPTUM

    @property
    def limits(self) -> tuple[float, float]:
        """Begin and end."""
        return self.centre - self.width / 2, self.centre + self.width / 2


@dataclass(eq=False)
class Heart:
    """Waves of a beat by name, with its intervals in seconds.

    Parameters
    ----------
    waves : dict of str to Wave
    qrs : float
        Seconds from the QRS's onset, which is time 0, to its end.
    size : float
        Length of the main vector over the usual one.
    qtc : float
        QT at an interval of 1 s; it follows the cube root of RR (Fridericia, Acta Med Scand 1920; 53:469).
    """

    waves: dict[str, Wave] = field(default_factory=dict)
    qrs: float = 0.09
    size: float = 1.0
    qtc: float = 0.405

    def limits(self, part: str) -> tuple[float, float]:
        """Onset and end of "P", "QRS" or "T"; NaN where it has none."""
        if part == "QRS":
            return 0.0, self.qrs
        limits = [wave.limits for wave in self.waves.values() if wave.part == part and np.any(wave.vector)]
        return (min(on for on, _ in limits), max(off for _, off in limits)) if limits else (np.nan, np.nan)

    def copy(self) -> Heart:
        """A heart whose waves can be changed."""
        return replace(self, waves=dict(self.waves))

    def change(self, name: str, **fields: object) -> None:
        """Change fields of one wave."""
        self.waves[name] = replace(self.waves[name], **fields)  # type: ignore[arg-type]

    def turn(self, name: str, by: Sequence[float] | Vector) -> None:
        """Add to one wave's vector."""
        self.change(name, vector=self.waves[name].vector + np.asarray(by))

    def scale(self, name: str, by: float) -> None:
        """Multiply one wave's vector."""
        self.change(name, vector=self.waves[name].vector * by)

    def set_qrs(self, seconds: float) -> None:
        """Make the QRS last so long, all its waves in proportion; what follows moves along."""
        by = (seconds - 2 * GENTLE) / (self.qrs - 2 * GENTLE)
        for name, wave in self.waves.items():
            if wave.part == "QRS":
                self.change(name, centre=GENTLE + by * (wave.centre - GENTLE), width=by * wave.width)
        self.lengthen(seconds)

    def lengthen(self, seconds: float) -> None:
        """Let the QRS end after so long, without a change of its waves."""
        for name, wave in self.waves.items():
            if wave.part == "ST":
                self.change(name, centre=wave.centre + seconds - self.qrs)
        self.qrs = seconds

    def depolarise(
        self, name: str, centre: float, width: float, vector: Sequence[float] | Vector, place: Place = SEPTUM
    ) -> None:
        """Add a wave to the QRS, or replace it: centre and width as shares of the QRS between its gentle ends."""
        begin, length = GENTLE, self.qrs - 2 * GENTLE
        self.waves[name] = Wave("QRS", begin + centre * length, width * length, np.asarray(vector, float), place)

    def finish(self) -> None:
        """Add the gentle ends of the QRS, towards its first and its last wave."""
        waves = [wave for wave in self.waves.values() if wave.part == "QRS"]
        first, last = min(waves, key=lambda w: w.limits[0]), max(waves, key=lambda w: w.limits[1])
        width = 2.6 * GENTLE
        self.waves["begin"] = Wave("QRS", width / 2, width, 0.12 * first.vector, first.place)
        self.waves["end"] = Wave("QRS", self.qrs - width / 2, width, 0.12 * last.vector, last.place)

    def set_pr(self, seconds: float) -> None:
        """Make the P wave begin so long before the QRS."""
        old = -self.limits("P")[0]
        for name, wave in self.waves.items():
            if wave.part == "P":
                self.change(name, centre=wave.centre + old - seconds)

    def set_st(self, vector: Sequence[float] | Vector) -> None:
        """Add a vector that lasts from the end of the QRS to the T wave: three waves whose sum is level."""
        for name in ("st_0", "st_1", "st_2"):
            self.turn(name, vector)

    def qt(self, rr: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """QT in seconds after intervals of so many seconds."""
        return self.qtc * np.cbrt(np.clip(rr, 0.3, 1.8))


def healthy(rng: np.random.Generator) -> Heart:
    """A heart within normal limits, mostly."""
    size = float(np.exp(bounded(rng, 0, 0.2, -0.45, 0.4)))
    axis = np.radians(bounded(rng, 42, 22, -12, 82))
    qrs, pr = bounded(rng, 0.087, 0.008, 0.070, 0.102), bounded(rng, 0.154, 0.019, 0.118, 0.19)
    qtc = bounded(rng, 0.402, 0.015, 0.365, 0.440)
    some = rng.standard_normal
    septal = size * np.exp(0.25 * some()) * (np.array([-0.1, 0.0, -0.3]) + 0.025 * some(3))
    main = 1.15 * size * np.array([np.cos(axis), 0.85 * np.sin(axis), 0.25 + 0.18 * np.clip(some(), -1.5, 1.5)])
    late = size * np.exp(0.25 * some()) * np.array([0.08 * some(), -0.15 + 0.1 * some(), 0.38])
    t = np.exp(0.25 * np.clip(some(), -1.5, 2)) * (np.array([0.34, 0.26, -0.16]) + 0.04 * some(3))
    p = np.exp(0.2 * some())
    length = bounded(rng, 0.104, 0.008, 0.085, 0.118)  # of P
    st = 0.012 * some(3) + 0.06 * t
    heart = Heart(
        waves={
            "p_right": Wave("P", -pr + 0.33 * length, 0.66 * length, p * np.array([0.025, 0.085, -0.05]), ATRIUM_RIGHT),
            "p_left": Wave("P", -pr + 0.64 * length, 0.72 * length, p * np.array([0.06, 0.06, 0.04]), ATRIUM_LEFT),
            "st_0": Wave("ST", qrs, 0.12, st, LEFT),
            "st_1": Wave("ST", qrs + 0.06, 0.12, st, LEFT),
            "st_2": Wave("ST", qrs + 0.12, 0.12, st, LEFT),
            "t_early": Wave("T", -0.13, 0.26, 0.5 * t, LEFT),
            "t_late": Wave("T", -0.085, 0.17, 0.75 * t, LEFT),
        },
        qrs=qrs,
        size=size,
        qtc=qtc,
    )
    heart.depolarise("septal", 0.21, 0.42, septal)
    heart.depolarise("main", 0.46, 0.66, main, LEFT)
    heart.depolarise("late", 0.74, 0.52, late, BASE)
    heart.depolarise("detail", rng.uniform(0.3, 0.75), 0.3, 0.04 * size * some(3))
    return heart


def ectopic(rng: np.random.Generator, heart: Heart) -> Heart:
    """A beat that begins in a ventricle: no P, a QRS of 130 to 180 ms from one place, ST and T against it."""
    from_left = rng.random() < 0.5
    away = np.array([-0.9 if from_left else 0.9, rng.uniform(-0.9, 0.9), -0.7 if from_left else 0.7])
    away *= 1.5 * heart.size * rng.uniform(0.8, 1.4) / np.linalg.norm(away)
    qrs, side, place = rng.uniform(0.13, 0.18), 0.25 * rng.standard_normal(3), (LEFT if from_left else RIGHT)
    st = -0.1 * away
    other = Heart(
        waves={
            "st_0": Wave("ST", qrs, 0.12, st, place),
            "st_1": Wave("ST", qrs + 0.06, 0.12, st, place),
            "st_2": Wave("ST", qrs + 0.12, 0.12, st, place),
            "t_early": Wave("T", -0.13, 0.26, -0.25 * away, place),
            "t_late": Wave("T", -0.09, 0.18, -0.3 * away, place),
        },
        qrs=qrs,
        size=heart.size,
        qtc=heart.qtc + 0.5 * (qrs - heart.qrs),
    )
    other.depolarise("first", 0.3, 0.6, 0.6 * away + side, place)
    other.depolarise("main", 0.48, 0.62, 0.6 * away, place)
    other.depolarise("late", 0.7, 0.6, 0.4 * away - side)
    other.finish()
    return other


def activity(
    heart: Heart, onsets: NDArray[np.float64], rr: NDArray[np.float64], n_times: int, sfreq: float
) -> NDArray[np.float64]:
    """Size of each wave over time.

    Parameters
    ----------
    heart : Heart
    onsets, rr : ndarray, shape (N,)
        Onset of each beat's QRS, and the interval before it, in seconds.
    n_times : int
    sfreq : float

    Returns
    -------
    ndarray, shape (K, T)
        1 at each wave's centre.
    """
    out = np.zeros((len(heart.waves), n_times))
    qt = heart.qt(rr)
    for row, wave in zip(out, heart.waves.values(), strict=True):
        of_t = wave.part == "T"
        shorter = qt / heart.qtc if of_t else np.ones_like(qt)  # T keeps its share of QT, and so clear of a QRS
        centres = onsets + shorter * wave.centre + (qt if of_t else 0.0)
        for centre, width in zip(centres.tolist(), (shorter * wave.width).tolist(), strict=True):
            first = max(int(np.ceil((centre - width / 2) * sfreq)), 0)
            last = min(int((centre + width / 2) * sfreq) + 1, n_times)
            if last > first:
                phase = (np.arange(first, last) / sfreq - centre) * (2 * np.pi / width)
                row[first:last] += 0.5 + 0.5 * np.cos(phase)
    return out
