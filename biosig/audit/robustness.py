"""Robustness: the probe's score on windows with leads reordered, upside down, fewer, or with noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from biosig.audit.changed import Change, perturb
from biosig.audit.context import AuditContext
from biosig.audit.perturbations import flipped, noisy, reordered, with_fewer_leads
from biosig.audit.result import Finding

SAME = 1e-4
"""Largest difference over largest value of embeddings that must be equal: sums in another order."""

DECIBELS = (20, 10, 0)
SHARES = (0.5, 0.25)


def robustness(context: AuditContext) -> Iterator[Finding]:
    """Compare embeddings of reordered leads, and score a probe fitted on true windows and tested on perturbed ones."""
    yield _order(context)
    if not context.has_score:
        return
    changes: dict[str, tuple[str, Change]] = {"upside down": ("turned upside down", flipped)}
    changes |= {f"noise at {db} dB": (f"with white noise at {db} dB", noisy(db)) for db in DECIBELS}
    if any(len(names) > 1 for names in context.task.labelled.windows.ds.to_pandas()["ch_names"]):
        changes |= {
            f"{share:.0%} of leads": (f"with {share:.0%} of their leads", with_fewer_leads(share)) for share in SHARES
        }
    windows, seed = context.windows, context.config.seed
    tested = [context.embed(name, perturb(windows, change, seed)) for name, (_, change) in changes.items()]
    for (name, (what, _)), scored in zip(changes.items(), context.probe_others(context.features, tested), strict=True):
        holds = not context.is_below(scored)
        then = "as on true ones" if holds else f"on true ones {context.say(context.score)}"
        sentence = f"On windows {what} the probe scores {context.say(scored)}, {then}."
        yield Finding(
            name,
            scored.value,
            f"{context.score.value:.2f}",
            "ok" if holds else "warn",
            sentence,
            scored.low,
            scored.high,
        )


def _order(context: AuditContext) -> Finding:
    windows = perturb(context.windows, reordered, context.config.seed)
    other = context.embed("leads reordered", windows)
    true = context.features
    off = float(np.nanmax(np.abs(other - true)) / np.nanmax(np.abs(true)))
    same = off <= SAME and bool((np.isnan(other) == np.isnan(true)).all())
    sentence = f"With its leads in another order an embedding moves by {off:.1g} of the largest value"
    then = ", as it must." if same else ": the model reads the order of rows in a file."
    return Finding("leads in another order", off, f"< {SAME:g}", "ok" if same else "fail", sentence + then)
