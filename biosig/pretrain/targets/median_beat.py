"""The median beat of twelve leads as a target."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig import __version__
from biosig.features.ecg_leads import leads
from biosig.features.ecg_median import BEFORE, WHOLE, median_beat
from biosig.features.window import window_of
from biosig.pretrain.augment.changes import LEADS
from biosig.pretrain.targets import TARGETS, TargetMaker
from biosig.recording import Recording
from biosig.signal import resample

SFREQ = 100.0
N_TIMES = round((WHOLE[1] - WHOLE[0]) * SFREQ)


@TARGETS.register
class MedianBeatTarget(TargetMaker):
    """The median beat (12 leads, 75 samples) at 100 Hz, from 0.3 s before the QRS; NaN of leads that are not there.

    It lies in the first half, in mV, where amplitudes can be believed, and else in the second, as recorded. The other
    half is NaN.
    """

    name: ClassVar[str] = "median_beat"
    kinds: ClassVar[tuple[str, ...]] = ("ecg",)
    shape: ClassVar[tuple[int, ...]] = (2, len(LEADS), N_TIMES)
    columns: ClassVar[tuple[str, ...]] = ("mV", "as recorded")

    @property
    def version(self) -> str:
        """The version of this package, whose features find the beats."""
        return __version__

    def __call__(self, recording: Recording) -> NDArray[np.float32] | None:
        """The beat of one window; None without a beat."""
        window = window_of(recording, "ecg")
        if window is None or not window.n_times:
            return None
        ecg = leads(window)
        rows = {name: row for row, name in enumerate(ecg.names) if name in LEADS}
        beat = median_beat(window) if rows else None
        if beat is None or not beat.n_beats:
            return None
        x = resample(beat.x.astype(np.float32), beat.sfreq, SFREQ)
        first = round((BEFORE + WHOLE[0]) * SFREQ)
        target = np.full(self.shape, np.nan, np.float32)
        for name, row in rows.items():
            target[0 if window.amplitude else 1, LEADS.index(name)] = x[row, first : first + N_TIMES]
        return target
