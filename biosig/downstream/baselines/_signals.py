"""Examples for networks that know channels by their place: windows at a contract of the network's own.

Shape letters: B windows, C channels, T samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from biosig.batches.contract import Prepared
from biosig.downstream.mixup import Mix, draw
from biosig.downstream.prepared import PreparedWindows
from biosig.evaluate.baselines.signal_batch import SignalBatch
from biosig.evaluate.splits import Rows


class Laid(NamedTuple):
    """One window with its channels in place."""

    values: NDArray[np.float32]  # (C, T)
    present: NDArray[np.float32]  # (C,)
    measured: NDArray[np.bool_]  # (T,)


class SignalExamples:
    """Batches of windows whose channels have places by name.

    Parameters
    ----------
    windows : PreparedWindows
        All windows of the task, one modality at one rate.
    rows : ndarray of int64
        Windows whose channels have a place: those of the training part. Others are not read.
    device : torch.device
        Where batches are put.
    factor : float
        Multiplies the values.
    """

    def __init__(self, windows: PreparedWindows, rows: Rows, device: torch.device, factor: float = 1.0) -> None:
        self.windows, self.device, self.factor = windows, device, factor
        ((self.modality, self.contract),) = windows.contract.items()
        names = {name for row in rows.tolist() for stream in windows[row] for name in stream.ch_names}
        self.places = {name: place for place, name in enumerate(sorted(names))}

    @property
    def n_chans(self) -> int:
        """C."""
        return len(self.places)

    def batch(self, rows: Sequence[int], mix: Mix | None = None) -> Any:  # noqa: ARG002
        """A `SignalBatch`, a second long at least; windows are not mixed."""
        laid = [self.laid(self.windows[row]) for row in rows]
        n_times = [window.values.shape[1] for window in laid]
        longest = max(*n_times, round(self.contract.sfreq))
        values = np.zeros((len(laid), self.n_chans, longest), np.float32)
        measured = np.zeros((len(laid), longest), np.float32)
        for i, window in enumerate(laid):
            values[i, :, : n_times[i]], measured[i, : n_times[i]] = window.values, window.measured
        present = np.stack([window.present for window in laid])
        tensors = (torch.from_numpy(x) for x in (values, present, measured, np.array(n_times)))
        return SignalBatch(*tensors).to(self.device)

    def draw_mix(self, rows: Sequence[int], rng: np.random.Generator) -> Mix:
        """No partners."""
        return draw([None] * len(rows), rng)

    def laid(self, window: Sequence[Prepared]) -> Laid:
        """The window's channels, each at its place."""
        starts = [max(round(stream.onset * self.contract.sfreq), 0) for stream in window]
        n_times = max((s + stream.values.shape[1] for s, stream in zip(starts, window, strict=True)), default=0)
        values = np.zeros((self.n_chans, n_times), np.float32)
        valid = np.zeros((self.n_chans, n_times), bool)
        for start, stream in zip(starts, window, strict=True):
            span = slice(start, start + stream.values.shape[1])
            for name, x, real in zip(stream.ch_names, stream.values, stream.valid, strict=True):
                if name in self.places and real.any():
                    values[self.places[name], span], valid[self.places[name], span] = self.factor * x, real
        return Laid(values, np.asarray(valid.any(axis=1), np.float32), np.asarray(valid.any(axis=0)))
