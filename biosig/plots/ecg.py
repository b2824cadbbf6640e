"""An ECG on ECG paper, the way it is read at the bedside: 25 mm/s, 10 mm/mV, rows of four leads, a rhythm strip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.plots.style import GREY, INK, INVALID, LARGE, NORMAL, SMALL, spans
from biosig.recording import Recording

CLINICAL = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM = "II"
SPEED = 25.0
"""mm per second."""
GAIN = 10.0
"""mm per mV."""
TO_MILLIVOLT = {"mV": 1.0, "uV": 1e-3, "V": 1e3}

FINE, COARSE = "#f6d5d3", "#e3a29e"
LEFT, RIGHT, TOP, BOTTOM = 16.0, 6.0, 15.0, 9.0
"""Margins around the traces in mm; the calibration pulse stands in the left one."""


@dataclass(frozen=True)
class Lead:
    """One lead of the window: `times` (T,) in s from the window's start, `values` (T,) in mV, NaN where invalid."""

    name: str
    sfreq: float
    times: NDArray[np.float64]
    values: NDArray[np.float32]


def plot_ecg(recording: Recording, start: float = 0.0, duration: float = 10.0, title: str | None = None) -> Figure:
    """Draw an ECG on millimetre paper.

    Twelve standard leads of at least 10 s are laid out in three rows of four leads, 2.5 s each, over a 10-s rhythm
    strip of lead II. Anything else is drawn with one row per lead. Each lead is shown around its own median;
    nothing is filtered. Parts that are not real values are shaded and not drawn. Saved at its own size, the figure is
    to scale: 25 mm/s and 10 mm/mV (IEC 60601-2-25).

    Parameters
    ----------
    recording : Recording
        With at least one ECG channel in V, mV or uV.
    start, duration : float
        The window in seconds; it ends with the recording.
    title : str, optional
        Default: the recording's id, and age and sex where they are known.

    Returns
    -------
    Figure
        One axes, in millimetres of paper.

    Raises
    ------
    DataError
        If no ECG channel has a sample in the window, or one has a unit that is not a voltage.
    """
    leads = leads_in(recording, start, duration)
    seconds = min(duration, max(float(lead.times[-1]) + 1 / lead.sfreq for lead in leads.values()))
    clinical = seconds > 9.9 and all(name in leads for row in CLINICAL for name in row)
    if clinical:
        quarter = seconds / len(CLINICAL[0])
        rows = [[(name, i * quarter, (i + 1) * quarter) for i, name in enumerate(row)] for row in CLINICAL]
        rows.append([(RHYTHM, 0.0, seconds)])
    else:
        rows = [[(name, 0.0, seconds)] for name in leads]

    reach = [row_reach(row, leads) for row in rows]
    height = TOP + BOTTOM + sum(up + down for up, down in reach)
    width = LEFT + RIGHT + seconds * SPEED
    figure = Figure(figsize=(width / 25.4, height / 25.4), facecolor="white")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    draw_paper(ax, width, height)

    top = height - TOP
    for row, (up, down) in zip(rows, reach, strict=True):
        baseline = top - up
        draw_calibration(ax, baseline)
        for i, (name, first, last) in enumerate(row):
            draw_lead(ax, leads[name], first, last, baseline, (top - up - down, top), divider=i > 0)
        top -= up + down

    sfreqs = ", ".join(f"{sfreq:g} Hz" for sfreq in sorted({lead.sfreq for lead in leads.values()}))
    ax.text(LEFT, height - 6, describe(recording) if title is None else title, size=LARGE, weight="bold", color=INK)
    ax.text(LEFT, 3, f"25 mm/s    10 mm/mV    {sfreqs}", size=SMALL, color=INK)
    ax.text(width - RIGHT, 3, "unfiltered; each lead around its median", size=SMALL, color=GREY, ha="right")
    return figure


def leads_in(recording: Recording, start: float, duration: float) -> dict[str, Lead]:
    """The ECG leads of a window by canonical name, in mV around their medians."""
    leads = {}
    for stream in recording.crop(start, duration).of_kind("ecg"):
        values = stream.physical()  # (C, T)
        times = stream.onset - start + np.arange(stream.n_times) / stream.sfreq
        for channel, x in zip(stream.channels, values, strict=True):
            if channel.unit not in TO_MILLIVOLT:
                raise DataError(
                    f"Channel '{channel.name}' of recording '{recording.id}' is in '{channel.unit}', which is no "
                    "voltage, so it has no place on ECG paper: draw it with plot_signals."
                )
            x = x * np.float32(TO_MILLIVOLT[channel.unit])
            middle = np.nanmedian(x) if np.isfinite(x).any() else np.float32(0)
            leads[channel.name] = Lead(channel.name, stream.sfreq, times, x - middle)
    if not leads:
        raise DataError(
            f"Recording '{recording.id}' has no ECG channel between {start:g} s and {start + duration:g} s (its kinds "
            f"are {', '.join(recording.kinds)}): draw it with plot_signals."
        )
    return leads


def row_reach(row: list[tuple[str, float, float]], leads: dict[str, Lead]) -> tuple[float, float]:
    """Millimetres that a row needs above and below its baseline, so that no trace runs into its neighbours."""
    up, down = 12.0, 6.0  # a calibration pulse and its lead's name fit above
    for name, first, last in row:
        lead = leads[name]
        part = lead.values[(lead.times >= first) & (lead.times < last)]
        if np.isfinite(part).any():
            up = max(up, float(np.nanmax(part)) * GAIN + 5)
            down = max(down, -float(np.nanmin(part)) * GAIN + 2)
    return up, down


def draw_paper(ax: Axes, width: float, height: float) -> None:
    """A line each millimetre, a stronger one each 5 mm; the strong ones pass through the traces' start."""
    for step, colour, line_width in ((1.0, FINE, 0.35), (5.0, COARSE, 0.6)):
        xs = np.arange(LEFT % step, width, step)
        ys = np.arange(0, height, step)
        lines = [[(x, 0), (x, height)] for x in xs] + [[(0, y), (width, y)] for y in ys]
        ax.add_collection(LineCollection(lines, colors=colour, linewidths=line_width, zorder=0))


def draw_calibration(ax: Axes, baseline: float) -> None:
    """1 mV for 0.2 s, left of the traces."""
    x = LEFT - 11 + np.array([0, 2, 2, 7, 7, 9])
    y = baseline + np.array([0, 0, GAIN, GAIN, 0, 0])
    ax.plot(x, y, color=INK, lw=0.8, gid="calibration")


def draw_lead(
    ax: Axes,
    lead: Lead,
    first: float,
    last: float,
    baseline: float,
    row: tuple[float, float],
    divider: bool,
) -> None:
    """Draw the seconds `first` to `last` of one lead at their place on the paper."""
    part = (lead.times >= first) & (lead.times < last)
    times, values = lead.times[part], lead.values[part]
    ax.plot(LEFT + times * SPEED, baseline + values * GAIN, color=INK, lw=0.8, solid_joinstyle="round", gid=lead.name)
    for a, b in spans(~np.isfinite(values)):
        x = LEFT + times[a] * SPEED
        box = Rectangle((x, row[0] + 1), (b - a) / lead.sfreq * SPEED, row[1] - row[0] - 2)
        box.set(facecolor=INVALID, alpha=0.6, edgecolor="none", gid="invalid", zorder=1)
        ax.add_patch(box)
    x = LEFT + first * SPEED
    if divider:
        ax.plot([x, x], [baseline - 3, baseline + 3], color=INK, lw=1.2)
    background = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    ax.text(x + 1.2, row[1] - 4.6, lead.name, size=NORMAL, weight="bold", color=INK, bbox=background)


def describe(recording: Recording) -> str:
    """Id, age and sex: what stands on top of an ECG."""
    parts = [recording.id]
    if recording.subject is not None:
        if recording.subject.age is not None:
            parts.append(f"{recording.subject.age:.0f} years")
        if recording.subject.sex:
            parts.append(recording.subject.sex)
    return ", ".join(parts)
