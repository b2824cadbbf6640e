"""Stretches of a channel that hold one value: flat or clipped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLAT_SECONDS = 0.2
"""Nothing of a living ECG, sampled with some noise, holds one value for so long."""


def flat_share(x: NDArray[np.floating], sfreq: float) -> float:
    """Share of the samples of `x`, shape (T,), that lie in stretches of 0.2 s or more of one value."""
    return _share_in_runs(np.diff(x) == 0, max(round(FLAT_SECONDS * sfreq), 2))


def clipped_share(x: NDArray[np.floating]) -> float:
    """Share of the samples of `x`, shape (T,), at its largest or smallest value, in runs of 3 or more."""
    some = x[np.isfinite(x)]
    if not len(some) or some.max() == some.min():
        return 0.0
    return sum(_share_in_runs((x[1:] == limit) & (x[:-1] == limit), 2) for limit in (some.max(), some.min()))


def _share_in_runs(held: NDArray[np.bool_], shortest: int) -> float:
    """Share of samples in runs of `shortest` or more True."""
    if np.count_nonzero(held) < shortest:
        return 0.0
    edges = np.flatnonzero(np.diff(np.r_[False, held, False].astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= shortest].sum() / max(len(held), 1))
