"""Samples in a shard: one dataset for all streams of a type and width, read a window at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from biosig.lazy_samples import LazySamples
from biosig.shards import spec
from biosig.shards.file import ShardFile


class SampleDataset:
    """A dataset under ``/samples`` through h5py's low-level calls: its indexing costs half as much as decoding."""

    def __init__(self, file: ShardFile, name: str) -> None:
        self.id = file.dataset(f"samples/{name}")
        self.dtype: np.dtype[Any] = self.id.dtype
        if len(self.id.shape) != 2 or spec.samples_name(self.dtype, self.id.shape[0]) != name:
            raise file.contradiction(f"samples/{name}")
        self.n_chans, self.n_times = map(int, self.id.shape)
        self._type = h5py.h5t.py_create(self.dtype)  # named, or every read works it out anew: a tenth of its time
        self._lock = threading.Lock()  # guards the selection; HDF5 itself reads one at a time
        self._file_space = self.id.get_space()
        self._memory_space = self._file_space
        self._memory_shape = (self.n_chans, -1)

    def read(self, start: int, n_times: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Samples of shape (C, n_times) from position `start`, in `out` where it is given."""
        shape = (self.n_chans, n_times)
        samples = np.empty(shape, self.dtype) if out is None else out
        if n_times:
            with self._lock:
                if shape != self._memory_shape:
                    self._memory_shape, self._memory_space = shape, h5py.h5s.create_simple(shape)
                self._file_space.select_hyperslab((0, start), shape)
                self.id.read(self._memory_space, self._file_space, samples, self._type)
        return samples


class StoredSamples(LazySamples):
    """One stream of a shard, read when a part of it is asked for.

    Parameters
    ----------
    shape, dtype
        As of `LazySamples`.
    read : callable
        Gives samples (start, stop).
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any], read: Callable[[int, int], NDArray[Any]]) -> None:
        super().__init__(shape, dtype)
        self._read = read

    def read(self, start: int, stop: int) -> NDArray[Any]:  # noqa: D102  (as of LazySamples)
        return self._read(start, stop)
