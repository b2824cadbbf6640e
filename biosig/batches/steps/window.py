"""The step at which the window is cut out of its recording."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from biosig.batches.steps import STEPS, Signal, Step


@STEPS.register
@dataclass(frozen=True)
class Window(Step):
    """The cut: steps before it see the recording around the window, steps after it see the window alone.

    Parameters
    ----------
    context : float
        Seconds of the recording on either side that the steps before see; inf = all of it. If there is less, as in an
        array that is given to `encode`, they see all that there is.
    """

    name: ClassVar[str] = "window"
    context: float = 0.0

    def __call__(self, signal: Signal) -> Signal:
        """The signal itself: the reader of the recording makes the cut."""
        return signal

    def describe(self) -> str:
        """The phrase."""
        if not self.context:
            return "cut the window"
        return f"cut the window (before: {'all' if math.isinf(self.context) else f'± {self.context:g} s'})"
