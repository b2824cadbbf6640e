"""A dataset of samples that grows along time while a shard is written, and the filter that suits its first chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from biosig.shards import spec

_AT_ONCE = 2**20  # bytes that are written together, where recordings are small: each call of HDF5 takes its time


class GrowingSamples:
    """One dataset of samples that grows along time and is written in whole chunks, each compressed once.

    Parameters
    ----------
    file : h5py.File
        Open for writing.
    name : str
        Of the dataset, such as "samples/int16x12".
    dtype : dtype
        Of the samples.
    n_chans : int
        Rows.
    block : int
        Samples per channel in a chunk.
    codec : mapping
        HDF5's filter, from `best_codec`.
    """

    def __init__(
        self, file: h5py.File, name: str, dtype: np.dtype[Any], n_chans: int, block: int, codec: Mapping[str, Any]
    ) -> None:
        self._dataset = file.create_dataset(
            name,
            shape=(n_chans, 0),
            maxshape=(n_chans, None),
            chunks=(n_chans, block),
            dtype=dtype.newbyteorder("<"),
            fletcher32=True,
            **codec,
        )
        self._block = block
        self._waiting = np.empty((n_chans, max(_AT_ONCE // (n_chans * dtype.itemsize * block), 1) * block), dtype)
        self._n_waiting = 0
        self._n_written = 0

    @property
    def position(self) -> int:
        """Place of the next sample."""
        return self._n_written + self._n_waiting

    def append(self, samples: NDArray[Any]) -> None:
        """Take samples of shape (C, T); the last ones wait in memory."""
        while samples.shape[1]:
            room = self._waiting.shape[1]
            if not self._n_waiting and samples.shape[1] >= room:
                n = samples.shape[1] // room * room
                self._write(samples[:, :n])
            else:
                n = min(room - self._n_waiting, samples.shape[1])
                self._waiting[:, self._n_waiting : self._n_waiting + n] = samples[:, :n]
                self._n_waiting += n
                if self._n_waiting == room:
                    self.flush()
            samples = samples[:, n:]

    def rewind(self, position: int) -> None:
        """Forget the samples from `position` on."""
        if position < self._n_written:
            whole = position - position % self._block
            self._waiting[:, : position - whole] = self._dataset[:, whole:position]
            self._dataset.resize(whole, axis=1)
            self._n_written = whole
        self._n_waiting = position - self._n_written

    def flush(self) -> None:
        """Write the waiting samples; they may end within a chunk only if nothing comes after them."""
        self._write(self._waiting[:, : self._n_waiting])
        self._n_waiting = 0

    def _write(self, samples: NDArray[Any]) -> None:
        if samples.size:
            stop = self._n_written + samples.shape[1]
            self._dataset.resize(stop, axis=1)
            self._dataset[:, self._n_written : stop] = samples
            self._n_written = stop


def best_codec(samples: NDArray[Any], compression: str) -> Mapping[str, Any]:
    """The HDF5 filter that stores a first chunk (C, T) in the fewest bytes, or none if none is worth its time."""
    codecs = spec.codecs(compression)
    if not samples.size:
        return codecs[0]
    sizes = []
    with h5py.File("trial", "w", driver="core", backing_store=False) as trial:
        for number, codec in enumerate(codecs):
            dataset = trial.create_dataset(str(number), data=samples, chunks=samples.shape, **codec)
            sizes.append(dataset.id.get_storage_size())
    return codecs[sizes.index(min(sizes))] if min(sizes) <= spec.WORTHWHILE[compression] * samples.nbytes else {}
