"""The mean pulse of a PPG as a target."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig import __version__
from biosig.features.ppg_pulses import pulses
from biosig.features.window import window_of
from biosig.pretrain.targets import TARGETS, TargetMaker
from biosig.recording import Recording

N_PHASES = 64


@TARGETS.register
class MeanPulseTarget(TargetMaker):
    """The mean pulse at 64 phases from foot to foot, between 0 and 1."""

    name: ClassVar[str] = "mean_pulse"
    kinds: ClassVar[tuple[str, ...]] = ("ppg",)
    shape: ClassVar[tuple[int, ...]] = (N_PHASES,)
    columns: ClassVar[tuple[str, ...]] = ()

    @property
    def version(self) -> str:
        """The version of this package, whose features find the pulses."""
        return __version__

    def __call__(self, recording: Recording) -> NDArray[np.float32] | None:
        """The pulse of one window; None without a whole one."""
        window = window_of(recording, "ppg")
        mean = pulses(window).mean if window is not None and window.n_times else np.empty(0)
        if len(mean) < 2:
            return None
        phases = np.linspace(0, len(mean) - 1, N_PHASES)
        return np.interp(phases, np.arange(len(mean)), mean).astype(np.float32)
