"""Artefacts of an ECG, electrode by electrode, so that leads share them as in life: wander, muscle, mains, movement.

Sizes are those of the MIT-BIH noise stress test (Moody, Muldrow & Mark, Computers in Cardiology 1984) and of
tracings at rest.

Shape letters: E electrodes, T samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Annotation
from biosig.simulate.draws import coloured_noise


@dataclass(frozen=True)
class Noise:
    """Sizes of an ECG's disturbances in mV.

    Parameters
    ----------
    amplifier : float
        Deviation of white noise.
    wander : float
        Deviation of the baseline below 0.5 Hz.
    muscle : float
        Deviation of the broad noise of 5 to 150 Hz.
    mains : float
        Amplitude of 50 or 60 Hz.
    movement : float
        Size of single jolts of an electrode; 0 = none.
    """

    amplifier: float
    wander: float
    muscle: float
    mains: float
    movement: float


def draw_noise(rng: np.random.Generator, size: float) -> Noise:
    """Mostly a clean tracing; `size` 1 is usual, 0 is none."""
    return Noise(
        amplifier=size * rng.uniform(0.002, 0.005),  # IEC 60601-2-25 allows 0.03 from peak to peak
        wander=size * 0.15 * rng.random() ** 2,
        muscle=size * 0.025 * rng.random() ** 2,
        mains=size * (0.03 * rng.random() if rng.random() < 0.2 else 0.0),
        movement=size * (rng.uniform(0.1, 0.6) if rng.random() < 0.12 else 0.0),
    )


def electrode_noise(
    rng: np.random.Generator, noise: Noise, electrodes: Sequence[str], n_times: int, sfreq: float, breaths: float
) -> tuple[NDArray[np.float64], list[Annotation]]:
    """Disturbance of each electrode in mV, shape (E, T), and where jolts and bursts are."""
    n, times = len(electrodes), np.arange(n_times) / sfreq
    x = noise.amplifier * rng.standard_normal((n, n_times))
    marks: list[Annotation] = []
    if noise.wander:
        # no more than 0.5 Hz: slow enough to be interpolated from a few samples a second
        slow, few = 8.0, int(n_times / sfreq * 8) + 9
        wander = coloured_noise(rng, (n, few), slow, 2.0, (0.03, 0.5))
        breath = np.sin(2 * np.pi * breaths / 60 * np.arange(few) / slow + rng.uniform(0, 6.3))
        wander = noise.wander * (wander + rng.normal(0, 0.7, (n, 1)) * breath)
        x += np.array([np.interp(times, np.arange(few) / slow, row) for row in wander])
    if noise.muscle:
        each = noise.muscle * np.exp(0.5 * rng.standard_normal((n, 1)))
        x += each * coloured_noise(rng, (n, n_times), sfreq, 0.5, (5.0, 150.0))
    if noise.mains:
        line, phases = rng.choice([50.0, 60.0]), rng.uniform(0, 6.3) + 0.3 * rng.standard_normal((n, 1))
        if line < 0.45 * sfreq:
            each = noise.mains * np.exp(0.6 * rng.standard_normal((n, 1)))
            x += each * np.sin(2 * np.pi * line * times + phases)
    if noise.movement:
        for _ in range(int(rng.integers(1, 4))):
            row, onset = int(rng.integers(n)), rng.uniform(0, n_times / sfreq)
            after = np.maximum(times - onset, 0)
            rise, fall = rng.uniform(0.02, 0.1), rng.uniform(0.2, 0.8)
            jolt = (np.exp(-after / fall) - np.exp(-after / rise)) * np.cos(2 * np.pi * rng.uniform(0, 2) * after)
            x[row] += noise.movement * rng.choice([-1, 1]) * jolt
            marks.append(Annotation(onset, min(4 * fall, n_times / sfreq - onset), f"movement {electrodes[row]}"))
    return x, marks
