"""Missing samples: channels that hand-made features can still be measured on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.signal import bridge_gaps

LARGEST_GAP_SHARE = 0.2
"""Largest share of missing samples of a channel with hand-made features."""


def usable(values: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """One channel with its gaps bridged by straight lines, shape (T,), or None if it cannot be measured.

    Classical detectors and spectra need every sample. A channel without variation, or with more than
    `LARGEST_GAP_SHARE` of its samples missing, is refused, so that its features are NaN instead of invented.

    Parameters
    ----------
    values : ndarray, shape (T,)
        Physical values, NaN where a sample is not a real value.
    """
    finite = np.isfinite(values)
    if finite.mean() < 1 - LARGEST_GAP_SHARE or np.ptp(values[finite]) == 0:
        return None
    return bridge_gaps(values.astype(np.float64))
