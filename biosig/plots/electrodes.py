"""Maps of channels: the head from above, the chest from the front and in the horizontal plane, PPG sites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, Polygon

from biosig.errors import DataError
from biosig.plots.style import BLUE, GREEN, GREY, INK, NORMAL, PALE, SMALL, VERMILION, new_figure
from biosig.recording import Channel, Position, is_known

LIMB_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")

BODY_LEFT = [(0.035, -0.09), (0.04, -0.15), (0.17, -0.19), (0.225, -0.24), (0.27, -0.47), (0.33, -0.74), (0.355, -0.86)]
BODY_LEFT += [(0.32, -0.865), (0.29, -0.75), (0.225, -0.50), (0.175, -0.33), (0.165, -0.50), (0.155, -0.62)]
BODY_LEFT += [(0.175, -0.80), (0.175, -0.92)]
"""One half of a body's outline in metres, as (distance from the midline, z); approximate like the positions on it."""


def plot_electrodes(channels: Sequence[Channel], title: str | None = None) -> Figure:
    """Map of electrodes and leads.

    EEG electrodes are drawn on the head seen from above (subject's right at the right). ECG leads are arrows from
    the reference to the position: limb leads in the frontal plane, the others in the horizontal plane; both planes as
    a reader of ECGs knows them, the subject's left at the right. PPG sites stand on the frontal view.

    Parameters
    ----------
    channels : sequence of Channel
        Kinds other than eeg, ecg and ppg are left out, a name that comes twice is drawn once; those of unknown
        position are named below the map.
    title : str, optional
        Stands above the picture.

    Returns
    -------
    Figure
        One axes per view that has something to show.

    Raises
    ------
    DataError
        If no channel has a known position.
    """
    shown = list({(c.kind, c.name): c for c in channels if c.kind in ("eeg", "ecg", "ppg")}.values())
    placed = [channel for channel in shown if is_known(channel.position)]
    if not placed:
        names = ", ".join(channel.name for channel in channels)
        raise DataError(f"None of the channels ({names}) is an EEG, ECG or PPG channel of known position.")
    eeg = [channel for channel in placed if channel.kind == "eeg"]
    frontal = [channel for channel in placed if channel.kind == "ppg" or channel.name in LIMB_LEADS]
    chest = [channel for channel in placed if channel.kind == "ecg" and channel.name not in LIMB_LEADS]
    views = [(draw_head, eeg), (draw_front, frontal), (draw_chest, chest)]
    views = [(draw, members) for draw, members in views if members]

    figure = new_figure(4.3 * len(views), 4.7)
    for ax, (draw, members) in zip(figure.subplots(1, len(views), squeeze=False)[0], views, strict=True):
        draw(ax, members)
        ax.set_aspect("equal")
        ax.axis("off")
    notes = (
        [f"position unknown: {', '.join(c.name for c in shown if c not in placed)}"] if len(placed) < len(shown) else []
    )
    measured = sum(channel.position_source == "measured" for channel in placed)
    notes.append(f"{measured} positions measured, {len(placed) - measured} typical adult positions")
    figure.supxlabel("; ".join(notes), size=SMALL, color=GREY)
    if title is not None:
        figure.suptitle(title, size=NORMAL, weight="bold", color=INK)
    return figure


def flat(position: Position) -> tuple[float, float]:
    """A point of the head seen from above, spread by its angle from the top so that low electrodes stay apart.

    The azimuthal equidistant projection that EEG maps use, about a centre 40 mm above the ears' axis.
    """
    x, y, z = position[0], position[1], position[2] - 0.04
    radius = float(np.hypot(x, y))
    angle = float(np.arctan2(radius, z))
    return (0.0, 0.0) if radius == 0 else (x / radius * angle / (np.pi / 2), y / radius * angle / (np.pi / 2))


def draw_head(ax: Axes, channels: Sequence[Channel]) -> None:
    """Head from above, nose up; a bipolar channel is a line from its reference to its position."""
    points = [flat(channel.position) for channel in channels]
    edge = max(0.9, *(float(np.hypot(*point)) for point in points)) + 0.12
    ax.add_patch(Polygon([(-0.12, edge * 0.985), (0, edge + 0.13), (0.12, edge * 0.985)], fc="white", ec=GREY, lw=1))
    for side in (-1, 1):
        ax.add_patch(Ellipse((side * (edge + 0.02), 0), 0.12, 0.36, fc="white", ec=GREY, lw=1))
    ax.add_patch(Circle((0, 0), edge, fc="white", ec=GREY, lw=1.2))
    dense = len(channels) > 40
    for channel, point in zip(channels, points, strict=True):
        if is_known(channel.reference):
            start = flat(channel.reference)
            ax.annotate("", point, start, arrowprops={"arrowstyle": "-|>", "color": BLUE, "lw": 1})
            point = ((start[0] + point[0]) / 2, (start[1] + point[1]) / 2)
        else:
            ax.plot(*point, "o", ms=13 if dense else 17, mfc="#dcebf5", mec=BLUE, mew=0.9, gid=channel.name)
        size = 5.5 if dense else SMALL - 1
        ax.text(point[0], point[1], channel.name, size=size, ha="center", va="center", color=INK)
    ax.text(edge + 0.13, -0.3, "R", size=NORMAL, color=GREY, ha="center")
    ax.text(-edge - 0.13, -0.3, "L", size=NORMAL, color=GREY, ha="center")
    ax.set(xlim=(-edge - 0.22, edge + 0.22), ylim=(-edge - 0.08, edge + 0.2))
    ax.set_title("EEG, from above", size=NORMAL, color=INK)


def draw_front(ax: Axes, channels: Sequence[Channel]) -> None:
    """Body from the front: x is mirrored, so that the subject's left is at the reader's right."""
    half = np.array(BODY_LEFT)
    outline = np.concatenate([half, half[::-1] * [-1, 1]])
    ax.add_patch(Polygon(outline, closed=True, fc="#f4f4f4", ec=PALE, lw=1.2, zorder=0))
    ax.add_patch(Ellipse((0, 0.0), 0.155, 0.22, fc="#f4f4f4", ec=PALE, lw=1.2, zorder=0))
    for channel in (c for c in channels if c.kind == "ecg"):
        draw_lead(ax, channel, plane=(0, 2))
    for channel in (c for c in channels if c.kind == "ppg"):
        x, z = -channel.position[0], channel.position[2]
        ax.plot(x, z, "s", ms=7, color=VERMILION, zorder=4, gid=channel.name)
        side = -1 if x > 0 else 1
        ax.annotate(f"PPG: {channel.name}", (x, z), (side * 8, -3), textcoords="offset points", size=SMALL,
                    ha="left" if side > 0 else "right", color=INK)  # fmt: skip
    bottom = min(-0.95, *(channel.position[2] - 0.08 for channel in channels))
    ax.set(xlim=(-0.42, 0.42), ylim=(bottom, 0.16))
    ax.text(-0.39, 0.08, "R", size=NORMAL, color=GREY)
    ax.text(0.37, 0.08, "L", size=NORMAL, color=GREY)
    kinds = {channel.kind for channel in channels}
    label = " and ".join(name for kind, name in (("ecg", "limb leads"), ("ppg", "PPG site")) if kind in kinds)
    ax.set_title(f"{label[0].upper() + label[1:]}, from the front", size=NORMAL, color=INK)


def draw_chest(ax: Axes, channels: Sequence[Channel]) -> None:
    """The chest's horizontal plane from below, front up, as in the usual drawing of the precordial leads."""
    ax.add_patch(Ellipse((0, 0), 0.33, 0.215, fc="#f4f4f4", ec=PALE, lw=1.2, zorder=0))
    for channel in channels:
        draw_lead(ax, channel, plane=(0, 1))
    ax.text(-0.205, 0, "R", size=NORMAL, color=GREY, va="center")
    ax.text(0.2, 0, "L", size=NORMAL, color=GREY, va="center")
    ax.text(0, -0.135, "back", size=SMALL, color=GREY, ha="center")
    ax.text(0, 0.15, "front", size=SMALL, color=GREY, ha="center")
    ax.set(xlim=(-0.23, 0.23), ylim=(-0.16, 0.18))
    ax.set_title("Chest leads, horizontal plane", size=NORMAL, color=INK)


def draw_lead(ax: Axes, channel: Channel, plane: tuple[int, int]) -> None:
    """An arrow from the reference to the position, named at its head; a dot where the reference is unknown."""
    tip = projected(channel.position, plane)
    colour = GREEN if channel.name.startswith("aV") else BLUE
    label_at = tip
    if is_known(channel.reference):
        start = projected(channel.reference, plane)
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 1.3, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", tip, start, arrowprops=arrow, zorder=3)
        ax.plot(*start, "o", ms=3, color=colour, zorder=4)
        dx, dy = tip[0] - start[0], tip[1] - start[1]
        along = 9 / max(float(np.hypot(dx, dy)), 1e-9)
        offset = (dx * along, dy * along)
        if channel.name in ("I", "II", "III"):  # beside the arrow's middle: their tips are shared
            label_at, offset = ((tip[0] + start[0]) / 2, (tip[1] + start[1]) / 2), (-offset[1], offset[0])
    else:
        offset = (0.0, 9.0)
    ax.plot(*tip, "o", ms=4, color=colour, zorder=4, gid=channel.name)
    ax.annotate(channel.name, label_at, offset, textcoords="offset points", size=SMALL, weight="bold", color=INK,
                ha="center", va="center", zorder=5)  # fmt: skip


def projected(position: Position, plane: tuple[int, int]) -> tuple[float, float]:
    """Two axes of a position, the subject's left at the reader's right."""
    point = (-position[0], position[1], position[2])
    return point[plane[0]], point[plane[1]]
