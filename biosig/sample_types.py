"""The number types that a stream keeps (int16, int32, float32), and how a file's numbers become one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def downcast_integers(samples: NDArray[Any]) -> NDArray[Any]:
    """Integers of any type as int16 where that holds them, else as int32; other numbers as they are."""
    if samples.dtype.kind != "i" or samples.dtype == np.int16:
        return samples
    limits = np.iinfo(np.int16)
    fits = samples.min() >= limits.min and samples.max() <= limits.max
    return samples.astype(np.int16 if fits else np.int32)


def as_stored(values: NDArray[Any], of: str) -> tuple[NDArray[Any], list[str]]:
    """Numbers of any real type as int16, int32 or float32; 64 bits only where they fit, or else rounded.

    Parameters
    ----------
    values : ndarray
        Integers or floats.
    of : str
        Source of the samples, for the note: "stream 'amp'".

    Returns
    -------
    samples : ndarray
        In the smallest type that holds them.
    notes : list of str
        A sentence where numbers were rounded.
    """
    if values.dtype.kind in "iu":
        limits = np.iinfo(np.int32)
        if not values.size or (values.min() >= limits.min and values.max() <= limits.max):
            return downcast_integers(values.astype(np.int64)) if values.size else values.astype(np.int16), []
    with np.errstate(over="ignore"):  # becomes infinite, which is not a real value
        rounded = values.astype(np.float32)
    if np.array_equal(rounded, values, equal_nan=True):
        return rounded, []
    return rounded, [f"The {values.dtype} values of {of} are rounded to float32."]
