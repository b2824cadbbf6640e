"""Examples for networks that identify channels by their place: windows prepared for the network's own contract.

Shape letters: B windows, C channels, T samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from biosig.batches.contract import PreparedStream
from biosig.downstream.baselines.models.eeg_network import site_weights
from biosig.downstream.baselines.models.signal_batch import SignalBatch
from biosig.downstream.data.mixup import MixupDraw, draw
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.evaluate.splits import Rows


class Laid(NamedTuple):
    """One window with its channels at fixed places."""

    values: NDArray[np.float32]  # (C, T)
    present: NDArray[np.float32]  # (C,)
    measured: NDArray[np.bool_]  # (T,)


class SignalExamples(ABC):
    """Batches of windows, one modality at one rate.

    Parameters
    ----------
    windows : PreparedWindows
        All windows of the task.
    device : torch.device
        Device of the batches.
    """

    def __init__(self, windows: PreparedWindows, device: torch.device) -> None:
        self.windows, self.device = windows, device
        (self.contract,) = windows.contract.values()

    @abstractmethod
    def laid(self, streams: Sequence[PreparedStream], values: NDArray[np.float32], valid: NDArray[np.bool_]) -> Laid:
        """Put a window's channels at their places.

        Parameters
        ----------
        streams : sequence of PreparedStream
            The window.
        values, valid : ndarray, shape (R, T)
            All channels of the streams, in order, at their times.
        """

    def batch(self, rows: Sequence[int], mix: MixupDraw | None = None) -> Any:  # noqa: ARG002
        """A `SignalBatch` of at least one second; windows are not mixed."""
        laid = [self._laid(self.windows[row]) for row in rows]
        n_times = [window.values.shape[1] for window in laid]
        longest = max(*n_times, round(self.contract.sfreq))
        values = np.zeros((len(laid), len(laid[0].values), longest), np.float32)
        measured = np.zeros((len(laid), longest), np.float32)
        for i, window in enumerate(laid):
            values[i, :, : n_times[i]], measured[i, : n_times[i]] = window.values, window.measured
        present = np.stack([window.present for window in laid])
        tensors = (torch.from_numpy(x) for x in (values, present, measured, np.array(n_times)))
        return SignalBatch(*tensors).to(self.device)

    def draw_mix(self, rows: Sequence[int], rng: np.random.Generator) -> MixupDraw:
        """A mix without partners."""
        return draw([None] * len(rows), rng)

    def _laid(self, streams: Sequence[PreparedStream]) -> Laid:
        starts = [max(round(stream.onset * self.contract.sfreq), 0) for stream in streams]
        ends = [start + stream.values.shape[1] for start, stream in zip(starts, streams, strict=True)]
        shape = sum(len(stream.values) for stream in streams), max(ends, default=0)
        values, valid, row = np.zeros(shape, np.float32), np.zeros(shape, bool), 0
        for stream, start, end in zip(streams, starts, ends, strict=True):
            rows = slice(row, row + len(stream.values))
            values[rows, start:end], valid[rows, start:end] = stream.values, stream.valid
            row = rows.stop
        return self.laid(streams, values, valid)


class NamedExamples(SignalExamples):
    """Batches of windows with the channels at places by name.

    Parameters
    ----------
    windows, device
        As in `SignalExamples`.
    rows : ndarray of int64
        Windows of the training part, whose channels get a place. Other channels are not read.
    factor : float
        Multiplies the values.
    """

    def __init__(self, windows: PreparedWindows, device: torch.device, rows: Rows, factor: float = 1.0) -> None:
        super().__init__(windows, device)
        names = {name for row in rows.tolist() for stream in windows[row] for name in stream.ch_names}
        self.places, self.factor = {name: place for place, name in enumerate(sorted(names))}, factor

    def laid(self, streams: Sequence[PreparedStream], values: NDArray[np.float32], valid: NDArray[np.bool_]) -> Laid:
        """Put each channel at its place; of several channels of one name the last with a real value."""
        x = np.zeros((len(self.places), values.shape[1]), np.float32)
        real = np.zeros(x.shape, bool)
        for row, name in enumerate(name for stream in streams for name in stream.ch_names):
            if name in self.places and valid[row].any():
                x[self.places[name]], real[self.places[name]] = self.factor * values[row], valid[row]
        return Laid(x, np.asarray(real.any(axis=1), np.float32), np.asarray(real.any(axis=0)))


class SiteExamples(SignalExamples):
    """Batches of EEG of any montage as local averages about fixed sites, which `models.eeg_network` reads."""

    def laid(self, streams: Sequence[PreparedStream], values: NDArray[np.float32], valid: NDArray[np.bool_]) -> Laid:
        """Average the channels near each site, with the nearness of the nearest."""
        live = valid.any(axis=1)
        places = [place(stream) for stream in streams]
        position = np.concatenate([*places, np.empty((0, 3), np.float32)])[live]  # (R', 3)
        weights, nearness = site_weights(position)
        return Laid(weights @ values[live], nearness, np.asarray(valid.any(axis=0)))


def place(stream: PreparedStream) -> NDArray[np.float32]:
    """Positions of channels (R, 3): the electrode, or the point halfway between the two of a derivation."""
    derived = np.isfinite(stream.reference).all(axis=1, keepdims=True)
    return np.where(derived, (stream.position + stream.reference) / 2, stream.position)
