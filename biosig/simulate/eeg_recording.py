"""A simulated EEG: sources in a spherical head with rhythms over a 1/f background, eyes, muscle and amplifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import make_channel
from biosig.errors import UsageError
from biosig.recording import Annotation, Channel, Recording, Stream
from biosig.simulate.draws import check_range, choose, generator
from biosig.simulate.eeg_artefacts import BLINKS, blink_train, muscle
from biosig.simulate.eeg_head import CENTRE, lead_field, source_places
from biosig.simulate.eeg_sources import (
    EXPONENTS,
    SIZES,
    Oscillation,
    background,
    draw_oscillations,
    oscillate,
    spindles,
)

TEN_TWENTY = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2"
)  # fmt: skip

RMS = {"eyes_open": (5.0, 15.0), "eyes_closed": (5.0, 15.0), "sleep": (12.0, 35.0)}
"""µV: deviation of the median channel's background by state."""


@dataclass(frozen=True)
class EegOptions:
    """Choices for a simulated EEG; None is drawn.

    Parameters
    ----------
    seconds : float
        Length, 2 to 3600.
    sfreq : float
        Sampling rate in Hz, 50 to 2000.
    channels : sequence of str or Channel
        Electrodes of the 10-05 system, or channels with a position.
    state : str, optional
        "eyes_open", "eyes_closed" or "sleep" (light, with spindles); default each as often.
    exponent : float, optional
        Of the background's fall, 0 to 4; default by state.
    alpha : float, optional
        Frequency of the alpha rhythm in Hz, 6 to 14; default about 10.
    rhythms : float
        Size of the rhythms, 0 to 5: 0 leaves the background alone, 1 as in `biosig.simulate.eeg_sources.SIZES`.
    rms : float, optional
        Deviation of the median channel's background in µV, 1 to 100; default as in `RMS`.
    blinks : float, optional
        Per minute, 0 to 60; default 6 to 30 with open eyes, else 0.
    muscle : float, optional
        µV over a muscle, 0 to 200; default mostly below 5, at most 25.
    noise : float
        µV of the amplifier, 0 to 50.
    """

    seconds: float = 30.0
    sfreq: float = 250.0
    channels: Sequence[str | Channel] = TEN_TWENTY
    state: str | None = None
    exponent: float | None = None
    alpha: float | None = None
    rhythms: float = 1.0
    rms: float | None = None
    blinks: float | None = None
    muscle: float | None = None
    noise: float = 0.3

    def __post_init__(self) -> None:
        check_range("seconds", self.seconds, 2, 3600)
        check_range("sfreq", self.sfreq, 50, 2000)
        check_range("exponent", self.exponent, 0, 4)
        check_range("alpha", self.alpha, 6, 14)
        check_range("rhythms", self.rhythms, 0, 5)
        check_range("rms", self.rms, 1, 100)
        check_range("blinks", self.blinks, 0, 60)
        check_range("muscle", self.muscle, 0, 200)
        check_range("noise", self.noise, 0, 50)
        if self.state is not None and self.state not in SIZES:
            raise UsageError(f"There is no simulated EEG state '{self.state}'; there are {', '.join(SIZES)}.")


@dataclass(frozen=True, eq=False)
class EegTruth:
    """Truth of a simulated EEG.

    Parameters
    ----------
    state : str
    exponent : float
        Of the background's power 1 / f ** exponent, the same for all sources.
    oscillations : list of Oscillation
    spindles : list of tuple
        Onset and duration in seconds, and frequency in Hz.
    places : ndarray, shape (S, 3)
        Metres in the head frame.
    directions : ndarray, shape (S, 3)
        Unit vectors of the dipoles.
    activity : ndarray of float32, shape (S, T)
        nA·m of each source.
    field : ndarray, shape (C, S)
        µV per nA·m, average reference: ``field @ activity`` is the EEG without eyes, muscle and amplifier.
    artefacts : list of Annotation
        Blinks and bursts of muscle, also among the recording's annotations.
    """

    state: str
    exponent: float
    oscillations: list[Oscillation]
    spindles: list[tuple[float, float, float]]
    places: NDArray[np.float64]
    directions: NDArray[np.float64]
    activity: NDArray[np.float32]
    field: NDArray[np.float64]
    artefacts: list[Annotation]


def eeg(seed: int, options: EegOptions | None = None, **changes: Any) -> tuple[Recording, EegTruth]:
    """Simulate an EEG, average reference.

    Parameters
    ----------
    seed : int
        The same seed and options give the same samples.
    options : EegOptions, optional
    **changes
        Fields of `EegOptions`: ``eeg(3, state="eyes_closed", alpha=9.5)``.

    Returns
    -------
    recording : Recording
        Annotations "spindle", "blink" and "muscle …"; labels "state", "exponent" and, where there is one, "alpha".
    truth : EegTruth

    Raises
    ------
    UsageError
        If an option is unknown or out of its range, or a channel has no position.
    """
    o = choose(options or EegOptions(), changes)
    rng = generator(seed, "eeg")
    channels = [one if isinstance(one, Channel) else make_channel(one, "uV", "eeg") for one in o.channels]
    gain = lead_field(channels)  # (C, S + 2, 3)
    gain = gain - gain.mean(0)
    n_times = round(o.seconds * o.sfreq)
    state = o.state or str(rng.choice(list(SIZES)))
    exponent = rng.uniform(*EXPONENTS[state]) if o.exponent is None else o.exponent

    places = source_places()
    outwards = (places - CENTRE) / np.linalg.norm(places - CENTRE, axis=1, keepdims=True)
    directions = outwards + 0.5 * rng.standard_normal(places.shape)  # the cortex is folded
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    field = np.einsum("csx,sx->cs", gain[:, : len(places)], directions)

    activity = background(rng, n_times, o.sfreq, exponent)
    rms = rng.uniform(*RMS[state]) if o.rms is None else o.rms
    usual = max(float(np.median((field @ activity).std(1))), 1e-12)
    unit = rms / usual
    oscillations = draw_oscillations(rng, state, o.alpha, o.rhythms)
    for one in oscillations:
        wave = oscillate(rng, one, n_times, o.sfreq)
        largest = max(float((field[:, one.sources] @ wave).std(1).max()), 1e-12)
        activity[one.sources] += one.size * usual / largest * wave
    events: list[tuple[float, float, float]] = []
    if state == "sleep" and o.rhythms:
        some, wave, events = spindles(rng, n_times, o.sfreq)
        largest = max(float(np.abs(field[:, some].sum(1)).max()), 1e-12)
        activity[some] += rng.uniform(1.0, 2.0) * usual / largest * wave
    nanoamperes = (unit * activity).astype(np.float32)

    x = field @ nanoamperes
    found = _add_artefacts(x, rng, o, state, channels, gain[:, len(places) :].sum(1))

    truth = EegTruth(state, exponent, oscillations, events, places, directions, nanoamperes, field, found)
    marks = [*found, *(Annotation(onset, length, "spindle") for onset, length, _ in events)]
    labels: dict[str, Any] = {"state": state, "exponent": exponent}
    labels |= {one.name: one.frequency for one in oscillations if one.name == "alpha"}
    n = len(channels)
    recording = Recording(
        id=f"simulated-eeg-{seed}",
        streams=[Stream(o.sfreq, tuple(channels), x.astype(np.float32), np.ones(n), np.zeros(n))],
        annotations=sorted(marks, key=lambda mark: mark.onset),
        labels=labels,
        notes=("Simulated by biosig.simulate.eeg, average reference.",),
    )
    return recording, truth


def _add_artefacts(
    x: NDArray[np.float64],
    rng: np.random.Generator,
    o: EegOptions,
    state: str,
    channels: Sequence[Channel],
    eyes: NDArray[np.float64],
) -> list[Annotation]:
    """Add blinks, muscle and the amplifier's noise to `x` (C, T) in place; gives the annotations of the artefacts.

    `eyes` (C, 3) is the lead field of both eyes together.
    """
    n_times = x.shape[1]
    blinks = o.blinks if o.blinks is not None else (rng.uniform(*BLINKS) if state == "eyes_open" else 0.0)
    found: list[Annotation] = []
    if blinks:
        lids, found = blink_train(rng, n_times, o.sfreq, blinks)
        upwards = eyes @ np.array([0.0, 0.45, 0.9])
        largest = max(float(np.abs(upwards).max()), 1e-12)
        x += (rng.uniform(80, 250) / largest * upwards)[:, None] * lids
    tension = 25 * rng.random() ** 3 if o.muscle is None else o.muscle
    if tension:
        tense, bursts = muscle(rng, channels, n_times, o.sfreq, tension)
        x += tense - tense.mean(0)
        found += bursts
    x += o.noise * rng.standard_normal(x.shape)
    return found
