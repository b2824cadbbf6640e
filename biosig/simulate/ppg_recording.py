"""A simulated PPG: pulses of a known rhythm, breathing, noise and motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import make_channel
from biosig.errors import UsageError
from biosig.recording import Annotation, Recording, Stream
from biosig.simulate import ppg_artefacts as artefacts
from biosig.simulate.draws import bounded, check_range, choose, coloured_noise, generator
from biosig.simulate.ppg_pulse import draw_shape, pulse_train
from biosig.simulate.rhythm import Beats, fibrillation, sinus, with_premature

RHYTHMS = {"sinus": 0.67, "fibrillation": 0.1, "premature": 0.18, "alternans": 0.05}
"""Probability of each rhythm. In pulsus alternans every other pulse is weak."""

RATES = (34.0, 205.0)
"""Beats per minute. Half of the rates are drawn evenly on a logarithmic scale, half about 80 with a deviation of a
quarter: adults at rest have 48 to 98 (Mason et al., J Electrocardiol 2007; 40:228), the rest is exercise, fever and
block."""

BREATHS = (5.0, 36.0)
"""Per minute: from slow breathing to the elderly's upper limit and illness; drawn about 16 with a deviation of 5, as in
Charlton et al., Physiol Meas 2016; 37:610."""


@dataclass(frozen=True)
class PpgOptions:
    """Choices for a simulated PPG; None is drawn.

    Parameters
    ----------
    seconds : float
        Length, 1 to 3600.
    sfreq : float
        Sampling rate in Hz, 20 to 1000.
    site : str
        Name of the channel ("finger", "wrist", "ear", …).
    rate : float, optional
        Mean beats per minute, 30 to 220; default as in `RATES`.
    rhythm : str, optional
        One of `RHYTHMS`; default by their shares.
    breaths : float, optional
        Per minute, as in `BREATHS`.
    respiration : float, optional
        Depth of breathing in baseline, height and intervals: 0 none, 1 as deep as it is drawn at most; default 0 to 1.
    noise : float, optional
        Standard deviation of the broad noise over that of the pulses, 0 to 2; default mostly below 0.15, at most 0.3.
    motion : float, optional
        Share of the time with motion, 0 to 1; default 0 for half of the recordings, else up to 0.5.
    faults : bool, optional
        True if the sensor may slip, stop and be clipped; default: each in 5 % of the recordings.
    inverted : bool
        True if light is recorded in place of absorption, so that pulses point down.
    """

    seconds: float = 30.0
    sfreq: float = 125.0
    site: str = "finger"
    rate: float | None = None
    rhythm: str | None = None
    breaths: float | None = None
    respiration: float | None = None
    noise: float | None = None
    motion: float | None = None
    faults: bool | None = None
    inverted: bool = False

    def __post_init__(self) -> None:
        check_range("seconds", self.seconds, 1, 3600)
        check_range("sfreq", self.sfreq, 20, 1000)
        check_range("rate", self.rate, 30, 220)
        check_range("breaths", self.breaths, *BREATHS)
        check_range("respiration", self.respiration, 0, 1)
        check_range("noise", self.noise, 0, 2)
        check_range("motion", self.motion, 0, 1)
        if self.rhythm is not None and self.rhythm not in RHYTHMS:
            raise UsageError(f"There is no simulated PPG rhythm '{self.rhythm}'; there are {', '.join(RHYTHMS)}.")


@dataclass(frozen=True, eq=False)
class PpgTruth:
    """Truth of a simulated PPG.

    Parameters
    ----------
    beats : Beats
        Timed by the steepest rise of each pulse; some lie before and after the recording, so that
        ``beats.rate_at(times)`` and ``beats.phase_at(times)`` hold for all of it.
    feet, peaks : ndarray, shape (N,)
        Seconds at which each pulse has 1 % of its height, and its highest point, one per beat.
    heights : ndarray, shape (N,)
        Height of each pulse; 1 is usual.
    rate : float
        Beats per minute: 60 over the median interval between beats inside the recording, over its mean where there are
        fewer than two.
    rhythm : str
    breaths : float
        Per minute.
    clean : ndarray of float64, shape (T,)
        The pulses alone, without breathing, noise and artefacts; not inverted.
    artefacts : list of Annotation
        Also among the recording's annotations.
    """

    beats: Beats
    feet: NDArray[np.float64]
    peaks: NDArray[np.float64]
    heights: NDArray[np.float64]
    rate: float
    rhythm: str
    breaths: float
    clean: NDArray[np.float64]
    artefacts: list[Annotation]


def ppg(seed: int, options: PpgOptions | None = None, **changes: Any) -> tuple[Recording, PpgTruth]:
    """Simulate a PPG.

    Parameters
    ----------
    seed : int
        The same seed and options give the same samples.
    options : PpgOptions, optional
    **changes
        Fields of `PpgOptions`: ``ppg(3, rate=70, motion=0)``.

    Returns
    -------
    recording : Recording
        One channel without unit; annotations "pulse" (from foot to next foot) and those of the artefacts; labels
        "rate", "rhythm" and "breaths".
    truth : PpgTruth

    Raises
    ------
    UsageError
        If an option is unknown or out of its range.
    """
    o = choose(options or PpgOptions(), changes)
    rng = generator(seed, "ppg")
    rate = o.rate or _draw_rate(rng)
    rhythm = o.rhythm or str(rng.choice(list(RHYTHMS), p=list(RHYTHMS.values())))
    breaths = o.breaths or bounded(rng, 16, 5, *BREATHS)
    depth = rng.uniform(0, 1) if o.respiration is None else o.respiration
    n_times = round(o.seconds * o.sfreq)
    times = np.arange(n_times) / o.sfreq

    beats = _draw_beats(rng, o, rate, rhythm, breaths, depth)
    shape = draw_shape(rng, rate)
    phase = rng.uniform(0, 2 * np.pi)
    starts = beats.times - shape.upstroke
    heights = _heights(rng, beats, rhythm) * (
        1 + 0.25 * depth * rng.random() * np.sin(2 * np.pi * breaths / 60 * beats.times + phase)
    )
    clean = pulse_train(shape, starts, heights, n_times, o.sfreq)
    size = float(clean.std()) or 1.0

    x = clean + size * 1.2 * depth * rng.random() * np.sin(2 * np.pi * breaths / 60 * times + phase + 1)
    x += size * rng.uniform(0, 0.5) * rng.random() * coloured_noise(rng, (1, n_times), o.sfreq, 1.5, (0.01, 0.15))[0]
    noise = 0.3 * rng.random() ** 2 if o.noise is None else o.noise
    x += size * noise * coloured_noise(rng, (1, n_times), o.sfreq, rng.uniform(0, 1), (0.3, 20.0))[0]
    found = _add_artefacts(rng, o, x, size)
    if o.inverted:
        x = -x

    inside = beats.within(0, o.seconds)
    rr = inside.rr if len(inside.times) > 1 else beats.rr
    truth = PpgTruth(
        beats=beats,
        feet=starts + shape.foot,
        peaks=starts + shape.peak,
        heights=heights,
        rate=float(60 / np.median(rr)),
        rhythm=rhythm,
        breaths=breaths,
        clean=clean,
        artefacts=found,
    )
    feet = truth.feet[:-1]
    pulses = [
        Annotation(float(foot), float(length), "pulse")
        for foot, length in zip(feet, np.diff(truth.feet), strict=True)
        if foot >= 0 and foot + length <= o.seconds
    ]
    stream = Stream(o.sfreq, (make_channel(o.site, "NU", "ppg"),), x[None].astype(np.float32), np.ones(1), np.zeros(1))
    recording = Recording(
        id=f"simulated-ppg-{seed}",
        streams=[stream],
        annotations=sorted([*pulses, *found], key=lambda mark: mark.onset),
        labels={"rate": truth.rate, "rhythm": rhythm, "breaths": breaths},
        notes=("Simulated by biosig.simulate.ppg.",),
    )
    return recording, truth


def _draw_rate(rng: np.random.Generator) -> float:
    if rng.random() < 0.5:
        return float(np.exp(rng.uniform(*np.log(RATES))))
    return float(np.exp(bounded(rng, np.log(80), 0.25, *np.log(RATES))))


def _draw_beats(
    rng: np.random.Generator, o: PpgOptions, rate: float, rhythm: str, breaths: float, depth: float
) -> Beats:
    if rhythm == "fibrillation":
        return fibrillation(rng, o.seconds, rate)
    beats = sinus(
        rng,
        o.seconds,
        rate,
        breaths,
        respiratory=0.08 * depth * rng.random(),
        slow=0.05 * rng.random() ** 2,
        scatter=rng.uniform(0.002, 0.03),
        trend=rng.uniform(-0.1, 0.1) * rng.random(),
    )
    if rhythm == "premature":
        beats = with_premature(rng, beats, rng.uniform(0.03, 0.3), str(rng.choice(["A", "V"])))
    return beats


def _heights(rng: np.random.Generator, beats: Beats, rhythm: str) -> NDArray[np.float64]:
    """Heights of the pulses (N,): the heart ejects what has flowed in since the beat before."""
    filling = beats.rr_before() / np.median(beats.rr)
    heights = np.clip(filling, 0.3, 1.6) ** rng.uniform(0.5, 1.3)
    heights = heights * np.where(beats.kinds == "V", rng.uniform(0.4, 0.9), 1.0)
    if rhythm == "alternans":
        heights[::2] *= rng.uniform(0.5, 0.9)
    return heights * np.exp(rng.uniform(0, 0.06) * rng.standard_normal(len(heights)))


def _add_artefacts(rng: np.random.Generator, o: PpgOptions, x: NDArray[np.float64], size: float) -> list[Annotation]:
    share = (rng.uniform(0, 0.5) if rng.random() < 0.5 else 0.0) if o.motion is None else o.motion
    marks = artefacts.add_motion(rng, x, o.sfreq, size, share) if share else []
    if o.motion is None and rng.random() < 0.1:
        marks += artefacts.add_cadence(rng, x, o.sfreq, size)
    chance = {None: 0.05, True: 0.6, False: 0.0}[o.faults]
    slip, flat, clipped = rng.random(3) < chance
    if slip:
        marks += artefacts.add_slip(rng, x, o.sfreq, size)
    if flat:
        marks += artefacts.add_flat(rng, x, o.sfreq)
    if clipped:
        marks += artefacts.add_clipping(rng, x, o.sfreq)
    return marks
