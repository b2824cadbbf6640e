"""Steps of preparation: changes of a window's channels, one after the other, before a network reads them.

A contract names its steps in order, since filter → resample and resample → filter are other numbers. A file here holds
one kind of step, a frozen dataclass chosen by its `name`; another package adds one through the entry-point group
``biosig.steps``.

Shape letters: C channels, T samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig.registry import Registry


@dataclass(frozen=True)
class Signal:
    """Channels of a window on their way through the steps."""

    values: NDArray[np.float64]  # (C, T), finite: gaps are bridged by a straight line
    valid: NDArray[np.bool_]  # (C, T), False where the recording has no real value
    sfreq: float  # Hz


class Step(ABC):
    """One thing that is done to all channels of a window."""

    name: ClassVar[str]
    """Name in configurations: ``steps: [{name: notch, freq: 50}]``."""

    @abstractmethod
    def __call__(self, signal: Signal) -> Signal:
        """The signal after the step."""

    @abstractmethod
    def describe(self) -> str:
        """Phrase for tables: "notch 50 Hz"."""


STEPS: Registry[type[Step]] = Registry("step", "biosig.steps", __name__)


def run_steps(signal: Signal, steps: Sequence[Step]) -> Signal:
    """The signal after all steps, in their order."""
    for step in steps:
        signal = step(signal)
    return signal
