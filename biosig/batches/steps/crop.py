"""The first seconds of a window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from biosig.batches.steps import STEPS, Signal, Step


@STEPS.register
@dataclass(frozen=True)
class Crop(Step):
    """Keep the first `seconds`; a shorter window stays as it is."""

    name: ClassVar[str] = "crop"
    seconds: float

    def __call__(self, signal: Signal) -> Signal:
        """The first part."""
        n_times = round(self.seconds * signal.sfreq)
        return replace(signal, values=signal.values[:, :n_times], valid=signal.valid[:, :n_times])

    def describe(self) -> str:
        """The phrase."""
        return f"the first {self.seconds:g} s"
