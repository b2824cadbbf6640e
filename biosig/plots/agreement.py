"""Agreement of predicted numbers with true ones: one against the other, and their difference (Bland & Altman)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.plots.style import BLUE, GREY, INK, NORMAL, VERMILION, new_figure, tidy


def plot_agreement(
    truth: NDArray[np.float64],
    prediction: NDArray[np.float64],
    limits: tuple[float, float, float],
    title: str = "Agreement",
) -> Figure:
    """Draw predictions against the truth, and their differences over their mean.

    Parameters
    ----------
    truth, prediction : ndarray, shape (N,)
        In one unit.
    limits : tuple of float
        Bias, lower and upper limit of agreement (`biosig.evaluate.agreement`).
    title : str
        Stands above the picture.

    Raises
    ------
    DataError
        If there is no row.
    """
    if not len(truth):
        raise DataError("No window was scored, so there is no agreement to draw.")
    figure = new_figure(8.6, 3.7)
    left, right = figure.subplots(1, 2)
    ends = [min(truth.min(), prediction.min()), max(truth.max(), prediction.max())]
    left.plot(ends, ends, color=GREY, lw=1.1, ls="--", gid="equal")
    left.plot(truth, prediction, "o", color=BLUE, ms=3, alpha=0.5, mew=0, gid="rows", rasterized=True)
    left.set(xlabel="true", ylabel="predicted")
    right.plot((truth + prediction) / 2, prediction - truth, "o", color=BLUE, ms=3, alpha=0.5, mew=0, rasterized=True)
    for level, style in zip(limits, ("-", "--", "--"), strict=True):
        right.axhline(level, color=VERMILION, lw=1.2, ls=style, gid="limit")
    right.axhline(0, color=GREY, lw=0.8)
    right.set(xlabel="mean of true and predicted", ylabel="predicted − true")
    for ax in (left, right):
        tidy(ax)
        ax.grid(color="#ececec", lw=0.6, zorder=0)
    figure.suptitle(title, size=NORMAL, weight="bold", color=INK, x=0.01, ha="left")
    return figure
