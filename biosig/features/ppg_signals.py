"""The PPG channels of a window as features measure them: at one rate, in the band of pulses.

Shape letters: S channels that can be measured, T samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from biosig.features.window import Window, shared
from biosig.signal import bandpass, bridge_gaps, resample

RATE = 125.0
"""Hz, about; the exact rate is the nearest that the recording's own can be brought to."""

PULSE_BAND = (0.5, 8.0)
"""Hz, in which pulses are found (Elgendi et al., PLoS ONE 2013; 8:e76585)."""

SHAPE_BAND = (0.4, 15.0)
"""Hz, in which the pulse's shape is measured: wide enough for the waves of its second derivative."""

LARGEST_GAP_SHARE = 0.5
"""A channel that lacks more of its samples than this, or that does not vary, is not measured."""

SHORTEST = 1.0
"""Seconds: a pulse at 60 per minute."""


@dataclass(frozen=True, eq=False)
class Signals:
    """Channels that can be measured.

    Parameters
    ----------
    raw : ndarray of float32, shape (S, T)
        Not filtered; gaps are bridged by straight lines.
    shape : ndarray of float32, shape (S, T)
        In `SHAPE_BAND`.
    pulse : ndarray of float32, shape (S, T)
        In `PULSE_BAND`.
    valid : ndarray of bool, shape (S, T)
        False inside gaps.
    sfreq : float
        Sampling rate in Hz, about `RATE`.
    rows : ndarray of int, shape (S,)
        Their rows among the channels of the window.
    """

    raw: NDArray[np.float32]
    shape: NDArray[np.float32]
    pulse: NDArray[np.float32]
    valid: NDArray[np.bool_]
    sfreq: float
    rows: NDArray[np.intp]


@shared
def signals(window: Window) -> Signals:
    """The window's usable channels."""
    some = window.n_times >= max(SHORTEST * window.sfreq, 8) and window.sfreq > 4 * PULSE_BAND[0]
    rows = np.array([row for row, x in enumerate(window.x) if some and _is_usable(x)], np.intp)
    rate = window.sfreq * float(Fraction(RATE / window.sfreq).limit_denominator(100))
    if not len(rows) or not rate:
        none = np.empty((0, 0), np.float32)
        return Signals(none, none, none, none.astype(bool), RATE, rows[:0])
    x = window.x[rows]
    raw = resample(x, window.sfreq, rate) if rate != window.sfreq else x
    valid = np.isfinite(raw)
    raw = raw if valid.all() else bridge_gaps(raw)
    highest = 0.45 * min(rate, window.sfreq)
    shape, pulse = (bandpass(raw, rate, low, min(high, highest)) for low, high in (SHAPE_BAND, PULSE_BAND))
    return Signals(raw, shape, pulse, valid, rate, rows)


def _is_usable(x: NDArray[np.float32]) -> bool:
    some = x[np.isfinite(x)]
    return bool(len(some) >= (1 - LARGEST_GAP_SHARE) * len(x) and len(some) and some.max() > some.min())


def per_channel(window: Window, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Values of the usable channels (S,) as one per channel of the window (C,), NaN for the others."""
    out = np.full(len(window.ch_names), np.nan)
    out[signals(window).rows] = values
    return out
