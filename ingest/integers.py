"""Integers as small as they fit: what adapters keep of a file's own numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def smallest(samples: NDArray[Any]) -> NDArray[Any]:
    """Integers of any type as int16 where that holds them, else as int32; other numbers as they are."""
    if samples.dtype.kind != "i" or samples.dtype == np.int16:
        return samples
    limits = np.iinfo(np.int16)
    fits = samples.min() >= limits.min and samples.max() <= limits.max
    return samples.astype(np.int16 if fits else np.int32)
