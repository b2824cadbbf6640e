"""Rhythms of a simulated ECG: times and kinds of beats, and the activity of the atria.

Where a rhythm stands for a criterion of `biosig.features`, it fulfils it by its rate and regularity. RHYTHMS is the
registry; `rhythm` adds to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from biosig.registry import Registry
from biosig.simulate.rhythm import Beats, fibrillation, sinus, with_pause, with_premature

Make = Callable[[np.random.Generator, float, float, float], Beats]


@dataclass(frozen=True)
class Rhythm:
    """A rhythm.

    Parameters
    ----------
    name : str
    criterion : str
        Column of `biosig.features` without its kind that it stands for.
    share : float
        Of the recordings that are drawn.
    rate : tuple of float
        Beats per minute: mean, deviation, lowest, highest.
    atria : str
        "sinus": a P wave before each beat; "none"; "fibrillating": waves of 4 to 9 Hz without one.
    wide : bool
        True if the beats come from a ventricle.
    make : callable
        Beats of random numbers, seconds, rate and breaths per minute.
    """

    name: str
    criterion: str
    share: float
    rate: tuple[float, float, float, float]
    atria: str
    wide: bool
    make: Make


RHYTHMS: Registry[Rhythm] = Registry("simulated rhythm", "biosig.simulated_rhythms", None)

NORMAL = (71.0, 12.0, 52.0, 98.0)
"""Mason et al., J Electrocardiol 2007; 40:228."""


def rhythm(
    name: str, criterion: str, share: float, rate: tuple[float, ...] = NORMAL, atria: str = "sinus", wide: bool = False
) -> Callable[[Make], Make]:
    """Register the decorated function as what makes a rhythm's beats."""

    def register(make: Make) -> Make:
        RHYTHMS.register(Rhythm(name, f"score_{criterion}", share, rate, atria, wide, make))  # type: ignore[arg-type]
        return make

    return register


def _steady(rng: np.random.Generator, seconds: float, rate: float, breaths: float) -> Beats:
    """Sinus rhythm, less variable at high rates (Task Force, Circulation 1996; 93:1043)."""
    freedom = min(60 / rate, 1.2) ** 2
    return sinus(
        rng,
        seconds,
        rate,
        breaths,
        respiratory=0.035 * freedom * rng.random(),
        slow=0.025 * freedom * rng.random(),
        scatter=0.008 * freedom * rng.random(),
    )


def _clockwork(rng: np.random.Generator, seconds: float, rate: float, breaths: float) -> Beats:
    """The regular beat of a focus or a circuit."""
    return sinus(rng, seconds, rate, breaths, respiratory=0.002, slow=0.0, scatter=0.004)


rhythm("sinus", "sinus", 0.5)(_steady)
rhythm("sinus_bradycardia", "bradycardia", 0.06, (43.0, 3.0, 35.0, 47.0))(_steady)
rhythm("sinus_tachycardia", "tachycardia", 0.08, (118.0, 10.0, 106.0, 150.0))(_steady)
rhythm("junctional_escape", "junctional", 0.03, (46.0, 5.0, 38.0, 55.0), "none")(_clockwork)
rhythm("supraventricular_tachycardia", "supraventricular_tachycardia", 0.04, (136.0, 5.0, 128.0, 145.0), "none")(
    _clockwork
)
rhythm("ventricular_tachycardia", "ventricular_tachycardia", 0.03, (122.0, 5.0, 112.0, 130.0), "none", True)(_clockwork)


@rhythm("sinus_arrhythmia", "sinus_arrhythmia", 0.05, (60.0, 5.0, 52.0, 68.0))
def sinus_arrhythmia(rng: np.random.Generator, seconds: float, rate: float, breaths: float) -> Beats:
    """RR that follows slow breathing by more than 120 ms, without a premature beat."""
    return sinus(rng, seconds, rate, min(breaths, 14.0), rng.uniform(0.08, 0.1), 0.003, 0.003)


@rhythm("atrial_fibrillation", "atrial_fibrillation", 0.09, (92.0, 22.0, 55.0, 150.0), "fibrillating")
def atrial_fibrillation(rng: np.random.Generator, seconds: float, rate: float, breaths: float) -> Beats:  # noqa: ARG001
    """Irregular intervals, no P wave."""
    return fibrillation(rng, seconds, rate, rng.uniform(0.17, 0.28))


@rhythm("premature_ventricular", "premature_ventricular", 0.07)
def premature_ventricular(rng: np.random.Generator, seconds: float, rate: float, breaths: float) -> Beats:
    """Premature beats from a ventricle, each with a compensatory pause."""
    return _at_least_one(rng, _steady(rng, seconds, rate, breaths), seconds, "V")


@rhythm("premature_atrial", "premature", 0.07)
def premature_atrial(rng: np.random.Generator, seconds: float, rate: float, breaths: float) -> Beats:
    """Premature beats from an atrium, with another P and the usual QRS."""
    return _at_least_one(rng, _steady(rng, seconds, rate, breaths), seconds, "A")


@rhythm("sinus_pause", "pause", 0.02)
def pause(rng: np.random.Generator, seconds: float, rate: float, breaths: float) -> Beats:
    """One interval of more than 2 s."""
    return with_pause(rng, _steady(rng, seconds, rate, breaths), seconds, rng.uniform(2.3, 3.4))


def _at_least_one(rng: np.random.Generator, beats: Beats, seconds: float, kind: str) -> Beats:
    """Premature beats among a few per cent to a third of all, one in twenty or more inside the recording."""
    while True:
        found = with_premature(rng, beats, rng.uniform(0.06, 0.33), kind)
        inside = found.within(0.08 * seconds, 0.92 * seconds)
        if (inside.kinds == kind).sum() > 0.06 * len(inside.times):
            return found
