"""Limits that values are cut to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from biosig.batches.steps import STEPS, Signal, Step


@STEPS.register
@dataclass(frozen=True)
class Clip(Step):
    """Values limited to ± `limit`."""

    name: ClassVar[str] = "clip"
    limit: float

    def __call__(self, signal: Signal) -> Signal:
        """The limited signal."""
        return replace(signal, values=np.clip(signal.values, -self.limit, self.limit))

    def describe(self) -> str:
        """The phrase."""
        return f"clip at ± {self.limit:g}"
