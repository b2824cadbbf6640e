"""Pictures of the signals that features are measured on: the median beat, the mean pulse, the spectra by region."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from biosig.features.ecg_leads import leads
from biosig.features.ecg_waves import waves
from biosig.features.eeg_channels import electrodes
from biosig.features.eeg_spectra import spectrum
from biosig.features.ppg_pulses import pulses
from biosig.features.ppg_shape import apg_waves, derivatives
from biosig.features.ppg_signals import signals
from biosig.features.window import Window
from biosig.plots.style import BLUE, GREEN, GREY, INK, NORMAL, PALE, PALETTE, SMALL, new_figure, tidy, unit_sign

CLINICAL = ("I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6")
WAVE_COLOURS = {"P": GREEN, "QRS": "#E69F00", "T": BLUE}
SHOWN = (-320.0, 560.0)
"""Milliseconds of the median beat around the QRS."""

SMALLEST_SPAN = 1.0
"""mV: a panel shows at least this much, so that noise does not look like a wave."""

EEG_BANDS = {"δ": (1.0, 4.0), "θ": (4.0, 8.0), "α": (8.0, 13.0), "β": (13.0, 30.0), "γ": (30.0, 45.0)}


def plot_median_beat(window: Window) -> Figure | None:
    """The median beat of each lead with the limits of P, QRS and T shaded; None where there is no beat.

    All panels share one time axis and, where amplitudes are known, one scale; elsewhere each lead has its own.
    """
    found, names = waves(window), leads(window).names
    if found is None:
        return None
    twelve = all(name in names for name in CLINICAL)
    shown = CLINICAL if twelve else names[:12]
    n_columns = 4 if len(shown) > 3 else len(shown)
    n_rows = -(-len(shown) // n_columns)
    figure = new_figure(2.5 * n_columns + 0.8, 1.75 * n_rows + 0.6)
    axes = figure.subplots(n_rows, n_columns, sharex=True, sharey=window.amplitude, squeeze=False)
    times = (np.arange(found.y.shape[1]) - found.zero) * 1000 / found.sfreq  # ms
    inside = (times >= SHOWN[0]) & (times <= SHOWN[1])
    limits = {"QRS": found.qrs}
    limits |= {"P": found.p} if found.has_p else {}
    limits |= {"T": found.t} if found.has_t else {}
    for place, ax in enumerate(axes.flat):
        tidy(ax)
        if place >= len(shown):
            ax.set_visible(False)
            continue
        for label, (start, stop) in limits.items():
            if np.isfinite(start) and np.isfinite(stop):
                ax.axvspan(1000 * start, 1000 * stop, color=WAVE_COLOURS[label], alpha=0.18, lw=0, gid=label)
                middle = 500 * (start + stop)
                ax.text(middle, 1.03, label, transform=ax.get_xaxis_transform(), ha="center", size=SMALL, color=GREY)
        ax.axhline(0, color=PALE, lw=0.8)
        ax.plot(times[inside], found.y[names.index(shown[place])][inside], color=INK, lw=1.2)
        ax.set_title(shown[place], loc="left", size=NORMAL, weight="bold", color=INK)
        ax.set_xlim(*SHOWN)
    _label(figure, axes, "Time from the QRS (ms)", unit_sign(window.unit) if window.amplitude else "each lead's scale")
    if window.amplitude:
        low, high = axes.flat[0].get_ylim()
        room = max(SMALLEST_SPAN - (high - low), 0) / 2
        axes.flat[0].set_ylim(low - room, high + room)
    return figure


def _label(figure: Figure, axes: NDArray[Any], x: str, y: str) -> None:
    figure.supxlabel(x, size=NORMAL, color=INK)
    figure.supylabel(y, size=NORMAL, color=INK)
    for ax in axes.flat:
        ax.label_outer()


def plot_mean_pulse(window: Window) -> Figure | None:
    """The mean pulse with its foot, steepest rise, peak and notch, over its second derivative; None without a pulse."""
    found, rate = pulses(window), signals(window).sfreq
    if len(found.mean) < 5:
        return None
    mean, times = found.mean, np.arange(len(found.mean)) * 1000 / rate  # ms
    first, second = derivatives(mean, rate)
    top = int(mean.argmax())
    figure = new_figure(7.0, 4.6 if len(second) else 2.8)
    axes = figure.subplots(2 if len(second) else 1, 1, sharex=True, squeeze=False)[:, 0]
    for ax in axes:
        tidy(ax)
    axes[0].plot(times, mean, color=INK, lw=1.5)
    marked = {"foot": int(mean[: top + 1].argmin()), "systolic peak": top}
    if len(second):
        steep = int(first[: top + 1].argmax())
        named = apg_waves(second, steep, rate)
        marked["steepest rise"] = steep
        if named.get("e", 0) > top:
            marked["notch (e)"] = named["e"]
        axes[1].axhline(0, color=PALE, lw=0.8)
        axes[1].plot(times, second, color=BLUE, lw=1.2)
        for name, at in named.items():
            _mark(axes[1], times[at], second[at], name, second[at] >= 0)
        axes[1].set_ylabel("second derivative (1/s²)")
        axes[1].margins(y=0.18)
    for name, at in marked.items():
        _mark(axes[0], times[at], mean[at], name, name != "foot")
    axes[0].set_ylabel("mean pulse, height 1")
    axes[0].margins(y=0.18)
    axes[-1].set_xlabel("Time from the foot (ms)")
    return figure


def _mark(ax: Axes, x: float, y: float, name: str, above: bool) -> None:
    ax.plot([x], [y], "o", ms=4.5, color="#D55E00")
    place, align = ((6, 5), "bottom") if above else ((6, -5), "top")
    ax.annotate(name, (x, y), place, textcoords="offset points", size=SMALL, color=INK, va=align)


def plot_spectra(window: Window) -> Figure | None:
    """Power spectral density, median over the electrodes of each lobe, with the bands; None without a spectrum."""
    found = spectrum(window)
    if found is None:
        return None
    use = (found.freqs >= 1) & (found.freqs <= min(45.0, window.highest_frequency))
    lobe = np.array([str(name).split()[0] for name in electrodes(window).regions])
    groups = {name: lobe == name for name in ("frontal", "central", "temporal", "parietal", "occipital")}
    groups = {name: rows for name, rows in groups.items() if rows.any()} or {"all electrodes": np.ones(len(lobe), bool)}
    if use.sum() < 2:
        return None
    figure = new_figure(7.5, 3.8)
    ax = figure.subplots()
    tidy(ax)
    for place, (name, (low, high)) in enumerate(EEG_BANDS.items()):
        if low < found.freqs[use][-1]:
            if place % 2 == 0:
                ax.axvspan(low, min(high, found.freqs[use][-1]), color=PALE, alpha=0.45, lw=0)
            centre = float(np.sqrt(low * min(high, found.freqs[use][-1])))
            ax.text(centre, 1.01, name, transform=ax.get_xaxis_transform(), ha="center", size=NORMAL, color=GREY)
    for (name, rows), colour in zip(groups.items(), PALETTE, strict=False):
        ax.loglog(found.freqs[use], np.nanmedian(found.density[rows], axis=0)[use], label=name, color=colour, lw=1.5)
    ticks = [tick for tick in (1, 2, 4, 8, 13, 30, 45) if tick <= found.freqs[use][-1]]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    unit = unit_sign(window.unit) if window.amplitude else "a.u."
    ax.set(xlabel="Frequency (Hz)", ylabel=f"Power density ({unit}²/Hz)")
    ax.legend(frameon=False, fontsize=SMALL)
    return figure
