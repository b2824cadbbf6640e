"""When a channel with missing samples can still be measured by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.signal import bridge_gaps

LARGEST_GAP_SHARE = 0.2
"""A channel that lacks more of its samples than this gives no hand-made feature."""


def usable(values: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """One channel with its gaps bridged by straight lines, shape (T,), or None where it cannot be measured.

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
