"""Large chambers, and low voltage."""

from __future__ import annotations

import numpy as np

from biosig.simulate.diagnoses import diagnosis
from biosig.simulate.ecg_heart import Heart


def _left_ventricle(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    growth = 0.6 + 0.9 * severity
    heart.change("main", vector=heart.waves["main"].vector * growth * np.array([1.0, rng.uniform(0.7, 1.0), 1.25]))
    heart.scale("late", 0.7 + 0.5 * severity)
    heart.set_qrs(min(heart.qrs * 1.06, 0.115))


@diagnosis("left_ventricular_hypertrophy", "lvh_voltage", "voltage", 0.12)
def left_ventricular_hypertrophy(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """Larger to the left and to the back."""
    _left_ventricle(heart, rng, severity)


@diagnosis("left_ventricular_hypertrophy_with_strain", "lvh_strain", "voltage", 0.1)
def left_ventricular_hypertrophy_with_strain(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """As above, with ST and T pointing away from the left ventricle."""
    _left_ventricle(heart, rng, severity)
    away = -severity * np.array([1.0, rng.uniform(0.1, 0.4), rng.uniform(-0.2, 0.2)])
    heart.set_st(0.1 * away)
    for wave in ("t_early", "t_late"):
        heart.change(wave, vector=0.4 * heart.waves[wave].vector + 0.22 * away)


@diagnosis("right_ventricular_hypertrophy", "rvh", "voltage", 0.06)
def right_ventricular_hypertrophy(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """The main vector points to the right, the feet and the front; T in the right chest leads away from it."""
    growth = heart.size * rng.uniform(0.9, 1.2)
    heart.change("main", vector=growth * np.array([-0.3 - 0.25 * severity, 0.85, -0.35 - 0.35 * severity]))
    heart.change("late", vector=growth * np.array([-0.35 * severity, -0.15, 0.15]))
    heart.turn("t_early", np.array([0.1, 0.0, 0.15]))
    heart.turn("t_late", np.array([0.1, 0.0, 0.2]))


@diagnosis("low_voltage", "low_voltage_limb", "voltage", 0.06)
def low_voltage(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """All waves of the ventricles small, as in effusion and lung disease."""
    for name, wave in heart.waves.items():
        if wave.part != "P":
            heart.scale(name, rng.uniform(0.32, 0.36) / severity)


@diagnosis("left_atrial_enlargement", "la_terminal_force", "atria", 0.06)
def left_atrial_enlargement(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """A later and larger left half of P, to the back."""
    heart.change("p_left", vector=np.array([0.11, 0.05, 0.11 * severity * rng.uniform(0.9, 1.2)]))
    heart.change("p_left", centre=heart.waves["p_left"].centre + 0.008, width=heart.waves["p_left"].width + 0.016)
    heart.set_pr(-heart.limits("P")[0] + 0.01)


@diagnosis("right_atrial_enlargement", "ra_p_ii", "atria", 0.05)
def right_atrial_enlargement(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """A tall P, to the feet."""
    heart.change("p_right", vector=severity * np.array([0.03, 0.24 * rng.uniform(0.9, 1.2), -0.06]))
