"""Processed values as integers: int16 where its steps are fine enough for the signal, else int32, which keeps it.

One step of int16 is a channel's largest absolute value / 32767. One electrode pop of 200 mV would leave an EEG of 12 µV
two steps, and so would a large offset that no filter has taken away: where a step would be coarser than a hundredth of
the channel's robust scale, the channel is counted from the middle of its range, and if that is not enough, the stream
becomes int32. Rounding then adds less than 0.3 % of the signal's scale, whatever happened beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.signal import channel_scales
from ingest.preprocess.amplitude import MEASURED, spread

LEVELS = 2**15 - 1
"""Steps of int16 from zero to a channel's largest absolute value."""

FINE = 100
"""Steps that a channel's robust scale must have at least."""

_LEVELS_OF_FLOAT32 = 2**23 - 1
"""More steps than values of float32 can tell apart are of no use."""

_FEWEST = 2**8
_EVERY = 16
"""Few moments tell whether a step is fine; a long recording has channels that are valid for a small part of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantiser:
    """Turns physical values into integers: physical = integer * step + offset.

    Parameters
    ----------
    dtype : dtype
        int16 or int32.
    steps, offset : ndarray of float64, shape (C,)
        Per channel; an offset is a whole number of steps, as file formats want it.
    whole : bool
        True if no value is NaN.
    n_coarse : int
        Channels for which one step of the largest absolute value / 32767 would be too coarse.
    """

    dtype: np.dtype[Any]
    steps: NDArray[np.float64]
    offset: NDArray[np.float64]
    whole: bool
    n_coarse: int

    @property
    def history(self) -> list[str]:
        """Sentences for a recording's history."""
        sentences = [f"quantised to {self.dtype}, one step = a channel's largest absolute value / {LEVELS}"]
        if self.n_coarse:
            sentences.append(
                f"values far beside the signal: {self.n_coarse} of {len(self.steps)} channels counted from the middle "
                f"of their range, one step = half of it / {LEVELS - 1}, or robust scale / {FINE} where that is finer"
            )
        return sentences

    def __call__(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Integers for values (C, T); 0 where they are NaN."""
        shifted = (values - self.offset[:, None]).astype(np.float32) if self.offset.any() else values
        scaled = shifted / self.steps[:, None].astype(np.float32)
        np.rint(scaled, out=scaled)
        if not self.whole:
            scaled[np.isnan(scaled)] = 0
        return scaled.astype(self.dtype)


class Extent:
    """Keeps account of the values of a stream, block by block, to find the quantiser that suits all of them.

    Parameters
    ----------
    n_chans, n_times : int
        Of the whole stream, n_times > 0.
    """

    def __init__(self, n_chans: int, n_times: int) -> None:
        self._lowest, self._highest = np.full(n_chans, np.inf), np.full(n_chans, -np.inf)
        self._times = spread(n_times, min(_FEWEST + n_times // _EVERY, MEASURED))
        self._measured: list[NDArray[np.float32]] = []
        self._n_times = 0
        self._whole = True

    def add(self, values: NDArray[np.float32], whole: bool) -> None:
        """Take the next values, shape (C, T), T > 0; `whole` if none is NaN."""
        low, high = (np.min, np.max) if whole else (np.fmin.reduce, np.fmax.reduce)
        self._lowest = np.fmin(self._lowest, low(values, axis=1))
        self._highest = np.fmax(self._highest, high(values, axis=1))
        stop = self._n_times + values.shape[1]
        here = self._times[slice(*np.searchsorted(self._times, (self._n_times, stop)))] - self._n_times
        self._measured.append(values if len(here) == values.shape[1] else values[:, here])
        self._n_times = stop
        self._whole &= whole

    def quantiser(self) -> Quantiser:
        """The quantiser for all values taken."""
        empty = self._lowest > self._highest
        lowest, highest = np.where(empty, 0, self._lowest), np.where(empty, 0, self._highest)
        measured = self._measured[0] if len(self._measured) == 1 else np.concatenate(self._measured, axis=1)
        enough = np.nan_to_num(channel_scales(measured), nan=np.inf) / FINE
        steps = _steps(np.maximum(highest, -lowest), LEVELS)
        offset = np.zeros(len(steps))
        dtype: np.dtype[Any] = np.dtype(np.int16)
        coarse = steps > enough
        if coarse.any():
            half = (highest - lowest) / 2
            steps[coarse] = _steps(half, LEVELS - 1)[coarse]  # the middle itself is rounded to a step
            wide = steps > enough
            if wide.any():
                dtype = np.dtype(np.int32)
                steps[wide] = np.maximum(enough, _steps(half, _LEVELS_OF_FLOAT32 - 1))[wide]
            offset[coarse] = (np.rint((highest + lowest) / 2 / steps) * steps)[coarse]
        return Quantiser(dtype, steps, offset, self._whole, int(coarse.sum()))


def _steps(largest: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    return np.where(largest > 0, largest / levels, 1.0)
