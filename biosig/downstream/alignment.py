"""Euclidean Alignment: each subject's EEG, turned so that its mean covariance is the identity.

People differ more in the covariance of their EEG than conditions do; aligned, one classifier serves many (He & Wu 2020,
"Transfer learning for brain-computer interfaces: a Euclidean space data alignment approach", IEEE TBME 67(2), section
III.B). No label is used, but all windows of the subject are, also those of a subject under test.

Shape letters: C channels, T samples.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from biosig.batches.contract import Prepared

Floats = NDArray[np.float64]

SMALLEST = 1e-9
"""Directions with less than this share of the largest variance hold nothing, as one does after an average reference."""


def covariance(values: NDArray[np.float32]) -> Floats:
    """X Xᵀ / T of one window (C, T), shape (C, C); without centring, as EEG is band-passed."""
    x = values.astype(np.float64)
    return x @ x.T / x.shape[1]


def whitening(mean_covariance: Floats) -> Floats:
    """R^(-1/2) of a subject's mean covariance (C, C); zero along directions in which there is no signal."""
    variance, direction = np.linalg.eigh(mean_covariance)
    kept = variance > SMALLEST * variance[-1]
    gain = np.where(kept, 1 / np.sqrt(np.where(kept, variance, 1.0)), 0.0)
    return (direction * gain) @ direction.T


def aligned(stream: Prepared, matrix: Floats) -> Prepared:
    """The stream with its channels mixed by `matrix` (C, C); positions stay, since the matrix is symmetric."""
    return replace(stream, values=(matrix @ stream.values).astype(np.float32))
