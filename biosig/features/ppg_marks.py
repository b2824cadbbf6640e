"""Pulses of a PPG as annotations."""

from __future__ import annotations

from biosig.features.marks import Mark
from biosig.features.ppg_pulses import pulses
from biosig.features.ppg_signals import signals
from biosig.features.window import Window


def marks(window: Window) -> list[Mark]:
    """A mark "peak" for every pulse and a mark "pulse" for every pulse that ends inside the window.

    Their score is the pulse's correlation with the mean pulse, at least 0; that of a peak without a whole pulse is 0.5.
    """
    found, rate = pulses(window), signals(window).sfreq
    feet, peaks = window.onset + found.feet / rate, window.onset + found.peaks / rate
    marked = []
    for i, likeness in enumerate(found.likeness):
        whole = likeness == likeness
        score = max(float(likeness), 0.0) if whole else 0.5
        marked.append(Mark(float(peaks[i]), 0.0, "peak", score))
        if whole:
            marked.append(Mark(float(feet[i]), float(feet[i + 1] - feet[i]), "pulse", score))
    return marked
