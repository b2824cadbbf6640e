"""Gaps that a network's makers filled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from biosig.batches.steps import STEPS, Signal, Step


@STEPS.register
@dataclass(frozen=True)
class Repair(Step):
    """Single samples without a real value become `value`; a channel without any real sample stays a missing one."""

    name: ClassVar[str] = "repair"
    value: float = 0.0

    def __call__(self, signal: Signal) -> Signal:
        """The signal with its gaps filled."""
        has_samples = signal.valid.any(axis=-1, keepdims=True)  # (C, 1)
        values = np.where(signal.valid, signal.values, self.value)
        return replace(signal, values=values, valid=np.broadcast_to(has_samples, signal.valid.shape))

    def describe(self) -> str:
        """The phrase."""
        return f"gaps become {self.value:g}"
