"""Pulses: where they begin, rise and peak, and how alike they are.

Shape letters: N pulses, T samples, P samples of a mean pulse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, uniform_filter1d

from biosig.features.ppg_signals import signals
from biosig.features.window import Window, shared

ELGENDI = "Elgendi et al., PLoS ONE 2013; 8:e76585"

SYSTOLE, BEAT, OFFSET = 0.111, 0.667, 0.02
"""Seconds of the two moving averages, and the share of the mean square that raises the threshold (Elgendi 2013)."""

BURST = 3.0
"""Squares over this many times the typical largest of 2 s are cut there, so that a burst hides no pulse beside it."""

LOWEST = 0.1
"""Share of the height that a fifth of the peaks exceed, below which a peak is the filter's ringing or noise."""

RISE = 0.4
"""Seconds before a peak in which a pulse begins."""

ALIKE = 0.8
"""Correlation with the mean pulse from which a pulse counts as normal (Orphanidou et al., IEEE J Biomed Health Inform
2015; 19:832, rounded down)."""


@dataclass(frozen=True, eq=False)
class Pulses:
    """Pulses of one channel.

    Parameters
    ----------
    signal : int
        Row of `Signals` that they are measured in; −1 where there is none.
    peaks, feet : ndarray of int, shape (N,)
        Systolic peak and the minimum before it, at the rate of `Signals`.
    upstrokes : ndarray of float, shape (N,)
        Steepest point of the rise, to a fraction of a sample: pulses are timed by it.
    heights : ndarray of float, shape (N,)
        Peak less foot.
    likeness : ndarray of float, shape (N,)
        Correlation with `mean`; NaN where the window ends before the pulse does.
    mean : ndarray of float, shape (P,)
        Median over pulses aligned by their upstroke, from 0 at the foot to 1 at the peak; empty without a whole pulse.
    whole : int
        Number of pulses that it is made of.
    """

    signal: int
    peaks: NDArray[np.intp]
    feet: NDArray[np.intp]
    upstrokes: NDArray[np.float64]
    heights: NDArray[np.float64]
    likeness: NDArray[np.float64]
    mean: NDArray[np.float64]
    whole: int

    @property
    def normal(self) -> NDArray[np.bool_]:
        """Mask of pulses that are alike the mean pulse, or end too late to tell, shape (N,)."""
        return ~(self.likeness < ALIKE)


@shared
def pulses(window: Window) -> Pulses:
    """Pulses of the channel whose pulses are most alike."""
    found = [_pulses_of(window, row) for row in range(len(signals(window).rows))]
    return max(found, key=_likeness) if found else _none(-1)


def _none(row: int) -> Pulses:
    empty, index = np.empty(0), np.empty(0, np.intp)
    return Pulses(row, index, index, empty, empty, empty, empty, 0)


def _likeness(found: Pulses) -> float:
    some = found.likeness[np.isfinite(found.likeness)]
    return float(np.mean(some)) * min(len(some), 5) if len(some) else -1.0


def find_peaks(x: NDArray[np.floating], sfreq: float) -> NDArray[np.intp]:
    """Systolic peaks by two moving averages of the squared positive half: Elgendi et al. 2013.

    Parameters
    ----------
    x : ndarray, shape (T,)
        PPG in `PULSE_BAND`.
    sfreq : float
        Sampling rate in Hz.
    """
    square = np.square(np.maximum(x, 0.0), dtype=np.float64)
    square = np.minimum(square, BURST * _typical_largest(square, sfreq))
    if not square.any():
        return np.empty(0, np.intp)
    systole = uniform_filter1d(square, max(round(SYSTOLE * sfreq), 1), mode="constant")
    beat = uniform_filter1d(square, max(round(BEAT * sfreq), 1), mode="constant")
    edges = np.flatnonzero(np.diff(np.r_[False, systole > beat + OFFSET * square.mean(), False].astype(np.int8)))
    blocks = edges.reshape(-1, 2)
    blocks = blocks[blocks[:, 1] - blocks[:, 0] >= SYSTOLE * sfreq]
    peaks = np.array([start + np.argmax(x[start:stop]) for start, stop in blocks], np.intp)
    return peaks[x[peaks] >= LOWEST * np.percentile(x[peaks], 80)] if len(peaks) else peaks


def _typical_largest(square: NDArray[np.float64], sfreq: float) -> float:
    length = min(round(2 * sfreq), len(square))
    return float(np.median(square[: len(square) // length * length].reshape(-1, length).max(1)))


def _pulses_of(window: Window, row: int) -> Pulses:
    ppg = signals(window)
    rate, x, slow = ppg.sfreq, ppg.shape[row], ppg.pulse[row]
    peaks = find_peaks(slow, rate)
    lost = np.concatenate(([0], np.cumsum(~ppg.valid[row])))
    rise = round(RISE * rate)
    feet, tops = [], []
    for before, peak in zip(np.r_[-rise, peaks[:-1]], peaks, strict=True):
        first = max(peak - rise, before + 1, 0)
        foot = first + int(np.argmin(x[first : peak + 1]))
        top = foot + int(np.argmax(x[foot : peak + round(0.08 * rate) + 1]))
        if top - foot >= 2 and foot > 0 and lost[foot] == lost[top + 1]:
            feet.append(foot)
            tops.append(top)
    if not tops:
        return _none(row)
    begin, peak = np.array(feet, np.intp), np.array(tops, np.intp)
    slope = np.gradient(x.astype(np.float64))
    steep = np.array([a + int(np.argmax(slope[a : b + 1])) for a, b in zip(begin, peak, strict=True)], np.intp)
    upstrokes = steep + _vertex(slope, steep)
    heights = (x[peak] - x[begin]).astype(np.float64)
    ends = np.r_[begin[1:], len(x)]
    complete = np.r_[np.ones(len(begin) - 1, bool), False]
    complete &= (ends - begin < 2.2 * rate) & (lost[np.minimum(ends, len(x))] == lost[begin])
    mean, likeness = _mean_pulse(x, begin, ends, upstrokes, complete)
    return Pulses(row, peak, begin, upstrokes, heights, likeness, mean, int(complete.sum()))


def _vertex(y: NDArray[np.float64], at: NDArray[np.intp]) -> NDArray[np.float64]:
    """Shift of the maxima of `y` near the samples `at`, by the parabola through three samples, −0.5 to 0.5."""
    at = np.clip(at, 1, len(y) - 2)
    bend = y[at - 1] - 2 * y[at] + y[at + 1]
    shift = np.divide(y[at - 1] - y[at + 1], 2 * bend, out=np.zeros(len(at)), where=bend < 0)
    return np.clip(shift, -0.5, 0.5)


def _mean_pulse(
    x: NDArray[np.floating],
    feet: NDArray[np.intp],
    ends: NDArray[np.intp],
    upstrokes: NDArray[np.float64],
    complete: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median of the complete pulses, each less the line between its feet and over its height; likeness (N,)."""
    likeness = np.full(len(feet), np.nan)
    if not complete.any():
        return np.empty(0), likeness
    a, b, rise = feet[complete], ends[complete], (upstrokes - feet)[complete]
    before, length = float(np.median(rise)), float(np.median(b - a))
    grid = np.arange(int(np.ceil(length)) + 1)
    times = (upstrokes[complete] - before)[:, None] + grid  # (complete, P)
    shapes = map_coordinates(x.astype(np.float64), times[None].clip(0, len(x) - 1), order=3, mode="nearest")
    along = (times - a[:, None]) / (b - a)[:, None]
    shapes -= x[a][:, None] + along * (x[np.minimum(b, len(x) - 1)] - x[a])[:, None]
    inside = (along >= 0) & (along <= 1)
    top = np.where(inside, shapes, -np.inf).max(1)
    kept = top > 0
    shapes = np.where(inside, shapes, 0.0) / np.where(kept, top, 1.0)[:, None]
    if not kept.any():
        return np.empty(0), likeness
    mean = np.median(shapes[kept], axis=0)
    centred, about = shapes - shapes.mean(1, keepdims=True), mean - mean.mean()
    size = np.sqrt((centred**2).sum(1) * (about**2).sum())
    alike = np.divide(centred @ about, size, out=np.zeros(len(shapes)), where=size > 0)
    likeness[complete] = np.where(kept, alike, 0.0)
    alike_enough = kept & (alike >= ALIKE)
    mean = np.median(shapes[alike_enough], axis=0) if alike_enough.any() else mean
    low = mean[: max(int(np.argmax(mean)), 1)].min()
    top_of_mean = mean.max()
    return (mean - low) / (top_of_mean - low) if top_of_mean > low else np.empty(0), likeness
