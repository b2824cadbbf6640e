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


def spectrum(context: AuditContext) -> Iterator[Finding]:
    """The probe on band power alone, and on embeddings of flattened signals."""
    if context.has_score and context.measured.spectrum.shape[1]:
        yield _band_power(context)
        yield _flattened(context)


def _band_power(context: AuditContext) -> Finding:
    alone = context.probe(context.measured.spectrum[None])
    enough = context.above_chance(alone) and alone.value >= context.score.low
    sentence = f"Band power of each channel alone scores {context.say(alone)}, the model {context.say(context.score)}"
    then = ": the score needs no more than the spectrum." if enough else "."
    return Finding(
        "band power alone",
        alone.value,
        f"< {context.score.low:.2f}",
        "warn" if enough else "ok",
        sentence + then,
        alone.low,
        alone.high,
    )


def _flattened(context: AuditContext) -> Finding:
    """The score without each window's slope, beside a tilt of the same size that leaves differences in."""
    windows, seed = context.windows, context.config.seed
    own = context.probe(context.embed("flattened", perturb(windows, flattened(), seed)))
    common = context.probe(context.embed("tilted", perturb(windows, flattened(context.measured.slopes), seed)))
    rests = context.above_chance(common) and own.high < common.value
    sentence = (
        f"With every window's 1/f slope taken out the score is {context.say(own)}, with one slope taken out of all "
        f"{context.say(common)}, before it was {context.say(context.score)}"
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
