"""Processed samples of a long stream on their way to the shard: in a temporary file, quantised when they are read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.lazy import LazySamples

LEVELS = 2**15 - 1
"""Steps of int16 from zero to a channel's largest absolute value."""


def steps_for(largest: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The size of one int16 step per channel, given its largest absolute value, both of shape (C,)."""
    return np.where(largest > 0, largest / LEVELS, 1.0).astype(np.float64)


def quantise(values: NDArray[np.float32], steps: NDArray[np.float64]) -> NDArray[np.int16]:
    """Values (C, T) as multiples of each channel's step."""
    scaled = values / steps[:, None].astype(np.float32)
    return np.rint(scaled, out=scaled).astype(np.int16)


class SpooledSamples(LazySamples):
    """int16 samples of shape (C, T) whose float32 values lie in a file, moment by moment.

    Parameters
    ----------
    path : Path
        The values, one moment's channels after another's.
    n_times : int
        Moments.
    steps : ndarray of float64, shape (C,)
        The physical size of one int16 step.
    """

    def __init__(self, path: Path, n_times: int, steps: NDArray[np.float64]) -> None:
        super().__init__((len(steps), n_times), np.int16)
        self._path, self._steps = path, steps

    def read(self, start: int, stop: int) -> NDArray[np.int16]:
        """Samples `start` to `stop` of every channel."""
        n_chans = len(self._steps)
        count = (stop - start) * n_chans
        values = np.fromfile(self._path, np.float32, count, offset=start * n_chans * 4)
        if len(values) < count:
            raise UnreadableError(f"{self._path} was cut short while it was read: ingest the recording again.")
        return quantise(np.ascontiguousarray(values.reshape(-1, n_chans).T), self._steps)


class Spool:
    """Takes values block by block, and keeps account of the largest in each channel.

    Parameters
    ----------
    folder : Path
        Where the file is made; whoever made the folder removes it.
    n_chans : int
        Channels.
    """

    def __init__(self, folder: Path, n_chans: int) -> None:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".f32", delete=False) as file:
            self._path = Path(file.name)
        self._largest = np.zeros(n_chans)
        self._n_times = 0

    def append(self, values: NDArray[np.float32]) -> None:
        """Take the next values, shape (C, T)."""
        self._largest = np.maximum(self._largest, largest_of(values))
        self._n_times += values.shape[1]
        with self._path.open("ab") as file:
            np.ascontiguousarray(values.T).tofile(file)

    def finish(self) -> tuple[SpooledSamples, NDArray[np.float64]]:
        """All samples, and the physical size of one step per channel."""
        steps = steps_for(self._largest)
        return SpooledSamples(self._path, self._n_times, steps), steps


def largest_of(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest absolute value per channel of (C, T), T > 0."""
    return np.maximum(values.max(axis=1), -values.min(axis=1))
