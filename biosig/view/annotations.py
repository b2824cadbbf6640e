"""Annotations of a stretch, as many as a page can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from biosig.recording import Annotation

APART = 2.0
"""Pixels below which annotations are drawn as one with their number."""

NEAR = 1000
"""Most annotations that are sent one by one."""


def within(all_of_them: Sequence[Annotation], start: float, stop: float, step: float) -> dict[str, Any]:
    """Annotations that touch `start` to `stop` (s), those closer than two pixels of `step` s merged.

    Returns
    -------
    dict
        `annotations`: onset, duration, label and `n`, how many were merged; `before` and `after`: onsets of the nearest
        ones outside, or None.
    """
    touching = sorted(
        (a for a in all_of_them if a.onset < stop and a.onset + a.duration >= start), key=lambda a: (a.onset, a.label)
    )
    merged: list[dict[str, Any]] = []
    for a in touching:
        last = merged[-1] if merged else None
        if last and len(touching) > NEAR // 10 and a.onset - last["onset"] < APART * step:
            last["n"] += 1
            last["duration"] = max(last["duration"], a.onset + a.duration - last["onset"])
            last["label"] = f"{last['n']} annotations"
        else:
            merged.append({"onset": a.onset, "duration": a.duration, "label": a.label, "n": 1})
    return {
        "annotations": merged,
        "before": max((a.onset for a in all_of_them if a.onset < start), default=None),
        "after": min((a.onset for a in all_of_them if a.onset >= stop), default=None),
    }
