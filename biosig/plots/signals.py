"""Stacked traces of any recording, with units, a scale bar per kind of signal, events and invalid samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.plots.style import (
    GREY,
    INK,
    INVALID,
    NORMAL,
    PALETTE,
    SMALL,
    new_figure,
    round_amount,
    spans,
    tidy,
    unit_sign,
)
from biosig.recording import Annotation, Channel, Recording

MAX_LABELS = len(PALETTE)
SLOW = 4.0
"""Hz; at and below it a stream is taken for a monitor's numbers."""


@dataclass(frozen=True)
class Trace:
    """One channel of the window: `times` (T,) in s, `values` (T,) around `middle`, NaN where invalid."""

    channel: Channel
    sfreq: float
    times: NDArray[np.float64]
    values: NDArray[np.float32]
    middle: float

    @property
    def slow(self) -> bool:
        """A monitor's numbers more than a wave: drawn as steps, with the level they stand at."""
        return self.sfreq <= SLOW

    @property
    def group(self) -> tuple[str, str, str]:
        """Channels of one group share one amplitude scale; signals of no known kind share none."""
        own = self.channel.name if self.channel.kind in ("misc", "resp", "abp", "cvp", "temp", "spo2") else ""
        return self.channel.kind, self.channel.unit, own


def plot_signals(
    recording: Recording,
    start: float = 0.0,
    duration: float = 10.0,
    kinds: Sequence[str] | None = None,
    title: str | None = None,
    width: float = 10.5,
) -> Figure:
    """Draw every channel of a window, one under the other.

    Channels of one kind and unit share one amplitude scale (a bar at the right gives its size), so that
    amplitudes can be compared between leads. Each channel is centred on its own range; nothing is filtered. Streams
    of a few Hz are drawn as steps.

    Parameters
    ----------
    recording : Recording
        Any; streams of different rates keep their own samples.
    start, duration : float
        The window in seconds; it ends with the recording.
    kinds : sequence of str, optional
        Only channels of these kinds; default all.
    title : str, optional
        Default: the recording's id.
    width : float
        Of the figure, in inches.

    Returns
    -------
    Figure
        One axes; x in seconds of the recording.

    Raises
    ------
    DataError
        If no channel of these kinds has a sample in the window.
    """
    part = recording.crop(start, duration)
    traces = [trace for trace in traces_of(part) if kinds is None or trace.channel.kind in kinds]
    if not traces:
        raise DataError(
            f"Recording '{recording.id}' has no channel of kind {', '.join(kinds or ())}; its kinds are "
            f"{', '.join(recording.kinds)}."
        )
    groups = list(dict.fromkeys(trace.group for trace in traces))
    traces = [trace for group in groups for trace in traces if trace.group == group]
    stop = max(float(trace.times[-1]) + 1 / trace.sfreq for trace in traces)
    events = [a for a in part.annotations if a.onset < stop and a.onset + a.duration > start]

    figure = new_figure(width, 1.3 + max(0.26 if len(traces) > 12 else 0.55, 0.26) * len(traces))
    ax = figure.add_subplot()
    scales = {group: spacing([t for t in traces if t.group == group]) for group in groups}
    for row, trace in enumerate(traces):
        draw_trace(ax, trace, -float(row), scales[trace.group])
    for group, amount in scales.items():
        rows = [row for row, trace in enumerate(traces) if trace.group == group]
        note = f" around {traces[rows[0]].middle:.3g}" if traces[rows[0]].slow else ""
        draw_scale_bar(ax, -float(np.mean(rows)), amount, unit_sign(group[1]) + note)

    top = np.nanmax(traces[0].values, initial=0) / scales[groups[0]]
    ax.set(xlim=(start, stop), ylim=(-len(traces) + 0.3, min(max(0.7, top + 0.1), 1.5)), xlabel="time (s)")
    ax.set_yticks([-row for row in range(len(traces))], [trace.channel.name for trace in traces])
    tidy(ax, left=False)
    handles = draw_events(ax, events, start, stop)
    if any(not np.isfinite(trace.values).all() for trace in traces):
        handles.append(Patch(facecolor=INVALID, label="not a real value"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=SMALL, frameon=False)
    rates = ", ".join(f"{sfreq:g} Hz" for sfreq in sorted({trace.sfreq for trace in traces}, reverse=True))
    ax.set_title(
        f"{recording.id if title is None else title}", loc="left", size=NORMAL, weight="bold", color=INK, pad=14
    )
    ax.set_title(f"{rates}; unfiltered, each channel centred", loc="right", size=SMALL, color=GREY, pad=14)
    return figure


def traces_of(recording: Recording) -> list[Trace]:
    """Every channel of every stream, centred on the middle of its range (outliers aside)."""
    traces = []
    for stream in recording.streams:
        values = stream.physical()  # (C, T)
        times = stream.onset + np.arange(stream.n_times) / stream.sfreq
        for channel, x in zip(stream.channels, values, strict=True):
            middle = float(np.nanpercentile(x, [1, 99]).mean()) if np.isfinite(x).any() else 0.0
            traces.append(Trace(channel, stream.sfreq, times, x - np.float32(middle), middle))
    return traces


def spacing(traces: Sequence[Trace]) -> float:
    """The amplitude that fills the distance between two rows: nearly the widest channel's range, outliers aside."""
    widths = [
        np.diff(np.nanpercentile(trace.values, [0.5, 99.5]))[0] for trace in traces if np.isfinite(trace.values).any()
    ]
    width = float(np.percentile(widths, 80)) if widths else 1.0
    return width * 1.05 if width > 0 else 1.0


def draw_trace(ax: Axes, trace: Trace, level: float, scale: float) -> None:
    """One channel at height `level`; `scale` is the amplitude of one row."""
    style: Any = {"drawstyle": "steps-post"} if trace.slow else {}
    ax.plot(trace.times, level + trace.values / scale, color=INK, lw=0.6, gid=trace.channel.name, **style)
    for a, b in spans(~np.isfinite(trace.values)):
        box = Rectangle((trace.times[a], level - 0.45), (b - a) / trace.sfreq, 0.9)
        box.set(facecolor=INVALID, alpha=0.7, edgecolor="none", gid="invalid", zorder=1)
        ax.add_patch(box)


def draw_scale_bar(ax: Axes, level: float, scale: float, unit: str) -> None:
    """A vertical bar right of the axes and the amplitude that it stands for."""
    amount = round_amount(scale * 0.9)
    half = amount / scale / 2
    transform = ax.get_yaxis_transform()
    ax.plot([1.012, 1.012], [level - half, level + half], color=INK, lw=1.8, transform=transform, clip_on=False)
    ax.text(1.02, level, f"{amount:g} {unit}", size=SMALL, va="center", color=INK, transform=transform)


def draw_events(ax: Axes, events: Sequence[Annotation], start: float, stop: float) -> list[Patch]:
    """Colour the time of each event and return the legend's entries.

    Labels stand above intervals where they fit and do not touch. Beyond six labels there are no colours and no legend,
    so that instants are labelled as well.
    """
    labels = sorted({event.label for event in events})
    if not labels:
        return []
    colours = dict(zip(labels, PALETTE, strict=False))
    room = (stop - start) / 45
    end_of_last = -np.inf
    for event in sorted(events, key=lambda event: event.onset):
        colour = colours.get(event.label, GREY)
        left, right = max(event.onset, start), min(event.onset + event.duration, stop)
        if event.duration > 0:
            ax.axvspan(left, right, color=colour, alpha=0.14, lw=0, zorder=0, gid="event")
        else:
            ax.axvline(event.onset, color=colour, alpha=0.7, lw=0.8, zorder=0, gid="event")
        width = room * max(1.0, len(event.label) / 3)
        fits = right - left >= width if event.duration > 0 else len(labels) > MAX_LABELS
        if fits and left >= end_of_last:
            ax.text(left, 1.005, event.label, size=SMALL, color=INK, transform=ax.get_xaxis_transform(), va="bottom")
            end_of_last = left + width
    if len(labels) > MAX_LABELS:
        return []
    return [Patch(facecolor=colours[label], alpha=0.4, label=label) for label in labels]
