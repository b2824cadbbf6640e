"""Beats and waves of an ECG as annotations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from biosig.features.ecg_beats import beats
from biosig.features.ecg_leads import leads
from biosig.features.ecg_median import MedianBeat, average, median_beat
from biosig.features.ecg_waves import Waves, measure, waves
from biosig.features.marks import Mark
from biosig.features.window import Window

MOST_SHAPES = 24
"""Shapes besides the commonest whose waves are marked, the most frequent first; beats of any more have no waves."""

SHORTEST_P = 0.1
"""Seconds between the end of T and the QRS in which a P wave has room."""


def marks(window: Window) -> list[Mark]:
    """A mark "beat" for every beat, and "P", "QRS" and "T" by its shape.

    The limits are those of the median beat of all beats of one shape, set about each of them: over all leads of the
    window, the earliest onset and the latest end. A beat's score is its size over the typical one, at most 1; that of
    a QRS the likeness of the beat with its shape's median, and of a shape that occurs once, its size over the noise;
    P and T have those of `biosig.features.ecg_waves.Waves`. Where the T wave of the beat before leaves no room for a P
    wave, there is none.
    """
    rate, found = leads(window).sfreq, median_beat(window)
    duration = window.n_times / window.sfreq
    marked = [
        Mark(float(window.onset + sample / rate), 0.0, "beat", float(min(strength, 1.0)))
        for sample, strength in zip(found.samples, beats(window).strength, strict=True)
    ]
    for places, likeness, of_shape in _shapes(window):
        for sample, alike in zip(places, likeness, strict=True):
            limits = (
                ("P", of_shape.p, of_shape.p_score), ("QRS", of_shape.qrs, alike), ("T", of_shape.t, of_shape.t_score)
            )  # fmt: skip
            for label, (start, stop), score in limits:
                onset = sample / rate + start
                if np.isfinite(start) and np.isfinite(stop) and onset >= 0 and sample / rate + stop <= duration:
                    marked.append(Mark(float(window.onset + onset), stop - start, label, float(score)))
    return marked


def _shapes(window: Window) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64], Waves]]:
    """Samples of the beats of each shape, their likeness with it, and its waves; the commonest first."""
    ecg, common, usual = leads(window), median_beat(window), waves(window)
    if usual is None:
        return
    yield common.samples[common.common], common.likeness[common.common], usual
    every, rest = common.samples, common.samples[common.strange]
    if not len(rest):
        return
    rr = float(np.median(np.diff(every))) / ecg.sfreq
    for _ in range(MOST_SHAPES):
        shape = average(ecg, rest)
        if not np.isfinite(shape.likeness).any():
            return
        # the one that the median is taken of is of its shape, however noisy
        of_shape = shape.common if shape.common.any() else shape.likeness == np.nanmax(shape.likeness)
        places = shape.samples[of_shape]
        before = every[np.maximum(np.searchsorted(every, rest[of_shape]) - 1, 0)]
        t_before = usual.t[1] - float(np.median(rest[of_shape] - before)) / ecg.sfreq
        found = measure(shape, rr, t_before, common.noise)
        if found.qrs[0] - t_before < SHORTEST_P:
            found = replace(found, p=(np.nan, np.nan))
        yield places, shape.likeness[of_shape] if len(places) > 1 else np.array([_size(found, common)]), found
        rest = rest[~of_shape]
        if not len(rest):
            return


def _size(found: Waves, common: MedianBeat) -> float:
    """Evidence for a QRS that occurs once, 0 to 1: its power over the noise of the other beats, over all leads."""
    signal = (found.part(*found.qrs) ** 2).mean(1)
    noise = np.maximum(common.noise**2, 1e-6 * signal.max() + 1e-20)
    return float(np.clip(1 - 2 / max(float((signal / noise).mean()), 1e-9), 0, 1))
