"""One look for every picture: a palette that survives colour blindness and grey printing, and plain figures.

Figures are made without pyplot, so that drawing one leaves no global state and opens no window.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

INK = "#1b1b1b"
GREY = "#6b6b6b"
PALE = "#d9d9d9"
INVALID = "#b8b8b8"
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#56B4E9"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)
"""Okabe and Ito, "Color Universal Design" (2008), with a darker purple so that it holds on white paper."""

SMALL, NORMAL, LARGE = 8.0, 9.0, 11.0
"""Font sizes in points."""

UNIT_SIGNS = {"uV": "µV", "NU": "a.u.", "": "a.u."}


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure; `width` and `height` in inches."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def tidy(ax: Axes, left: bool = True) -> None:
    """Take away the frame's upper and right side (and the left one on request), and set the small font."""
    for side in ("top", "right", *(() if left else ("left",))):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize=SMALL, colors=INK, length=3 if left else 0)
    ax.tick_params(axis="x", length=3)
    ax.xaxis.label.set_fontsize(NORMAL)
    ax.yaxis.label.set_fontsize(NORMAL)


def unit_sign(unit: str) -> str:
    """A unit as it is printed: µV for uV, a.u. where the source has arbitrary units."""
    return UNIT_SIGNS.get(unit, unit)


def round_amount(amount: float) -> float:
    """The largest of 1, 2, 5 × 10ⁿ that is not above `amount`: what a scale bar stands for."""
    if not np.isfinite(amount) or amount <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(amount))
    return float(max(step for step in (1.0, 2.0, 5.0) if step * power <= amount * (1 + 1e-9)) * power)


def spans(flags: NDArray[np.bool_]) -> Iterable[tuple[int, int]]:
    """Runs of True in a vector, as (start, stop) with stop excluded."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
