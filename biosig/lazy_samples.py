"""Samples that stay in their file until they are asked for: a night of EEG is processed block by block, never whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class LazySamples(ABC):
    """Samples of shape (C, T) in a file; slicing reads, and `numpy.asarray` reads all of them.

    A subclass reads samples `start` to `stop`. It holds no open file if that can be avoided, so that a
    thousand of them cost nothing.

    Parameters
    ----------
    shape : tuple of 2 int
        Channels and samples per channel.
    dtype : dtype
        int16, int32 or float32.
    """

    ndim = 2

    def __init__(self, shape: tuple[int, int], dtype: Any) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)

    @abstractmethod
    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples `start` to `stop` of every channel, 0 <= start <= stop <= T, as an array of shape (C, stop − start).

        Raises
        ------
        biosig.errors.UnreadableError
            If the file cannot give them.
        """

    @property
    def size(self) -> int:
        """Number of samples in all channels."""
        return self.shape[0] * self.shape[1]

    @property
    def reach(self) -> float | None:
        """No number in the file is larger than this, as its format or an earlier pass tells; None = not known."""
        return None

    @property
    def n_read(self) -> int:
        """Rows that a read fetches from the file: those that `pick` left out are among them."""
        return self.shape[0]

    @property
    def itemsize(self) -> int:
        """Bytes per sample."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all samples, were they in memory."""
        return self.size * self.itemsize

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, times = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(times, slice):
            start, stop, step = times.indices(self.shape[1])
            if step == 1:
                return self.read(start, max(start, stop))[rows]
        return np.asarray(self)[rows, times]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        samples = self.read(0, self.shape[1])
        return samples if dtype is None else samples.astype(dtype, copy=bool(copy))

    def pick(self, rows: Sequence[int]) -> LazySamples:
        """The given rows, in the given order, still in their file."""
        return _Picked(self, list(rows))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.shape[0]} × {self.shape[1]} {self.dtype}>"


class _Picked(LazySamples):
    def __init__(self, whole: LazySamples, rows: list[int]) -> None:
        super().__init__((len(rows), whole.shape[1]), whole.dtype)
        self._whole, self._rows = whole, rows

    @property
    def n_read(self) -> int:
        return self._whole.n_read

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return self._whole.read(start, stop)[self._rows]
