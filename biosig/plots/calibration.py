"""Calibration of probabilities, and the gain when uncertain cases are left to a person."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from biosig.errors import DataError
from biosig.plots.style import BLUE, GREY, INK, NORMAL, PALETTE, SMALL, new_figure, tidy


def plot_calibration(
    reliability: pd.DataFrame, risk: pd.DataFrame, class_names: Sequence[str], title: str = "Calibration"
) -> Figure:
    """Draw a reliability plot beside a risk–coverage curve.

    Parameters
    ----------
    reliability : DataFrame
        Columns `column`, `n`, `score`, `share` (`biosig.evaluate.calibration.reliability`).
    risk : DataFrame
        Columns `coverage`, `risk` (`biosig.evaluate.calibration.risk_coverage`).
    class_names : sequence of str
        Of the columns.
    title : str
        Stands above the picture.

    Returns
    -------
    Figure
        Left: a line per class on the diagonal of perfect calibration. Right: the share of wrong decisions among the
        surest.

    Raises
    ------
    DataError
        If a table has no rows.
    """
    if reliability.empty or risk.empty:
        raise DataError("No window was scored, so there is no calibration to draw.")
    figure = new_figure(8.6, 3.7)
    left, right = figure.subplots(1, 2)
    _draw_reliability(left, reliability, class_names)
    right.plot(risk["coverage"], risk["risk"], color=BLUE, lw=1.6, gid="risk")
    right.axhline(risk["risk"].iloc[-1], color=GREY, lw=1.1, ls="--", gid="risk of all")
    right.set(xlim=(0, 1), ylim=(0, None), xlabel="share of decisions taken, surest first", ylabel="share wrong")
    for ax in (left, right):
        tidy(ax)
        ax.grid(color="#ececec", lw=0.6, zorder=0)
    figure.suptitle(title, size=NORMAL, weight="bold", color=INK, x=0.01, ha="left")
    return figure


def _draw_reliability(ax: Axes, table: pd.DataFrame, class_names: Sequence[str]) -> None:
    ax.plot([0, 1], [0, 1], color=GREY, lw=1.1, ls="--", gid="perfect")
    for column, bins in table.groupby("column"):
        colour = PALETTE[int(column) % len(PALETTE)] if table["column"].nunique() > 1 else BLUE
        ax.plot(bins["score"], bins["share"], "o-", color=colour, ms=4, lw=1.2, label=class_names[int(column)],
                gid=class_names[int(column)])  # fmt: skip
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="what the model says", ylabel="how often it is true")
    ax.legend(fontsize=SMALL, frameon=False, loc="upper left")
