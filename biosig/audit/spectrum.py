"""Spectral explanation of a score: band power alone, and signals without their 1/f slope.

Flattening cost up to 0.42 of balanced accuracy between sleep and waking and 0.32 to 0.36 on PTB-XL (arXiv:2606.08583).
The slope has physiological causes too, so these checks never fail a score; a claim about waveforms has to mention it.
"""

from __future__ import annotations

from collections.abc import Iterator

from biosig.audit.changed import perturb
from biosig.audit.context import AuditContext
from biosig.audit.perturbations import flattened
from biosig.audit.result import Finding


def spectrum(trial: AuditContext) -> Iterator[Finding]:
    """The probe on band power alone, and on embeddings of flattened signals."""
    if trial.has_score and trial.measured.spectrum.shape[1]:
        yield _band_power(trial)
        yield _flattened(trial)


def _band_power(trial: AuditContext) -> Finding:
    alone = trial.probe(trial.measured.spectrum[None])
    enough = trial.above_chance(alone) and alone.value >= trial.score.low
    sentence = f"Band power of each channel alone scores {trial.say(alone)}, the model {trial.say(trial.score)}"
    then = ": the score needs no more than the spectrum." if enough else "."
    return Finding(
        "band power alone",
        alone.value,
        f"< {trial.score.low:.2f}",
        "warn" if enough else "ok",
        sentence + then,
        alone.low,
        alone.high,
    )


def _flattened(trial: AuditContext) -> Finding:
    """The score without each window's slope, beside a tilt of the same size that leaves differences in."""
    windows, seed = trial.windows, trial.config.seed
    own = trial.probe(trial.embed("flattened", perturb(windows, flattened(), seed)))
    common = trial.probe(trial.embed("tilted", perturb(windows, flattened(trial.measured.slopes), seed)))
    rests = trial.above_chance(common) and own.high < common.value
    sentence = (
        f"With every window's 1/f slope taken out the score is {trial.say(own)}, with one slope taken out of all "
        f"{trial.say(common)}, before it was {trial.say(trial.score)}"
    )
    then = ": part of it is the slope." if rests else ": it does not rest on the slope."
    return Finding(
        "score without 1/f",
        own.value,
        f"{common.value:.2f}",
        "warn" if rests else "ok",
        sentence + then,
        own.low,
        own.high,
    )
