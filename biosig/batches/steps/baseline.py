"""Baseline: a moving median that is taken away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.ndimage import median_filter

from biosig.batches.steps import STEPS, Signal, Step


@STEPS.register
@dataclass(frozen=True)
class Baseline(Step):
    """Each channel less its moving median.

    Parameters
    ----------
    seconds : float
        Length of the median; it spans the next odd number of samples, and beyond the ends the signal counts as 0, as
        in `scipy.signal.medfilt`.
    """

    name: ClassVar[str] = "baseline"
    seconds: float

    def __call__(self, signal: Signal) -> Signal:
        """The signal without its slow part."""
        size = int(self.seconds * signal.sfreq) // 2 * 2 + 1
        slow = median_filter(signal.values, size=(1, size), mode="constant", cval=0.0)
        return replace(signal, values=np.asarray(signal.values - slow))

    def describe(self) -> str:
        """The phrase."""
        return f"less the median of {self.seconds:g} s"
