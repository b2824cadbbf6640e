"""Windows that a network's makers threw away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from biosig.batches.steps import STEPS, Signal, Step


@STEPS.register
@dataclass(frozen=True)
class Reject(Step):
    """A window in which any value reaches `limit` has no real value: no vector is made of it.

    Parameters
    ----------
    limit : float
        On either side of 0, in what the values are when they arrive: the contract's unit before a scale.
    """

    name: ClassVar[str] = "reject"
    limit: float

    def __call__(self, signal: Signal) -> Signal:
        """The signal, all of it valid as before or none of it."""
        if np.abs(signal.values).max(initial=0.0) < self.limit:
            return signal
        return replace(signal, valid=np.zeros_like(signal.valid))

    def describe(self) -> str:
        """The phrase."""
        return f"no vector where a value reaches {self.limit:g}"
