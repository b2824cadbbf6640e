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


def acquisition(context: AuditContext) -> Iterator[Finding]:
    """Score line frequency, gain and the other measures alone, then the model without line hum and at one gain."""
    groups = dict(context.measured.recording)
    if context.config.site:
        sites = recording_values(context.task.labelled.windows, context.config.site)
        groups[context.config.site] = (sites[:, None] == np.unique(sites)).astype(np.float64)
    groups = {name: features[:, _vary(features)] for name, features in groups.items()}
    level = 0.05 / max(sum(features.shape[1] > 0 for features in groups.values()), 1)  # Bonferroni's
    n_permutations = context.config.n_permutations
    if 1 / (1 + n_permutations) >= level:
        context.notes.append(
            f"{n_permutations} permutations cannot tell any way of recording from chance at p < {level:.2g}: set "
            f"n_permutations to {math.ceil(1 / level)} or more."
        )
    for name, features in groups.items():
        yield probe_measure_group(context, name, features, level)
    if context.has_score:
        yield _without(context, "score without line hum", "50 and 60 Hz notched out", notched)
        one = equal_gain(context.measured.scales)
        yield _without(context, "score at one gain", "all recordings brought to one gain", one)


def probe_measure_group(context: AuditContext, name: str, features: Floats, level: float) -> Finding:
    """Score a group of measures (N, F) alone, beside the model; it is above chance where p < `level`."""
    check, expected = f"{name} alone", f"{context.chance:.2f}"
    if not features.shape[1]:
        return Finding(check, context.chance, expected, "ok", f"All windows are alike in {name}.")
    alone, p = context.probe(features[None]), null_scores(context, features).p
    sentence = f"By {name} alone {context.title} is told with {context.say(alone)}"
    verdict: Verdict = "warn"
    if p >= level or alone.value <= context.chance:
        verdict, then = "ok", ", no better than chance"
    elif name in HIDDEN:
        then = ": windows do not show it, but classes were recorded differently"
    elif alone.value - context.chance < EXPLAINS * (context.score.value - context.chance):
        then = f", by the model with {context.say(context.score)}"
    else:
        verdict = "fail"
        then = f", by the model with {context.say(context.score)}: the score is no evidence of anything else"
    return Finding(check, alone.value, expected, verdict, f"{sentence}{then} (p = {p:.2g}).", alone.low, alone.high)


def _without(context: AuditContext, check: str, what: str, change: Change) -> Finding:
    """Score the probe fitted and tested on windows from which `change` removes a confound."""
    windows = perturb(context.windows, change, context.config.seed)
    left = context.probe(context.embed(check, windows))
    expected = f"{context.score.value:.2f}"
    verdict: Verdict = "ok"
    then = "it does not rest on that"
    if context.is_below(left):
        verdict, then = (
            ("warn", "part of it rests on that") if context.above_chance(left) else ("fail", "it rests on that")
        )
    sentence = f"With {what} the score is {context.say(left)}, before it was {context.say(context.score)}: {then}."
    return Finding(check, left.value, expected, verdict, sentence, left.low, left.high)


def _vary(features: Floats) -> NDArray[np.bool_]:
    """Mark the columns (F,) that differ between windows; a missing value counts as one more value."""
    known = np.isfinite(features)
    filled = np.where(known, features, np.inf)
    return (filled != filled[:1]).any(axis=0) & known.any(axis=0)
