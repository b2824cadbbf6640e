"""A dataset of samples that grows along time while a shard is written, and the filter that suits its first chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from biosig.shards import spec


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
        self._pending: NDArray[Any] = np.empty((n_chans, 0), dtype)
        self._n_written = 0

    @property
    def position(self) -> int:
        """Where the next sample will lie."""
        return self._n_written + self._pending.shape[1]

    def append(self, samples: NDArray[Any]) -> None:
        """Take samples of shape (C, T); what fills no chunk waits in memory."""
        if self._pending.size:
            samples = np.concatenate((self._pending, samples), axis=1)
        n_whole = samples.shape[1] - samples.shape[1] % self._block
        self._write(samples[:, :n_whole])
        self._pending = samples[:, n_whole:].copy()

    def rewind(self, position: int) -> None:
        """Forget the samples from `position` on."""
        if position >= self._n_written:
            self._pending = self._pending[:, : position - self._n_written]
            return
        whole = position - position % self._block
        self._pending = self._dataset[:, whole:position]
        self._n_written = whole
        self._dataset.resize(whole, axis=1)

    def flush(self) -> None:
        """Write what is left."""
        self._write(self._pending)

    def _write(self, samples: NDArray[Any]) -> None:
        if samples.size:
            stop = self._n_written + samples.shape[1]
            self._dataset.resize(stop, axis=1)
            self._dataset[:, self._n_written : stop] = samples
            self._n_written = stop


def best_codec(samples: NDArray[Any], compression: Mapping[str, Any]) -> Mapping[str, Any]:
    """The HDF5 filter that stores a first chunk (C, T) in the fewest bytes: bit or byte shuffle, tried in memory."""
    codecs = [hdf5plugin.Blosc2(**compression, filters=shuffle) for shuffle in spec.SHUFFLES]
    if not samples.size:
        return codecs[0]
    sizes = []
    with h5py.File("trial", "w", driver="core", backing_store=False) as trial:
        for number, codec in enumerate(codecs):
            dataset = trial.create_dataset(str(number), data=samples, chunks=samples.shape, **codec)
            sizes.append(dataset.id.get_storage_size())
    return codecs[sizes.index(min(sizes))]
