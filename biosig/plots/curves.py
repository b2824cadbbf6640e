"""Curves: the loss of a pretraining run over its steps, and a score over the number of labels."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from biosig.errors import DataError
from biosig.plots.scores import headline_metrics, metric_title
from biosig.plots.style import BLUE, GREEN, GREY, INK, NORMAL, SMALL, VERMILION, new_figure, tidy

COLOURS = {"loss": INK, "loss_ecg": VERMILION, "loss_eeg": BLUE, "loss_ppg": GREEN}
NAMES = {"loss": "all", "loss_ecg": "ECG", "loss_eeg": "EEG", "loss_ppg": "PPG"}


def plot_loss(log: pd.DataFrame, title: str = "Masked reconstruction loss") -> Figure:
    """Draw the loss of every modality, and of the held-out subjects where the run measured it.

    Parameters
    ----------
    log : DataFrame
        The run's `log.jsonl` (``pandas.read_json(…, lines=True)``): `step`, `part` ("train", or "validation" for
        held-out subjects), `loss`, and any of `loss_ecg`, `loss_eeg`, `loss_ppg`; `lr` if there is one.
    title : str
        Stands above the picture.

    Returns
    -------
    Figure
        Single steps as pale lines, their running median as strong ones, held-out subjects as circles.

    Raises
    ------
    DataError
        If the log has no `step`, `part` or `loss`, or no row.
    """
    missing = {"step", "part", "loss"} - set(log.columns)
    if missing or log.empty:
        raise DataError(
            f"The training log has {len(log)} rows and the columns {', '.join(map(str, log.columns))}; it needs at "
            "least one row with 'step', 'part' and 'loss': train before drawing the loss."
        )
    log = log.sort_values("step")
    train, validation = log[log["part"] == "train"], log[log["part"] == "validation"]
    figure = new_figure(7.5, 3.6)
    ax = figure.add_subplot()
    window = max(1, len(train) // 25)
    top = 0.0
    for column, colour in COLOURS.items():
        if column not in log:
            continue
        if train[column].notna().any():
            line = train[["step", column]].dropna()
            smooth = line[column].rolling(window, center=True, min_periods=1).median()
            top = max(top, float(smooth.max()))
            width = 2.0 if column == "loss" else 1.3
            ax.plot(line["step"], line[column], color=colour, lw=0.6, alpha=0.25, gid=f"{column} raw")
            ax.plot(line["step"], smooth, color=colour, lw=width, label=NAMES[column], gid=column)
        if validation[column].notna().any():
            points = validation[["step", column]].dropna()
            top = max(top, float(points[column].max()))
            label = f"{NAMES[column]}, held-out subjects"
            ax.plot(points["step"], points[column], "o--", color=colour, ms=4, mfc="white", lw=0.8, label=label,
                    gid=f"validation {column}")  # fmt: skip
    ax.set(xlabel="optimiser step", ylabel="loss (normalised units)", ylim=(0, 1.1 * top if top > 0 else 1))
    tidy(ax)
    ax.grid(axis="y", color="#ececec", lw=0.6)
    ax.set_title(title, loc="left", size=NORMAL, weight="bold", color=INK)
    if "lr" in log:
        ax.set_title(f"peak learning rate {log['lr'].max():.1e}", loc="right", size=SMALL, color=GREY)
    figure.legend(loc="outside right upper", fontsize=SMALL, frameon=False)
    return figure


def plot_shots(table: pd.DataFrame, title: str = "With fewer labels") -> Figure:
    """Draw the score over the number of labelled examples per class, a panel per headline metric.

    Parameters
    ----------
    table : DataFrame
        Columns `shots` (a number, or "all"), `metric`, `value`, `low`, `high` (`biosig.downstream.probe.few_shot`).
    title : str
        Stands above the picture.

    Raises
    ------
    DataError
        If the table has no rows.
    """
    if table.empty:
        raise DataError("There is no score by number of labels: give the probe some shots.")
    metrics = headline_metrics(table)
    figure = new_figure(3.8 * len(metrics), 2.9)
    for metric, ax in zip(metrics, figure.subplots(1, len(metrics), squeeze=False)[0], strict=True):
        rows = table[table["metric"] == metric]
        places = range(len(rows))
        ax.vlines(places, rows["low"], rows["high"], color=BLUE, lw=2, gid=f"{metric} interval")
        ax.plot(places, rows["value"], "o-", color=BLUE, ms=5, lw=1, gid=metric)
        ax.set_xticks(places, rows["shots"].astype(str))
        ax.set(xlabel="labelled examples per class", ylabel=metric_title(metric))
        tidy(ax)
        ax.grid(axis="y", color="#ececec", lw=0.6, zorder=0)
    figure.suptitle(title, size=NORMAL, weight="bold", color=INK, x=0.01, ha="left")
    return figure
