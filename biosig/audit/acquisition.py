"""Acquisition confounds: a check whether sampling rate, gain, line noise or length of the recording predict the class.

The probe that scores the embeddings is fitted to each group of measures. The audit fails where a group scores as well
as the model and is visible in a window; a group that windows hide, such as the recording's length, gives a warning.
Permuted labels decide if a group is above chance: a bootstrap over few people would say so too easily.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from biosig.audit.changed import Change, perturb
from biosig.audit.context import AuditContext
from biosig.audit.permutation import null_scores
from biosig.audit.perturbations import equal_gain, notched
from biosig.audit.result import Finding, Verdict
from biosig.downstream.data.splits import recording_values
from biosig.evaluate.metrics import Floats

HIDDEN = ("recording length and window count", "time in the recording")
"""Measures that are invisible in a window, but may come with something that a model can see there."""

EXPLAINS = 0.9
"""Share of the model's score above chance that measures of the recording alone must reach to explain it."""


def acquisition(trial: AuditContext) -> Iterator[Finding]:
    """Score line frequency, gain and the other measures alone, then the model without line hum and at one gain."""
    groups = dict(trial.measured.recording)
    if trial.config.site:
        sites = recording_values(trial.task.labelled.windows, trial.config.site)
        groups[trial.config.site] = (sites[:, None] == np.unique(sites)).astype(np.float64)
    groups = {name: features[:, _vary(features)] for name, features in groups.items()}
    level = 0.05 / max(sum(features.shape[1] > 0 for features in groups.values()), 1)  # Bonferroni's
    n_permutations = trial.config.n_permutations
    if 1 / (1 + n_permutations) >= level:
        trial.notes.append(
            f"{n_permutations} permutations cannot tell any way of recording from chance at p < {level:.2g}: set "
            f"n_permutations to {math.ceil(1 / level)} or more."
        )
    for name, features in groups.items():
        yield probe_measure_group(trial, name, features, level)
    if trial.has_score:
        yield _without(trial, "score without line hum", "50 and 60 Hz notched out", notched)
        one = equal_gain(trial.measured.scales)
        yield _without(trial, "score at one gain", "all recordings brought to one gain", one)


def probe_measure_group(trial: AuditContext, name: str, features: Floats, level: float) -> Finding:
    """Score a group of measures (N, F) alone, beside the model; it is above chance where p < `level`."""
    check, expected = f"{name} alone", f"{trial.chance:.2f}"
    if not features.shape[1]:
        return Finding(check, trial.chance, expected, "ok", f"All windows are alike in {name}.")
    alone, p = trial.probe(features[None]), null_scores(trial, features).p
    sentence = f"By {name} alone {trial.title} is told with {trial.say(alone)}"
    verdict: Verdict = "warn"
    if p >= level or alone.value <= trial.chance:
        verdict, then = "ok", ", no better than chance"
    elif name in HIDDEN:
        then = ": windows do not show it, but classes were recorded differently"
    elif alone.value - trial.chance < EXPLAINS * (trial.score.value - trial.chance):
        then = f", by the model with {trial.say(trial.score)}"
    else:
        verdict = "fail"
        then = f", by the model with {trial.say(trial.score)}: the score is no evidence of anything else"
    return Finding(check, alone.value, expected, verdict, f"{sentence}{then} (p = {p:.2g}).", alone.low, alone.high)


def _without(trial: AuditContext, check: str, what: str, change: Change) -> Finding:
    """Score the probe fitted and tested on windows from which `change` removes a confound."""
    windows = perturb(trial.windows, change, trial.config.seed)
    left = trial.probe(trial.embed(check, windows))
    expected = f"{trial.score.value:.2f}"
    verdict: Verdict = "ok"
    then = "it does not rest on that"
    if trial.is_below(left):
        verdict, then = (
            ("warn", "part of it rests on that") if trial.above_chance(left) else ("fail", "it rests on that")
        )
    sentence = f"With {what} the score is {trial.say(left)}, before it was {trial.say(trial.score)}: {then}."
    return Finding(check, left.value, expected, verdict, sentence, left.low, left.high)


def _vary(features: Floats) -> NDArray[np.bool_]:
    """Mark the columns (F,) that differ between windows; a missing value counts as one more value."""
    known = np.isfinite(features)
    filled = np.where(known, features, np.inf)
    return (filled != filled[:1]).any(axis=0) & known.any(axis=0)
