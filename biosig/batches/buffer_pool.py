"""Buffer pool: memory of freed arrays is used again, since new memory costs a page fault for every 4 KB."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MOST_BYTES = 2**28
"""Limit of the pool in bytes; memory beyond it is allocated and freed as usual."""

_free: dict[int, list[memoryview]] = {}
"""Free memory, by its size."""


def recycled(shape: Sequence[int], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """An array of any content, in memory that an earlier one may have had.

    The memory is free when the last array, view or tensor that looks at it is gone.
    """
    wanted = np.dtype(dtype)
    size = math.prod(shape)
    n_bytes = 2 ** math.ceil(math.log2(max(size * wanted.itemsize, 4096)))
    kept = _free.get(n_bytes)
    memory = kept.pop() if kept else np.empty(n_bytes, np.uint8).data
    whole = np.frombuffer(memory, wanted)  # every view of it, however far derived, keeps this object alive
    weakref.finalize(whole, _give_back, memory).atexit = False
    return whole[:size].reshape(shape)


def _give_back(memory: memoryview) -> None:
    if sum(size * len(kept) for size, kept in _free.items()) + memory.nbytes <= MOST_BYTES:
        _free.setdefault(memory.nbytes, []).append(memory)
