"""Infarction: dead muscle has no front of its own, so that the vector first points away from it."""

from __future__ import annotations

import numpy as np

from biosig.simulate.diagnoses import diagnosis
from biosig.simulate.ecg_heart import BASE, GENTLE, Heart, Vector, Wave


def _necrosis(heart: Heart, rng: np.random.Generator, away: Vector, severity: float) -> None:
    """A first vector of 40 ms and more that points away, less of the main one, and often an inverted T there."""
    heart.set_qrs(max(heart.qrs, 0.092))
    strength = heart.size * severity * rng.uniform(0.4, 0.6)
    begin = rng.uniform(0.055, 0.065) * min(severity, 1.3)
    heart.waves["septal"] = Wave("QRS", GENTLE + begin / 2, begin, strength * away)
    main = heart.waves["main"].vector
    heart.turn("main", -0.5 * np.minimum(main @ away, 0.0) * away)
    if rng.random() < 0.6:
        heart.turn("t_early", rng.uniform(0.1, 0.25) * away)
        heart.turn("t_late", rng.uniform(0.15, 0.4) * away)


@diagnosis("inferior_infarction", "q_inferior", "infarction", 0.1)
def inferior_infarction(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """Away from the feet."""
    _necrosis(heart, rng, np.array([0.15, -0.95, 0.0]), severity)


@diagnosis("anterior_infarction", "q_anterior", "infarction", 0.1)
def anterior_infarction(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """Away from the front."""
    _necrosis(heart, rng, np.array([-0.15, 0.1, 0.95]), 1.2 * severity)
    heart.turn("main", 0.3 * severity * heart.size * np.array([0.0, 0.0, 1.0]))


@diagnosis("lateral_infarction", "q_lateral", "infarction", 0.06)
def lateral_infarction(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """Away from the left."""
    _necrosis(heart, rng, np.array([-0.95, 0.15, 0.0]), severity)


@diagnosis("posterior_infarction", "mi_posterior", "infarction", 0.05)
def posterior_infarction(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """Away from the back: a broad R and an upright T in V1 and V2."""
    strength = heart.size * severity
    heart.change("septal", vector=strength * np.array([-0.12, 0.0, -0.35]), width=0.05, centre=0.036)
    heart.turn("main", strength * np.array([-0.1, 0.0, -rng.uniform(0.6, 0.8)]))
    heart.change("late", vector=0.3 * heart.waves["late"].vector, place=BASE)
    for wave in ("t_early", "t_late"):
        heart.turn(wave, np.array([0.0, 0.0, -0.15 * severity]))


def _injury(heart: Heart, direction: Vector, size: float) -> None:
    """ST towards what is being injured, and a T wave that rises from it."""
    heart.set_st(size * direction)
    heart.turn("t_early", 1.2 * size * direction)
    heart.turn("t_late", 0.6 * size * direction)


@diagnosis("inferior_st_elevation", "ste_inferior", "st", 0.06)
def inferior_st_elevation(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """Towards the feet."""
    _injury(heart, np.array([-0.15, 1.0, -0.1]), severity * rng.uniform(0.15, 0.3))


@diagnosis("anterior_st_elevation", "ste_anterior", "st", 0.06)
def anterior_st_elevation(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """Towards the front."""
    _injury(heart, np.array([0.25, 0.0, -1.0]), severity * rng.uniform(0.2, 0.35))


@diagnosis("lateral_st_elevation", "ste_lateral", "st", 0.04)
def lateral_st_elevation(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """Towards the left."""
    _injury(heart, np.array([1.0, -0.3, -0.1]), severity * rng.uniform(0.15, 0.3))
