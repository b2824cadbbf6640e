"""Blocks of bundles and fascicles, long and short conduction to the ventricles."""

from __future__ import annotations

import numpy as np

from biosig.simulate.diagnoses import diagnosis
from biosig.simulate.ecg_heart import BASE, LEFT, RIGHT, Heart, Wave


def _long_qrs(heart: Heart, seconds: float) -> None:
    """A QRS that lasts so long, and a QT that is longer by most of the difference."""
    heart.qtc += 0.8 * (seconds - heart.qrs)
    heart.set_qrs(seconds)


@diagnosis("left_bundle_branch_block", "lbbb", "conduction", 0.06)
def left_bundle_branch_block(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """The septum is reached from the right, then the free wall late and slowly; ST and T point away."""
    qrs = min(rng.uniform(0.128, 0.15) * (0.9 + 0.1 * severity), 0.19)
    size = heart.size * np.exp(0.15 * rng.standard_normal())
    height = rng.uniform(-0.1, 0.5)
    wall = size * np.array([1.05, height, 0.75])
    _long_qrs(heart, qrs)
    heart.depolarise("septal", 0.22, 0.44, size * np.array([0.4, 0.1, 0.15]))
    heart.depolarise("main", 0.42, 0.56, 0.75 * wall)
    heart.depolarise("late", 0.68, 0.64, 0.95 * wall, LEFT)
    heart.scale("detail", 0.5)
    heart.set_st(-0.09 * wall)
    for wave, share in (("t_early", 0.2), ("t_late", 0.28)):
        heart.change(wave, vector=-share * wall * rng.uniform(0.8, 1.2) + 0.02 * rng.standard_normal(3))


@diagnosis("right_bundle_branch_block", "rbbb", "conduction", 0.08)
def right_bundle_branch_block(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """The left ventricle as usual, then the right one alone, to the right and the front."""
    qrs = min(rng.uniform(0.124, 0.145) * (0.9 + 0.1 * severity), 0.18)
    heart.qtc += 0.8 * (qrs - heart.qrs)
    heart.lengthen(qrs)
    end = severity * heart.size * np.array([-0.5, 0.05, -0.5]) * np.exp(0.15 * rng.standard_normal(3))
    heart.depolarise("right", 0.72, 0.56, end, RIGHT)
    heart.scale("late", 0.5)
    heart.turn("t_early", -0.15 * end)
    heart.turn("t_late", -0.2 * end)


@diagnosis("left_anterior_fascicular_block", "lafb", "conduction", 0.08)
def left_anterior_fascicular_block(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """First down and to the right, then up and to the left: an axis beyond −45°."""
    heart.set_qrs(rng.uniform(0.097, 0.104))
    heart.change("septal", vector=heart.size * np.array([-0.16 * severity, 0.2, -0.16]))
    axis = np.radians(-48 - 10 * min(severity, 2.2))
    length = heart.size * rng.uniform(0.9, 1.2)
    heart.depolarise(
        "main", 0.54 + 0.03 * min(severity, 2.0), 0.66, length * np.array([np.cos(axis), np.sin(axis), 0.4])
    )
    heart.change("late", vector=length * np.array([0.35, -0.45, 0.3]))


@diagnosis("left_posterior_fascicular_block", "lpfb", "conduction", 0.03)
def left_posterior_fascicular_block(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """First up and to the left, then down and to the right: an axis beyond 90°."""
    heart.set_qrs(rng.uniform(0.093, 0.104))
    heart.change("septal", vector=heart.size * np.array([0.1, -0.3 * severity, -0.15]))
    heart.change("main", vector=heart.size * np.array([-0.3 - 0.2 * severity, rng.uniform(0.95, 1.2), 0.3]))
    heart.change("late", vector=heart.size * np.array([-0.3 * severity, 0.3, 0.3]))


@diagnosis("preexcitation", "preexcitation", "conduction", 0.04)
def preexcitation(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """A pathway beside the node: the QRS begins early and slowly, with a delta wave."""
    slow = rng.uniform(0.025, 0.03)
    main = heart.waves["main"].vector
    for name in ("septal", "main", "late", "detail"):
        wave = heart.waves[name]
        heart.change(name, centre=wave.centre + slow, width=wave.width * (1.35 if name == "main" else 1.0))
    heart.scale("septal", 0.3)
    heart.qtc += slow
    heart.lengthen(heart.qrs + slow)
    side = heart.size * np.array([0.1, rng.uniform(-0.15, 0.15), rng.uniform(-0.1, 0.1)])
    heart.waves["delta"] = Wave("QRS", 0.053, 0.096, (0.28 + 0.05 * severity) * main + side, BASE)
    heart.set_st(-0.05 * main)
    heart.set_pr(max(rng.uniform(0.084, 0.1) / severity**0.2, 0.075))
    for name in ("p_right", "p_left"):
        wave = heart.waves[name]
        heart.change(name, width=0.85 * wave.width, centre=wave.centre - 0.15 * wave.width / 2)


@diagnosis("first_degree_av_block", "av_block_1", "pr", 0.1)
def first_degree_av_block(heart: Heart, rng: np.random.Generator, severity: float) -> None:
    """PR over 200 ms."""
    heart.set_pr(min(0.2 + rng.uniform(0.02, 0.07) * severity, 0.32))
