"""Input contracts that name their steps in order: filter, resample, cut, scale, each as the network's makers did it.

Shape letters: C channels, T samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from biosig.batches.ordered import OrderedContract
from biosig.batches.steps import STEPS, Signal, Step, run_steps
from biosig.batches.steps.resample import Resample
from biosig.batches.steps.window import Window
from biosig.errors import UsageError
from biosig.signal import bridge_gaps


@dataclass(frozen=True)
class SteppedContract(OrderedContract):
    """An ordered contract whose preparation is a list of steps; `normalisation`, `band` and `clip` play no part.

    Parameters
    ----------
    steps : tuple of Step
        In order. The last resampling, if there is one, ends at `sfreq`; without any, a recording of another rate is
        refused.
    longest : float
        Seconds; a longer window is refused.
    coupled : bool
        True if norms of the network run over all channels and seconds of a window, so that one channel more, a bad one,
        or another length changes every token of it. No window changes another.
    """

    steps: tuple[Annotated[Step, STEPS], ...] = ()
    longest: float = math.inf
    coupled: bool = False
    clip: float = math.inf
    normalisation: Literal["robust", "zscore", "window", "constant"] = "constant"

    def __post_init__(self) -> None:
        super().__post_init__()
        rates = [step.sfreq for step in self.steps if isinstance(step, Resample)]
        if rates and rates[-1] != self.sfreq:
            raise UsageError(f"The last step resamples to {rates[-1]:g} Hz; the contract's rate is {self.sfreq:g} Hz.")
        if sum(isinstance(step, Window) for step in self.steps) > 1:
            raise UsageError("The steps cut the window twice: leave one cut.")

    @property
    def cut(self) -> int:
        """Number of steps before the cut of the window."""
        return next((i for i, step in enumerate(self.steps) if isinstance(step, Window)), 0)

    @property
    def context(self) -> float:
        """Seconds of the recording on either side of the window that the steps before the cut see."""
        cut = self.steps[self.cut] if self.cut else None
        return cut.context if isinstance(cut, Window) else 0.0

    def run(self, values: NDArray[np.floating], sfreq: float, done: int = 0, stop: int | None = None) -> Signal:
        """Values (C, T) in the contract's unit, NaN where they are none, after the steps from `done` to `stop`.

        Raises
        ------
        UsageError
            If the rate is not what the steps need.
        """
        x = np.asarray(values, np.float64)
        signal = run_steps(Signal(bridge_gaps(x), np.isfinite(x), sfreq), self.steps[done:stop])
        if stop is None and signal.sfreq != self.sfreq:
            raise UsageError(
                f"The recording has {sfreq:g} Hz, and the model takes {self.sfreq:g} Hz and no other: resample it as "
                "you see fit, or choose another model."
            )
        return signal

    def check_length(self, seconds: float, where: str) -> None:
        """Refuse a window of a length that the network does not take; see `OrderedContract.check_length`."""
        super().check_length(seconds, where)
        if self.any_length and seconds > self.longest + 0.5 / self.sfreq:
            raise UsageError(
                f"{where} lasts {seconds:g} s, and the model takes windows of up to {self.longest:g} s: cut shorter "
                "ones."
            )


def describe_steps(steps: Sequence[Step]) -> str:
    """All steps in order, for tables: "notch 50 Hz → Butterworth 4 0.67–40 Hz"."""
    return " → ".join(step.describe() for step in steps) or "as recorded"
