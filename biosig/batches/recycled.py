"""Large arrays whose memory is used again once nobody holds them: new memory costs a page fault for every 4 KB."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 2**28
"""What is kept at most; more than that in use at a time comes and goes as other memory does."""

_free: dict[int, list[memoryview]] = {}
"""Memory that nobody holds, by its size."""


def recycled(shape: Sequence[int]) -> NDArray[np.float32]:
    """An array of any content, float32, in memory that an earlier one may have had.

    The memory is free when the last array, view or tensor that looks at it is gone.
    """
    n_bytes = 2 ** math.ceil(math.log2(max(math.prod(shape) * 4, 4096)))
    kept = _free.get(n_bytes)
    memory = kept.pop() if kept else np.empty(n_bytes, np.uint8).data
    whole = np.frombuffer(memory, np.float32)  # every view of it, however far derived, keeps this object alive
    weakref.finalize(whole, _give_back, memory).atexit = False
    return whole[: math.prod(shape)].reshape(shape)


def _give_back(memory: memoryview) -> None:
    if sum(size * len(kept) for size, kept in _free.items()) + memory.nbytes <= MOST_BYTES:
        _free.setdefault(memory.nbytes, []).append(memory)
