"""Mixup: windows of a batch are averaged in pairs, and so are their labels (Zhang 2018, arXiv:1710.09412, section 2).

The weight is drawn once per batch, uniform in (0, 1), as in REVE's released code (arXiv:2510.21585). Signals are mixed
as the model receives them; positions are not, so partners have one layout. Shape letter: B windows of a batch.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from biosig.batches.contract import PreparedStream


@dataclass(frozen=True, slots=True)
class MixupDraw:
    """Weight and partners that mix one batch: x ← weight · x + (1 - weight) · x[partner]."""

    weight: float
    partner: NDArray[np.int64]  # (B,)


def draw(layouts: Sequence[Hashable], rng: np.random.Generator) -> MixupDraw:
    """Draw a weight, and for each window a partner of the same layout; a window with layout None stays as it is."""
    partner = np.arange(len(layouts))
    groups: dict[Hashable, list[int]] = {}
    for i, layout in enumerate(layouts):
        if layout is not None:
            groups.setdefault(layout, []).append(i)
    for members in groups.values():
        partner[members] = rng.permutation(members)
    return MixupDraw(float(rng.uniform()), partner)


def mixed(windows: Sequence[Sequence[PreparedStream]], mix: MixupDraw) -> list[list[PreparedStream]]:
    """The windows of a batch, each averaged with its partner."""
    return [
        [_average(a, b, mix.weight) for a, b in zip(window, windows[other], strict=True)] if other != i else [*window]
        for i, (window, other) in enumerate(zip(windows, mix.partner.tolist(), strict=True))
    ]


def _average(a: PreparedStream, b: PreparedStream, weight: float) -> PreparedStream:
    values = np.float32(weight) * a.values + np.float32(1 - weight) * b.values
    scale = a.scale
    if isinstance(a.scale, float) and isinstance(b.scale, float) and min(a.scale, b.scale) > 0:
        scale = a.scale**weight * b.scale ** (1 - weight)  # the model reads its logarithm
    return replace(a, values=values, scale=scale)
