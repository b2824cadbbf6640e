"""Moving average, forwards and backwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy import signal as scipy_signal

from biosig.batches.steps import STEPS, Signal, Step


@STEPS.register
@dataclass(frozen=True)
class Smooth(Step):
    """A moving average of `seconds`, zero-phase.

    Parameters
    ----------
    seconds : float
        Its length, in whole samples (half to even).
    slowest : float
        Rate in Hz below which nothing is averaged.
    """

    name: ClassVar[str] = "smooth"
    seconds: float
    slowest: float = 0.0

    def __call__(self, signal: Signal) -> Signal:
        """The averaged signal."""
        n = round(self.seconds * signal.sfreq)
        if signal.sfreq < self.slowest or n < 2:
            return signal
        n_pad = min(3 * n, signal.values.shape[-1] - 1)
        return replace(signal, values=scipy_signal.filtfilt(np.full(n, 1 / n), 1, signal.values, padlen=n_pad))

    def describe(self) -> str:
        """The phrase."""
        return f"moving average of {self.seconds:g} s, both ways"
