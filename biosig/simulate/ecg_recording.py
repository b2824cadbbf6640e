"""A simulated ECG: a heart of moving dipoles in a torso, a rhythm, breathing, electrodes and their noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import make_channel
from biosig.errors import UsageError
from biosig.recording import Annotation, Channel, Recording, Stream
from biosig.simulate.draws import bounded, check_range, choose, coloured_noise, generator
from biosig.simulate.ecg_artefacts import draw_noise, electrode_noise
from biosig.simulate.ecg_body import Body, Montage, montage
from biosig.simulate.ecg_criteria import TWELVE, check_diagnoses, diseased, draw_diagnoses
from biosig.simulate.ecg_heart import ATRIUM_RIGHT, Heart, activity, ectopic
from biosig.simulate.ecg_rhythms import RHYTHMS, Rhythm
from biosig.simulate.rhythm import Beats

LUNGS = np.array([0.0, 0.006, 0.0])
"""Metres by which the heart moves to the feet at full inspiration, of a breath at rest (Shechter, Resar & McVeigh, IEEE
TMI 2006; 25:369 found 5 to 10 mm)."""

FIBRILLATION = (4.0, 9.0)
"""Hz of fibrillating atria (Stridh & Sörnmo, IEEE TBME 2001; 48:105)."""

FAST = 0.52
"""Seconds between beats below which QT is shorter than by the rate alone: what drives such rates shortens it."""

ATTEMPTS = 3
"""Number of times that diagnoses and hearts are drawn anew where none was found."""


@dataclass(frozen=True)
class EcgOptions:
    """Choices for a simulated ECG; None is drawn.

    Parameters
    ----------
    seconds : float
        Length, 5 to 3600.
    sfreq : float
        Sampling rate in Hz, 50 to 2000.
    leads : sequence of str or Channel
        Names of leads with a place ("II", "V3R", "X", "MLII", "strap"), or channels with position and reference.
    rate : float, optional
        Beats per minute, 30 to 220; default by rhythm.
    rhythm : str, optional
        One of `biosig.simulate.ecg_rhythms.RHYTHMS`; default by their shares.
    diagnoses : sequence of str, optional
        Of `biosig.simulate.diagnoses.DIAGNOSES`, at most one a group; ``()`` is a normal heart; default: none in three
        of ten recordings, else by their shares.
    breaths : float, optional
        Per minute, 5 to 36; default about 16.
    noise : float
        Size of wander, muscle, mains and movement: 0 none, 1 mostly a clean tracing at rest.
    """

    seconds: float = 10.0
    sfreq: float = 500.0
    leads: Sequence[str | Channel] = TWELVE
    rate: float | None = None
    rhythm: str | None = None
    diagnoses: Sequence[str] | None = None
    breaths: float | None = None
    noise: float = 1.0

    def __post_init__(self) -> None:
        check_range("seconds", self.seconds, 5, 3600)
        check_range("sfreq", self.sfreq, 50, 2000)
        check_range("rate", self.rate, 30, 220)
        check_range("breaths", self.breaths, 5, 36)
        check_range("noise", self.noise, 0, 10)
        if self.rhythm is not None:
            RHYTHMS[self.rhythm]
        check_diagnoses(self.diagnoses or ())


@dataclass(frozen=True, eq=False)
class EcgTruth:
    """Truth of a simulated ECG.

    Parameters
    ----------
    beats : Beats
        Timed by the QRS's onset; some lie before and after the recording.
    rate : float
        Beats per minute: 60 over the median interval between beats inside the recording.
    rhythm : str
    diagnoses : dict of str to float
        Name → severity.
    criteria : dict of str to str
        Criteria of the rhythm and of each diagnosis: name → column of `biosig.features`.
    pr, qrs, qt : float
        Intervals of the conducted beats in ms, from the exact limits of the waves: QT at the median interval, PR NaN
        where there is no P wave.
    heart : Heart
        The conducted beats' waves.
    body : Body
    clean : ndarray of float64, shape (C, T)
        mV without noise.
    """

    beats: Beats
    rate: float
    rhythm: str
    diagnoses: dict[str, float]
    criteria: dict[str, str]
    pr: float
    qrs: float
    qt: float
    heart: Heart
    body: Body
    clean: NDArray[np.float64]


def ecg(seed: int, options: EcgOptions | None = None, **changes: Any) -> tuple[Recording, EcgTruth]:
    """Simulate an ECG.

    Parameters
    ----------
    seed : int
        The same seed and options give the same samples.
    options : EcgOptions, optional
    **changes
        Fields of `EcgOptions`: ``ecg(3, diagnoses=["left_bundle_branch_block"], leads=["I", "strap"])``.

    Returns
    -------
    recording : Recording
        Annotations "N", "A" or "V" at each beat's onset (its duration that of the QRS), "P" and "T" waves, and
        movements; labels "rate", "rhythm" and "diagnoses".
    truth : EcgTruth

    Raises
    ------
    UsageError
        If an option is unknown or out of its range, a lead has no place, or diagnoses cannot be had together.
    """
    o = choose(options or EcgOptions(), changes)
    rng = generator(seed, "ecg")
    channels = [lead if isinstance(lead, Channel) else make_channel(lead, "mV", "ecg") for lead in o.leads]
    electrodes = montage(channels)
    names = list(RHYTHMS)
    shares = np.array([RHYTHMS[name].share for name in names])
    chosen = RHYTHMS[o.rhythm or str(rng.choice(names, p=shares / shares.sum()))]
    rate = o.rate or bounded(rng, *chosen.rate)
    breaths = o.breaths or bounded(rng, 16, 4, 8, 30)
    heart, body, severities = _draw_heart(rng, o, chosen, 60 / rate)
    beats = chosen.make(rng, o.seconds, rate, breaths)
    inside = beats.within(0, o.seconds)
    rr = inside.rr if len(inside.times) > 1 else beats.rr

    n_times = round(o.seconds * o.sfreq)
    lungs = np.sin(2 * np.pi * breaths / 60 * np.arange(n_times) / o.sfreq + rng.uniform(0, 6.3))
    clean, marks = _draw_beats(rng, o, heart, body, electrodes, beats, lungs)
    if chosen.atria == "fibrillating":
        field = electrodes.leads(body, np.array([ATRIUM_RIGHT]))[:, 0]
        clean += field @ _fibrillating(rng, n_times, o.sfreq)
    disturbed, moved = electrode_noise(rng, draw_noise(rng, o.noise), electrodes.names, n_times, o.sfreq, breaths)
    x = clean + electrodes.weights @ disturbed

    p, qrs = heart.limits("P"), heart.limits("QRS")
    truth = EcgTruth(
        beats=beats,
        rate=float(60 / np.median(rr)),
        rhythm=chosen.name,
        diagnoses=severities,
        criteria={chosen.name: chosen.criterion}
        | {one.name: one.criterion for one in check_diagnoses(list(severities))},
        pr=-1000 * p[0],
        qrs=1000 * qrs[1],
        qt=1000 * float(heart.qt(np.median(rr))),
        heart=heart,
        body=body,
        clean=clean,
    )
    n = len(channels)
    recording = Recording(
        id=f"simulated-ecg-{seed}",
        streams=[Stream(o.sfreq, tuple(channels), x.astype(np.float32), np.ones(n), np.zeros(n))],
        annotations=sorted([*marks, *moved], key=lambda mark: mark.onset),
        labels={"rate": truth.rate, "rhythm": chosen.name, "diagnoses": sorted(severities)},
        notes=("Simulated by biosig.simulate.ecg.",),
    )
    return recording, truth


def _draw_beats(
    rng: np.random.Generator,
    o: EcgOptions,
    heart: Heart,
    body: Body,
    electrodes: Montage,
    beats: Beats,
    lungs: NDArray[np.float64],
) -> tuple[NDArray[np.float64], list[Annotation]]:
    """The beats in each lead in mV (C, T), and the annotations of their waves; `lungs` (T,) is the breath, -1 to 1."""
    clean = np.zeros((len(electrodes.weights), len(lungs)))
    marks: list[Annotation] = []
    for kind in np.unique(beats.kinds).tolist():
        one = _heart_of(rng, heart, kind)
        some = beats.kinds == kind
        onsets, before = beats.times[some], beats.rr_before()[some]
        sizes = activity(one, onsets, before, len(lungs), o.sfreq)
        vectors = np.array([wave.vector for wave in one.waves.values()])
        places = np.array([wave.place for wave in one.waves.values()])
        out, full = (
            np.einsum("lkx,kx->lk", electrodes.leads(body, places + way * LUNGS), vectors) for way in (0.0, 1.0)
        )
        clean += out @ sizes + (full - out) @ sizes * lungs
        marks += _marks(one, kind, onsets, before, o.seconds)
    return clean, marks


def _draw_heart(
    rng: np.random.Generator, o: EcgOptions, chosen: Rhythm, rr: float
) -> tuple[Heart, Body, dict[str, float]]:
    """A heart, its body and the severity of its diagnoses, such that those fulfil their criteria."""
    for _ in range(ATTEMPTS):
        drawn = () if chosen.wide else draw_diagnoses(rng)
        names = drawn if o.diagnoses is None else tuple(o.diagnoses)
        if chosen.atria != "sinus" or chosen.wide:
            needs_p = [one.name for one in check_diagnoses(names) if one.group in ("pr", "atria") or chosen.wide]
            needs_p += [name for name in names if name == "preexcitation"]
            if needs_p and o.diagnoses is not None:
                raise UsageError(f"{', '.join(needs_p)} cannot be seen in {chosen.name}: choose another rhythm.")
            names = tuple(name for name in names if name not in needs_p)
        found = diseased(rng, names, rr, normal=not chosen.wide, all_of_them=o.diagnoses is not None)
        if found is not None:
            heart, body, severities = found
            if rr < FAST:
                heart.qtc *= 0.83
            if chosen.wide:
                heart = ectopic(rng, heart)
            elif chosen.atria != "sinus":
                heart.waves = {name: wave for name, wave in heart.waves.items() if wave.part != "P"}
            return heart, body, severities
    raise UsageError(
        f"No heart was found in which {', '.join(o.diagnoses or ()) or 'nothing is abnormal'} can be seen at "
        f"{60 / rr:.0f} beats per minute: ask for fewer diagnoses, or another rate."
    )


def _heart_of(rng: np.random.Generator, heart: Heart, kind: str) -> Heart:
    """The beats of one kind: the usual one, one of a ventricle, or one with a P wave from elsewhere."""
    if kind == "V":
        return ectopic(rng, heart)
    if kind == "A":
        other = heart.copy()
        for name, wave in heart.waves.items():
            if wave.part == "P":
                other.change(name, vector=wave.vector * rng.uniform(-1.2, 1.0, 3))
        return other
    return heart


def _marks(
    heart: Heart, kind: str, onsets: NDArray[np.float64], before: NDArray[np.float64], seconds: float
) -> list[Annotation]:
    """Beats, P and T waves that lie inside the recording as a whole."""
    p, qrs, t = heart.limits("P"), heart.limits("QRS"), heart.limits("T")
    marks = []
    for onset, qt in zip(onsets.tolist(), heart.qt(before).tolist(), strict=True):
        limits = (
            (kind, 0.0, qrs[1]),
            ("P", *p),
            ("T", max(qt * (1 + t[0] / heart.qtc), qrs[1]), qt * (1 + t[1] / heart.qtc)),
        )
        for label, first, last in limits:
            if onset + first >= 0 and onset + last <= seconds:  # False for NaN
                marks.append(Annotation(onset + first, last - first, label))
    return marks


def _fibrillating(rng: np.random.Generator, n_times: int, sfreq: float) -> NDArray[np.float64]:
    """The vector of fibrillating atria in mV, shape (3, T): a saw tooth whose rate and size wander."""
    rate = rng.uniform(*FIBRILLATION) + 0.4 * coloured_noise(rng, (1, n_times), sfreq, 0.0, (0.0, 0.6))[0]
    phase = 2 * np.pi * np.cumsum(rate) / sfreq
    size = (
        0.05 * np.exp(0.4 * rng.standard_normal()) * (1 + 0.3 * coloured_noise(rng, (3, n_times), sfreq, 0, (0, 0.5)))
    )
    direction = np.array([0.4, 0.8, -0.9]) + 0.3 * rng.standard_normal(3)
    tooth = sum(np.sin(n * (phase + 0.3 * np.arange(3)[:, None])) / n for n in (1, 2, 3))
    return size * direction[:, None] * tooth
