"""Pulse rate and its variability."""

from __future__ import annotations

import numpy as np

from biosig.features.intervals import (
    Intervals,
    autocorrelation_rate,
    intervals_between,
    variability,
    variability_columns,
)
from biosig.features.ppg_pulses import ELGENDI, pulses
from biosig.features.ppg_signals import signals
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window, shared


@shared
def intervals(window: Window) -> Intervals:
    """Intervals between upstrokes, none across a gap."""
    ppg, found = signals(window), pulses(window)
    valid = ppg.valid[found.signal] if found.signal >= 0 else np.empty(0, bool)
    return intervals_between(found.upstrokes, ppg.sfreq, valid, found.normal)


@feature(
    "ppg",
    Column("n_pulses", "1", "pulses found in the window", ELGENDI),
    Column("n_whole", "1", "pulses from foot to next foot without a gap: those behind the mean pulse"),
    Column("n_intervals", "1", "pulse intervals without a gap between their pulses"),
    Column("n_normal", "1", "pulse intervals of pulses like the mean pulse, within 15 % of the local median"),
    Column("rate", "1/min", "60000 / median pulse interval, from steepest rise to steepest rise", ELGENDI),
    Column("rate_autocorrelation", "1/min", "60 / lag of the largest autocorrelation in 0.5 to 8 Hz, 0.25 to 2 s"),
    Column("rate_agreement", "1", "rate / rate_autocorrelation: 2 or 1/2 where pulses count twice or half of them"),
    Column("rr_min", "ms", "shortest pulse interval"),
    Column("rr_max", "ms", "longest pulse interval"),
)  # fmt: skip
def rate(window: Window) -> Values:
    """Number of pulses and rate."""
    ppg, found, rr = signals(window), pulses(window), intervals(window).rr
    values = {
        "n_pulses": float(len(found.peaks)),
        "n_whole": float(found.whole),
        "n_intervals": float(len(rr)),
        "n_normal": float(intervals(window).normal.sum()),
    }
    if len(rr):
        by_lag = autocorrelation_rate(ppg.pulse[found.signal][: round(300 * ppg.sfreq)].astype(np.float64), ppg.sfreq)
        values |= {"rate": 60_000 / float(np.median(rr)), "rr_min": float(rr.min()), "rr_max": float(rr.max())}
        values |= {"rate_autocorrelation": by_lag, "rate_agreement": values["rate"] / by_lag}
    return values


@feature("ppg", *variability_columns("pulse interval"))
def pulse_variability(window: Window) -> Values:
    """Variability of the pulse intervals."""
    return variability(intervals(window))
