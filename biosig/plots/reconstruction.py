"""Figure of masked reconstruction, channel by channel: samples that the model saw, hidden samples, its guesses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.plots.style import GREY, INK, NORMAL, SMALL, VERMILION, new_figure, round_amount, spans, tidy, unit_sign

HIDDEN = "#dbe9f4"


def plot_reconstruction(
    truth: NDArray[Any],
    reconstruction: NDArray[Any],
    mask: NDArray[np.bool_],
    sfreq: float,
    ch_names: Sequence[str],
    unit: str,
    title: str = "Masked reconstruction",
    max_chans: int = 8,
    width: float = 10.5,
) -> Figure:
    """Draw the reconstruction over the truth where the model could not look, and only there.

    Parameters
    ----------
    truth, reconstruction : ndarray, shape (C, T)
        In `unit`; NaN where there is no real value.
    mask : ndarray of bool, shape (C, T)
        True = hidden from the encoder.
    sfreq : float
        Hz.
    ch_names : sequence of str
        C names.
    unit : str
        Unit of the amplitudes.
    title : str
        Stands above the picture.
    max_chans : int
        More channels than this are thinned evenly, and the picture says so.
    width : float
        Of the figure, in inches.

    Returns
    -------
    Figure
        One axes; the title's right half gives the correlation over the hidden samples of the channels drawn.

    Raises
    ------
    DataError
        If the shapes do not agree.
    """
    if not truth.shape == reconstruction.shape == mask.shape == (len(ch_names), truth.shape[-1]):
        raise DataError(
            f"Truth {truth.shape}, reconstruction {reconstruction.shape} and mask {mask.shape} must all have the shape "
            f"({len(ch_names)}, n_times) of {len(ch_names)} channel names."
        )
    rows = np.unique(np.linspace(0, len(ch_names) - 1, min(len(ch_names), max_chans)).round().astype(int))
    figure = new_figure(width, 1.4 + 0.8 * len(rows))
    ax = figure.add_subplot()
    finite = [truth[row][np.isfinite(truth[row])] for row in rows]
    widths = [np.ptp(np.percentile(x, [0.05, 99.95])) for x in finite if x.size]
    scale = 1.05 * (max(widths) if widths and max(widths) > 0 else 1.0)
    for level, row in enumerate(rows):
        _draw_channel(ax, truth[row], reconstruction[row], mask[row], sfreq, -level, scale)

    amount = round_amount(scale * 0.8)
    half, bar = amount / scale / 2, ax.get_yaxis_transform()
    ax.plot([1.012, 1.012], [-half, half], color=INK, lw=1.8, transform=bar, clip_on=False)
    ax.text(1.02, 0, f"{amount:g} {unit_sign(unit)}", size=SMALL, va="center", transform=bar)
    ax.set(xlim=(0, truth.shape[1] / sfreq), ylim=(-len(rows) + 0.4, 0.7), xlabel="time (s)")
    ax.set_yticks([-level for level in range(len(rows))], [ch_names[row] for row in rows])
    tidy(ax, left=False)

    shown = f" ({len(rows)} of {len(ch_names)} channels)" if len(rows) < len(ch_names) else ""
    hidden_share = float(mask[rows].mean())
    note = f"{hidden_share:.0%} hidden; {agreement(truth[rows], reconstruction[rows], mask[rows])}"
    ax.set_title(title + shown, loc="left", size=NORMAL, weight="bold", color=INK)
    ax.set_title(note, loc="right", size=SMALL, color=GREY)
    handles = [
        Line2D([], [], color=INK, lw=1.2, label="seen by the model"),
        Patch(facecolor=HIDDEN, label="hidden from the model"),
        Line2D([], [], color=GREY, lw=1.2, label="truth where hidden"),
        Line2D([], [], color=VERMILION, lw=1.5, label="reconstruction where hidden"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=SMALL, frameon=False)
    return figure


def _draw_channel(
    ax: Axes,
    truth: NDArray[Any],
    reconstruction: NDArray[Any],
    mask: NDArray[np.bool_],
    sfreq: float,
    level: int,
    scale: float,
) -> None:
    """Draw one channel (T,) around the height `level`; `scale` = amplitude of a row."""
    times = np.arange(len(truth)) / sfreq
    middle = np.nanpercentile(truth, [0.05, 99.95]).mean() if np.isfinite(truth).any() else 0.0
    for a, b in spans(mask):
        box = [(a / sfreq, b / sfreq - a / sfreq)]
        ax.broken_barh(box, (level - 0.48, 0.96), facecolors=HIDDEN, edgecolors="none", gid="hidden", zorder=0)
    seen = np.where(mask, np.nan, truth)
    hidden = np.where(mask, truth, np.nan)
    guess = np.where(mask & np.isfinite(truth), reconstruction, np.nan)
    ax.plot(times, level + (seen - middle) / scale, color=INK, lw=0.8, gid="seen")
    ax.plot(times, level + (hidden - middle) / scale, color=GREY, lw=0.9, gid="truth")
    ax.plot(times, level + (guess - middle) / scale, color=VERMILION, lw=1.3, gid="reconstruction")


def agreement(truth: NDArray[Any], reconstruction: NDArray[Any], mask: NDArray[np.bool_]) -> str:
    """Pearson's correlation over hidden, real samples, each channel around its own mean there."""
    xs, ys = [], []
    for x, y, hidden in zip(truth, reconstruction, mask, strict=True):
        use = hidden & np.isfinite(x) & np.isfinite(y)
        if use.any():
            xs.append(x[use] - x[use].mean())
            ys.append(y[use] - y[use].mean())
    if not xs or not np.concatenate(xs).any() or not np.concatenate(ys).any():
        return "no correlation can be given"
    return f"correlation where hidden r = {np.corrcoef(np.concatenate(xs), np.concatenate(ys))[0, 1]:.2f}"
