"""Values with their intervals, one under the other: differences between methods, and scores by group of people."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from biosig.downstream.baseline import method_title
from biosig.errors import DataError
from biosig.evaluate.intervals import FEW_SUBJECTS
from biosig.evaluate.metrics import METRICS
from biosig.plots.scores import headline_metrics, metric_title
from biosig.plots.style import BLUE, GREY, INK, NORMAL, SMALL, VERMILION, new_figure, tidy

ATTRIBUTES = {"age_band": "age", "n_leads": "leads", "quality": "signal"}


def plot_differences(table: pd.DataFrame, title: str = "What the model adds") -> Figure:
    """Draw the model's lead over each other method, a panel per headline metric, with the line of no difference.

    Parameters
    ----------
    table : DataFrame
        Columns `method` (which the model is compared with), `metric`, `value`, `low`, `high`: model minus method
        (`biosig.downstream.results.scores.differences`).
    title : str
        Stands above the picture.

    Raises
    ------
    DataError
        If the table has no rows.
    """
    if table.empty:
        raise DataError("There is nothing to compare the model with: name a baseline, or a second run.")
    metrics, methods = headline_metrics(table), list(dict.fromkeys(table["method"]))
    figure = new_figure(2.0 + 3.4 * len(metrics), 1.2 + 0.3 * len(methods))
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    for metric, ax in zip(metrics, axes, strict=True):
        rows = table[table["metric"] == metric].set_index("method").reindex(methods)
        _draw(ax, [f"− {method_title(name)}" for name in methods], rows, 0.0)
        better = "right" if metric not in METRICS or METRICS[metric].higher_is_better else "left"
        ax.set_xlabel(f"{metric_title(metric)}: model − other ({better} is better)")
    for ax in axes[1:]:
        ax.set_yticklabels([])
    figure.suptitle(title, size=NORMAL, weight="bold", color=INK, x=0.01, ha="left")
    return figure


def plot_subgroups(table: pd.DataFrame, overall: float, metric: str, title: str = "By group of people") -> Figure:
    """Draw the model's score in each group of ten people or more, and its score in all as a dashed line.

    Parameters
    ----------
    table : DataFrame
        Columns `attribute`, `group`, `n_subjects`, `value`, `low`, `high` (`biosig.downstream.results.subgroups`).
    overall : float
        The score in all.
    metric : str
        Its name.
    title : str
        Stands above the picture.

    Raises
    ------
    DataError
        If no group is large enough.
    """
    table = table[table["value"].notna() & (table["n_subjects"] >= FEW_SUBJECTS)]
    if table.empty:
        raise DataError(f"No group of {FEW_SUBJECTS} people or more has a score: there is nothing to draw.")
    names = [
        f"{ATTRIBUTES.get(row.attribute, row.attribute)}: {row.group} ({row.n_subjects})" for row in table.itertuples()
    ]
    figure = new_figure(6.5, 1.2 + 0.3 * len(names))
    ax = figure.add_subplot()
    _draw(ax, names, table, overall)
    figure.suptitle(title, size=NORMAL, weight="bold", color=INK, x=0.01, ha="left")
    ax.set_xlabel(f"{metric_title(metric)}; dashed: all; in brackets: subjects")
    return figure


def _draw(ax: Axes, names: Sequence[str], rows: pd.DataFrame, reference: float) -> None:
    """A row for each name, top to bottom; vermilion where the interval leaves the reference out."""
    for level, row in enumerate(rows.itertuples()):
        apart = row.low > reference or row.high < reference
        colour = VERMILION if apart else BLUE
        ax.plot([row.low, row.high], [-level, -level], color=colour, lw=2, solid_capstyle="butt", gid=names[level])
        ax.plot(row.value, -level, "o", color=colour, ms=5)
        ax.annotate(
            f"{row.value:.2f}", (row.value, -level), (0, 4), textcoords="offset points", size=SMALL, ha="center"
        )
    ax.axvline(reference, color=GREY, lw=1.1, ls="--", zorder=1, gid="reference")
    ax.set_ylim(-len(names) + 0.4, 0.75)
    ax.set_yticks([-level for level in range(len(names))], names)
    ax.locator_params(axis="x", nbins=5)
    tidy(ax, left=False)
    ax.grid(axis="x", color="#ececec", lw=0.6, zorder=0)
