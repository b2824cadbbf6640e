"""Processed samples of a long stream on their way to the shard: in a temporary file, quantised when they are read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.lazy_samples import LazySamples
from ingest.preprocess.quantize import Quantiser


class SpooledSamples(LazySamples):
    """Samples of shape (C, T) whose float32 values lie in a file, moment by moment.

    Parameters
    ----------
    path : Path
        The values, one moment's channels after another's.
    n_times : int
        Moments.
    quantiser : Quantiser
        Makes integers of them.
    """

    def __init__(self, path: Path, n_times: int, quantiser: Quantiser) -> None:
        super().__init__((len(quantiser.steps), n_times), quantiser.dtype)
        self._path, self._quantiser = path, quantiser

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples `start` to `stop` of every channel."""
        n_chans = self.shape[0]
        count = (stop - start) * n_chans
        values = np.fromfile(self._path, np.float32, count, offset=start * n_chans * 4)
        if len(values) < count:
            raise UnreadableError(f"{self._path} was cut short while it was read: ingest the recording again.")
        return self._quantiser(np.ascontiguousarray(values.reshape(-1, n_chans).T))


class Spool:
    """Takes values block by block, to be quantised when all are known.

    Parameters
    ----------
    folder : Path
        Folder for the file; the caller that made it removes it.
    """

    def __init__(self, folder: Path) -> None:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".f32", delete=False) as file:
            self._path = Path(file.name)
        self._n_times = 0

    def append(self, values: NDArray[np.float32]) -> None:
        """Take the next values, shape (C, T)."""
        self._n_times += values.shape[1]
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(values.T).data)  # tofile would not tell that the disk is full

    def finish(self, quantiser: Quantiser) -> SpooledSamples:
        """All samples."""
        return SpooledSamples(self._path, self._n_times, quantiser)
