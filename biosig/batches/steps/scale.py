"""Scales: z-score, min–max, percentile, divisor, for each channel or for all channels jointly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from biosig.batches.steps import STEPS, Signal, Step


@STEPS.register
@dataclass(frozen=True)
class Scale(Step):
    """Values brought to a size, by the input of the step: the window if it comes after the cut, else the recording.

    Parameters
    ----------
    kind : {"zscore", "minmax", "percentile", "divisor"}
        "zscore": less the mean, over the deviation. "minmax": to 0 … 1. "percentile": over that percentile of the
        absolute values. "divisor": over `by`, in the contract's unit.
    over : {"channel", "joint"}
        True if each channel has a scale of its own; else all share one, so that the ratios between leads survive.
    by : float
        The percentile, or the divisor.
    eps : float
        Added to the divisor.
    """

    name: ClassVar[str] = "scale"
    kind: Literal["zscore", "minmax", "percentile", "divisor"]
    over: Literal["channel", "joint"] = "channel"
    by: float = 1.0
    eps: float = 0.0

    def __call__(self, signal: Signal) -> Signal:
        """The scaled signal; a channel without any size becomes zeros."""
        x = signal.values
        axis = -1 if self.over == "channel" else None
        if self.kind == "divisor":
            return replace(signal, values=x / self.by)
        if not x.size:
            return signal
        if self.kind == "zscore":
            start, size = x.mean(axis, keepdims=True), x.std(axis, keepdims=True)
        elif self.kind == "minmax":
            start = x.min(axis, keepdims=True)
            size = x.max(axis, keepdims=True) - start
        else:
            start, size = np.float64(0), np.percentile(np.abs(x), self.by, axis, keepdims=True)
        size = size + self.eps
        return replace(signal, values=np.divide(x - start, size, out=np.zeros_like(x), where=size > 0))

    def describe(self) -> str:
        """The phrase."""
        if self.kind == "divisor":
            return f"over {self.by:g}"
        of = "of each channel" if self.over == "channel" else "of all channels jointly"
        kind = {"zscore": "z-score", "minmax": "min–max to 0 … 1"}.get(self.kind, f"over percentile {self.by:g}")
        return f"{kind} {of}"
