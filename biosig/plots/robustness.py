"""Scores of one tuned model with fewer channels: a line over the inputs, best first or as configured."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from biosig.errors import DataError
from biosig.plots.scores import headline_metrics, metric_title
from biosig.plots.style import BLUE, GREY, INK, NORMAL, SMALL, VERMILION, new_figure, tidy

MODEL, CHANCE = "model", "chance"


def plot_robustness(table: pd.DataFrame, title: str = "One tuned model, fewer channels") -> Figure:
    """Draw one panel per headline metric: the model with everything and with each input, with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        Columns `method`, `metric`, `value`, `low`, `high`. The methods "model" and "model, NAME" are drawn in the
        table's order, "chance" as a dashed line, others not at all.
    title : str
        Stands above the picture.

    Raises
    ------
    DataError
        If no method is called "model, NAME".
    """
    shown = [method for method in dict.fromkeys(table["method"]) if method.split(",")[0] == MODEL]
    if len(shown) < 2:
        raise DataError("The score table has no method 'model, NAME': give the fine-tuning some inputs.")
    metrics = headline_metrics(table)
    figure = new_figure(0.6 + (0.9 + 0.5 * len(shown)) * len(metrics), 2.9)
    for metric, ax in zip(metrics, figure.subplots(1, len(metrics), squeeze=False)[0], strict=True):
        rows = table[table["metric"] == metric].set_index("method")
        for place, method in enumerate(shown):
            value, low, high = rows.loc[method, ["value", "low", "high"]]
            colour = VERMILION if method == MODEL else BLUE
            ax.plot([place, place], [low, high], color=colour, lw=2, solid_capstyle="butt", gid=f"{method} interval")
            ax.plot(place, value, "o", color=colour, ms=5.5, gid=method)
            ax.annotate(f"{value:.2f}", (place, value), (5, 2), textcoords="offset points", size=SMALL)
        if CHANCE in rows.index:
            ax.axhline(rows.loc[CHANCE, "value"], color=GREY, lw=1.1, ls="--", zorder=1, gid="chance line")
        names = ["all" if method == MODEL else method.partition(", ")[2] for method in shown]
        ax.set_xticks(range(len(shown)), names, rotation=45, ha="right")
        ax.set(xlim=(-0.5, len(shown) - 0.2), ylabel=metric_title(metric))
        tidy(ax)
        ax.grid(axis="y", color="#ececec", lw=0.6, zorder=0)
    figure.suptitle(title, size=NORMAL, weight="bold", color=INK, x=0.01, ha="left")
    return figure
