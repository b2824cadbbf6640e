"""Choice of a heart's diagnoses, and the check that they fulfil their criteria in the noise-free twelve leads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biosig.electrodes import make_channel
from biosig.errors import UsageError
from biosig.features.ecg_axes import CHEST, LIMB
from biosig.features.ecg_scores import CRITERIA, evidence
from biosig.features.registry import features
from biosig.features.window import Window
from biosig.simulate.diagnoses import DIAGNOSES, GROUPS, Diagnosis
from biosig.simulate.ecg_body import Body, draw_body, montage
from biosig.simulate.ecg_heart import Heart, activity, healthy

TWELVE = (*LIMB, *CHEST)
SFREQ, BEATS = 250.0, 4
"""Sampling rate in Hz and number of the beats in which criteria are measured."""

FULFILLED = 0.6
"""Score that a criterion must reach without noise; 0.5 is the published threshold."""

NORMAL = 0.35
"""The same of a heart without diagnoses: the criterion multiplies nine scores, each of which is below 1."""

STEPS, STEP, TRIES = 5, 1.3, 10
"""Number and size of the steps by which severities are raised, and number of further hearts that are drawn."""


RR = (0.75, 1.1)
"""Seconds between the beats in which criteria are measured, at least and at most: at other rates P and T overlap."""


def noise_free(heart: Heart, body: Body, rr: float) -> Window:
    """A few beats of the twelve leads at an interval of `rr` seconds, within `RR`."""
    rr = min(max(rr, RR[0]), RR[1])
    onsets = rr * np.arange(BEATS, dtype=np.float64) + 0.45
    n_times = round((onsets[-1] + max(rr, 0.7)) * SFREQ)
    leads = montage([make_channel(name, "mV", "ecg") for name in TWELVE])
    vectors = np.array([wave.vector for wave in heart.waves.values()])
    field = leads.leads(body, np.array([wave.place for wave in heart.waves.values()]))
    x = np.einsum("lkx,kx->lk", field, vectors) @ activity(heart, onsets, np.full(BEATS, rr), n_times, SFREQ)
    return Window("ecg", x.astype(np.float32), SFREQ, TWELVE, "mV", True)


def scores(heart: Heart, body: Body, rr: float, names: Sequence[str]) -> list[float]:
    """Criteria by the names of their columns, 0 to 1, without noise."""
    features("ecg")  # registers the criteria
    found = evidence(noise_free(heart, body, rr))
    return [CRITERIA[name].score(found) for name in names]


def draw_diagnoses(rng: np.random.Generator, share_normal: float = 0.3) -> tuple[str, ...]:
    """Names of the diagnoses of one heart: none for a share of them, else each by its share, one a group."""
    if rng.random() < share_normal:
        return ()
    while True:
        chosen: dict[str, str] = {}
        for name in rng.permutation(list(DIAGNOSES)).tolist():
            if rng.random() < DIAGNOSES[name].share and DIAGNOSES[name].group not in chosen:
                chosen[DIAGNOSES[name].group] = name
        if chosen:
            return tuple(sorted(chosen.values()))


def check_diagnoses(names: Sequence[str]) -> list[Diagnosis]:
    """The diagnoses of some names, in the order in which they change a heart.

    Raises
    ------
    UsageError
        If a name is not known, or two are of one group.
    """
    chosen = [DIAGNOSES[name] for name in names]
    for group in GROUPS:
        same = [one.name for one in chosen if one.group == group]
        if len(same) > 1:
            raise UsageError(f"A simulated heart has one diagnosis of {group}, not {' and '.join(same)}: choose one.")
    return sorted(chosen, key=lambda one: GROUPS.index(one.group))


def diseased(
    rng: np.random.Generator, names: Sequence[str], rr: float, normal: bool, all_of_them: bool
) -> tuple[Heart, Body, dict[str, float]] | None:
    """A heart with some diagnoses in a body, severe enough that each criterion is fulfilled.

    Parameters
    ----------
    rng : numpy.random.Generator
    names : sequence of str
        Diagnoses.
    rr : float
        Seconds between beats at which the criteria are measured.
    normal : bool
        True if a heart without diagnoses must fulfil the criterion of a normal ECG.
    all_of_them : bool
        True if the heart must have all diagnoses; else one that hides behind the others is left out of it.

    Returns
    -------
    heart : Heart
    body : Body
    severities : dict of str to float
        About 1; how far each diagnosis was driven.
    None where no such heart was found.
    """
    chosen = check_diagnoses(names)
    for _ in range(TRIES):
        base, body = healthy(rng), draw_body(rng)
        severity = {one.name: rng.uniform(0.7, 1.5) for one in chosen}
        seeds = {one.name: int(rng.integers(2**31)) for one in chosen}
        while True:
            heart, lacking = _fulfil(base, body, rr, [one for one in chosen if one.name in severity], severity, seeds)
            if all_of_them or not lacking:
                break
            for name in lacking:
                del severity[name]
        if not lacking and (severity or not normal or scores(heart, body, rr, ["score_normal"])[0] >= NORMAL):
            return heart, body, severity
    return None


def _fulfil(
    base: Heart, body: Body, rr: float, chosen: list[Diagnosis], severity: dict[str, float], seeds: dict[str, int]
) -> tuple[Heart, list[str]]:
    """The heart with diagnoses, their severity raised in place until they show, and the names of those that do not."""
    lacking: list[str] = []
    for step in range(STEPS):
        heart = base.copy()
        for one in chosen:
            one.change(heart, np.random.default_rng(seeds[one.name]), severity[one.name])
        heart.finish()
        measured = scores(heart, body, rr, [one.criterion for one in chosen]) if chosen else []
        lacking = [one.name for one, score in zip(chosen, measured, strict=True) if not score >= FULFILLED]
        if not lacking or step == STEPS - 1:
            break
        for name in lacking:
            severity[name] *= STEP
    return heart, lacking
