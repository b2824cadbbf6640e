"""Errors of probabilities: Brier score and calibration error of one class or label.

Shape letters: N rows, R resamples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.evaluate.metrics import Floats

N_BINS = 10


def equal_mass_bins(score: Floats, n_bins: int = N_BINS) -> NDArray[np.int64]:
    """The bin (N,) of each score, each bin with as many rows as ties permit: equal scores share a bin."""
    below = np.searchsorted(np.sort(score), score, side="left")
    return below * n_bins // max(len(score), 1)


def binary_brier(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    """Mean squared distance of the probability to the label (Brier, Monthly Weather Review 1950; 78:1).

    Parameters
    ----------
    positive : ndarray of bool, shape (N,)
        Label of each row.
    score : ndarray, shape (N,)
        Probability of the positive.
    weights : ndarray, shape (R, N)
        Count of each row in each resample.

    Returns
    -------
    ndarray, shape (R,)
        NaN where a resample has no row.
    """
    with np.errstate(invalid="ignore"):
        return weights @ (score - positive) ** 2 / weights.sum(axis=1)


def binary_ece(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    """Expected calibration error: the distance of mean probability and frequency, averaged over ten bins.

    The bins have as many rows each, which are those of the data as they are in every resample too (the adaptive error
    of Nixon et al., arXiv:1904.01685, section 3.3). With few rows it is above zero by chance, in a resample even more
    than in the data, so its interval may lie above its value. Parameters and returns as in `binary_brier`.
    """
    excess = np.zeros((len(score), N_BINS))
    excess[np.arange(len(score)), equal_mass_bins(score)] = score - positive
    with np.errstate(invalid="ignore"):
        return np.abs(weights @ excess).sum(axis=1) / weights.sum(axis=1)
