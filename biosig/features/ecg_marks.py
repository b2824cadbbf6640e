"""Beats and waves of an ECG as annotations."""

from __future__ import annotations

import numpy as np

from biosig.features.ecg_beats import beats
from biosig.features.ecg_leads import leads
from biosig.features.ecg_median import median_beat
from biosig.features.ecg_waves import waves
from biosig.features.marks import Mark
from biosig.features.window import Window


def marks(window: Window) -> list[Mark]:
    """A mark "beat" for every beat; "P", "QRS" and "T" for the beats of the commonest shape.

    Their limits are those of the median beat about each of them: over all leads of the window, the earliest onset and
    the latest end. A beat's score is its size over the typical one, at most 1; that of a QRS the likeness of the beat
    with the median beat; P and T have those of `biosig.features.ecg_waves.Waves`.
    """
    rate, beat, found = leads(window).sfreq, median_beat(window), waves(window)
    duration = window.n_times / window.sfreq
    marked = [
        Mark(window.onset + sample / rate, 0.0, "beat", float(min(strength, 1.0)))
        for sample, strength in zip(beat.samples, beats(window).strength, strict=True)
    ]
    if found is None:
        return marked
    for sample, likeness in zip(beat.samples[beat.common], beat.likeness[beat.common], strict=True):
        limits = (("P", found.p, found.p_score), ("QRS", found.qrs, likeness), ("T", found.t, found.t_score))
        for label, (start, stop), score in limits:
            onset = sample / rate + start
            if np.isfinite(start) and np.isfinite(stop) and onset >= 0 and sample / rate + stop <= duration:
                marked.append(Mark(window.onset + onset, stop - start, label, float(score)))
    return marked
