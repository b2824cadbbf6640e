"""A − B with x and B − A with −x are one measurement; this chooses which of the two the model sees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-6
"""Metres; coordinates closer than this are equal, so that rounding to float32 cannot turn an orientation."""


def canonical_orientation(position: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.int8]:
    """Sign to multiply the samples of channels with: -1 for those that must be seen as B − A.

    The positive electrode is to lie in front of the negative one; where they lie equally far in front, below it; then
    to the left of it. So I, II, III, aVF, V1 … V5 and the EEG's longitudinal chains on both sides stay as recorded.

    Parameters
    ----------
    position, reference : ndarray, shape (N, 3)
        Metres in the body frame; NaN = unknown.

    Returns
    -------
    ndarray of int8, shape (N,)
        −1 where position and reference must be swapped and the samples negated; +1 where they stay, where either is
        not known and where both are one point.
    """
    towards = np.asarray(position, np.float64) - np.asarray(reference, np.float64)  # (N, 3)
    ordered = towards[:, [1, 2, 0]] * np.array([1.0, -1.0, -1.0])  # front, down, left
    differs = np.abs(ordered) > TOLERANCE  # NaN differs from nothing
    decisive = np.take_along_axis(ordered, differs.argmax(axis=1)[:, None], axis=1)[:, 0]
    known = np.isfinite(ordered).all(axis=1) & differs.any(axis=1)
    return np.where(known & (decisive < 0), -1, 1).astype(np.int8)
