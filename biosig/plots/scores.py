"""Scores with their intervals beside the baselines: a forest plot."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from biosig.downstream.baseline import method_title
from biosig.errors import DataError
from biosig.evaluate import challenge
from biosig.evaluate.metrics import METRICS, ROLES
from biosig.plots.style import BLUE, GREY, INK, NORMAL, SMALL, VERMILION, new_figure, tidy


def plot_scores(table: pd.DataFrame, title: str = "Probe on frozen embeddings") -> Figure:
    """Draw one panel per headline metric: a point and its 95 % interval per method, chance as a dashed line.

    Parameters
    ----------
    table : DataFrame
        Columns `method`, `metric`, `value`, `low`, `high` (the bounds of the 95 % interval), and optionally `task`,
        `n_subjects`, `n_windows`. The method "model" is the one on trial; "chance" gives the dashed line.
    title : str
        Stands above the picture.

    Returns
    -------
    Figure
        One row of axes per task, one axes per metric.

    Raises
    ------
    DataError
        If a column is missing or the table is empty.
    """
    missing = {"method", "metric", "value", "low", "high"} - set(table.columns)
    if missing or table.empty:
        lacks = f"lacks {', '.join(sorted(missing))}" if missing else "has no rows"
        raise DataError(f"The score table {lacks}: it needs method, metric, value, low and high.")
    tasks = list(dict.fromkeys(table["task"])) if "task" in table else [None]
    metrics = headline_metrics(table)
    methods = list(dict.fromkeys(table["method"]))
    figure = new_figure(2.2 + 3.7 * len(metrics), 0.75 + len(tasks) * (0.75 + 0.34 * len(methods)))
    grid = figure.subplots(len(tasks), len(metrics), squeeze=False)
    for task, axes in zip(tasks, grid, strict=True):
        rows = table if task is None else table[table["task"] == task]
        for metric, ax in zip(metrics, axes, strict=True):
            draw_panel(ax, rows[rows["metric"] == metric], methods, metric)
            ax.set_title("" if task is None else str(task), loc="left", size=SMALL, weight="bold", color=INK)
        for ax in axes[1:]:
            ax.set_yticklabels([])
    sizes = [f"{int(table[c].max())} {c[2:]}" for c in ("n_subjects", "n_windows") if c in table and len(tasks) == 1]
    figure.suptitle(title, size=NORMAL, weight="bold", color=INK, x=0.01, ha="left")
    figure.supxlabel(
        ", ".join(["point: out-of-fold score; line: 95 % bootstrap interval over subjects", *sizes]),
        size=SMALL,
        color=GREY,
    )
    return figure


def headline_metrics(table: pd.DataFrame) -> list[str]:
    """Those metrics of a table that pictures show (`biosig.evaluate.metrics.ROLES`); all, where it has none.

    The challenge's score is shown wherever it was asked for.
    """
    present = list(dict.fromkeys(table["metric"]))
    headlines = (*(roles.headline for roles in ROLES.values()), (challenge.NAME,))
    return [name for names in headlines for name in names if name in present] or present


def metric_title(name: str) -> str:
    """A metric's name in reports and pictures; the name itself where it is not registered."""
    if name == challenge.NAME:
        return challenge.TITLE
    return METRICS[name].title if name in METRICS else name


def draw_panel(ax: Axes, rows: pd.DataFrame, methods: list[str], metric: str) -> None:
    """One metric: a row per method, top to bottom in the table's order."""
    levels = {method: -i for i, method in enumerate(methods)}
    for row in rows.itertuples():
        level = levels[row.method]
        colour = VERMILION if row.method == "model" else GREY if row.method == "chance" else BLUE
        ax.plot(
            [row.low, row.high], [level, level], color=colour, lw=2, solid_capstyle="butt", gid=f"{row.method} interval"
        )
        ax.plot(row.value, level, "o", color=colour, ms=6.5 if row.method == "model" else 5, gid=row.method)
        ax.annotate(f"{row.value:.2f}", (row.value, level), (0, 5), textcoords="offset points", size=SMALL, ha="center")
        if row.method == "chance":
            ax.axvline(row.value, color=GREY, lw=1.1, ls="--", zorder=1, gid="chance line")
    low, high = METRICS[metric].bounds if metric in METRICS else (-math.inf, math.inf)
    if math.isfinite(low) and math.isfinite(high):
        ax.set_xlim(max(low, min(0.4, float(rows["low"].min()) - 0.05)) if len(rows) else low, high)
    ax.set(ylim=(-len(methods) + 0.4, 0.75), xlabel=metric_title(metric))
    ax.set_yticks([levels[m] for m in methods], [method_title(m) for m in methods])
    ax.locator_params(axis="x", nbins=6)
    tidy(ax, left=False)
    ax.grid(axis="x", color="#ececec", lw=0.6, zorder=0)
