"""Zeros on both sides of a window that is too short."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from biosig.batches.steps import STEPS, Signal, Step


@STEPS.register
@dataclass(frozen=True)
class Pad(Step):
    """Zeros up to `seconds`, half of them in front (the smaller half); they count as real values, as in training."""

    name: ClassVar[str] = "pad"
    seconds: float

    def __call__(self, signal: Signal) -> Signal:
        """The signal with its zeros."""
        lacks = max(round(self.seconds * signal.sfreq) - signal.values.shape[-1], 0)
        width = ((0, 0), (lacks // 2, lacks - lacks // 2))
        return replace(
            signal, values=np.pad(signal.values, width), valid=np.pad(signal.valid, width, constant_values=True)
        )

    def describe(self) -> str:
        """The phrase."""
        return f"zeros on both sides up to {self.seconds:g} s"
