"""ST depression, inverted T waves, early repolarisation and a long QT."""

from __future__ import annotations

import numpy as np

from biosig.simulate.diagnoses import diagnosis
from biosig.simulate.ecg_heart import Heart, Vector


@diagnosis("lateral_st_depression", "std_lateral", "st", 0.08)
def lateral_st_depression(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """ST away from the left, level or falling, as in ischaemia."""
    away = severity * np.array([-0.13, -0.05, 0.06]) * rng.uniform(0.9, 1.3)
    heart.set_st(away)
    heart.turn("t_early", 0.8 * away)
    heart.scale("t_late", rng.uniform(0.5, 0.9))


@diagnosis("early_repolarisation_pattern", "early_repolarisation", "st", 0.05)
def early_repolarisation(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """ST raised along a large T."""
    t = heart.waves["t_late"].vector
    heart.set_st(severity * rng.uniform(0.16, 0.24) * t / np.linalg.norm(t))
    heart.scale("t_late", 1.2)


def _inverted(heart: Heart, rng: np.random.Generator, towards: Vector, severity: float) -> None:
    size = severity * rng.uniform(0.9, 1.3)
    heart.change("t_early", vector=0.18 * size * towards)
    heart.change("t_late", vector=0.3 * size * towards + 0.02 * rng.standard_normal(3))
    for name in ("st_0", "st_1", "st_2"):
        heart.scale(name, 0.3)


@diagnosis("anterior_t_inversion", "t_inverted_anterior", "t", 0.06)
def anterior_t_inversion(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """T to the back."""
    _inverted(heart, rng, np.array([0.3, 0.4, 0.9]), severity)


@diagnosis("lateral_t_inversion", "t_inverted_lateral", "t", 0.06)
def lateral_t_inversion(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """T to the right."""
    _inverted(heart, rng, np.array([-0.9, 0.2, -0.3]), severity)


@diagnosis("inferior_t_inversion", "t_inverted_inferior", "t", 0.06)
def inferior_t_inversion(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """T to the head."""
    _inverted(heart, rng, np.array([0.4, -0.9, -0.3]), severity)


@diagnosis("long_qt", "qtc_500", "t", 0.05)
def long_qt(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """QTc over 500 ms."""
    heart.qtc = min(0.5 + rng.uniform(0.02, 0.05) * severity, 0.6)
    late = heart.waves["t_late"]
    heart.change("t_late", width=1.15 * late.width, centre=1.15 * late.centre)
