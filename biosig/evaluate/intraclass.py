"""Intraclass correlation of repeated measurements: the share of variance that lies between people.

Shape letters: S people, K times that each was measured, F columns, R resamples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.evaluate.intervals import BootstrapInterval, bootstrap_counts
from biosig.evaluate.metrics import Floats


def intraclass_correlation(ratings: NDArray[Any]) -> Floats:
    """ICC(2,1): people and times are drawn from many, agreement is absolute, one measurement counts.

    From the mean squares of a two-way analysis of variance (Shrout & Fleiss, Psychol Bull 1979; 86:420). 1: everybody
    gives the same number again; 0 or less: times of one person differ as those of different people do.

    Parameters
    ----------
    ratings : ndarray, shape (S, K) or (S, K, F)
        Measurements without gaps.

    Returns
    -------
    ndarray, shape () or (F,)
        NaN where nothing varies.

    Raises
    ------
    UsageError
        If there are fewer than two people or times, or a value is missing.
    """
    x = np.asarray(ratings, np.float64)
    if x.ndim not in (2, 3) or x.shape[0] < 2 or x.shape[1] < 2:
        raise UsageError(f"Ratings have the shape {x.shape}; give (people, times), two or more of each.")
    if not np.isfinite(x).all():
        raise UsageError(f"{int((~np.isfinite(x)).sum())} of {x.size} ratings are missing: leave those people out.")
    n, k = x.shape[:2]
    mean, people_means, time_means = x.mean(axis=(0, 1)), x.mean(axis=1), x.mean(axis=0)
    people = k * np.square(people_means - mean).sum(axis=0) / (n - 1)
    times = n * np.square(time_means - mean).sum(axis=0) / (k - 1)
    rest = np.square(x - people_means[:, None] - time_means + mean).sum(axis=(0, 1)) / ((n - 1) * (k - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (people - rest) / (people + (k - 1) * rest + k * (times - rest) / n)
    return np.asarray(found, np.float64)


def median_intraclass_correlation(ratings: NDArray[Any], n_resamples: int = 1000, seed: int = 0) -> BootstrapInterval:
    """The median ICC(2,1) over columns, with its percentile interval over resampled people.

    Parameters
    ----------
    ratings : ndarray, shape (S, K, F)
        As in `intraclass_correlation`; a single column gives its own correlation.
    n_resamples, seed : int
        Of the bootstrap.
    """
    ratings = np.asarray(ratings, np.float64)
    drawn = bootstrap_counts(len(ratings), n_resamples, seed)
    with np.errstate(all="ignore"):
        value = float(np.nanmedian(intraclass_correlation(ratings)))
        found = [_median_of(ratings[np.repeat(np.arange(len(ratings)), times)]) for times in drawn]
    return BootstrapInterval.of(value, np.array(found), len(ratings))


def _median_of(ratings: Floats) -> float:
    correlations = intraclass_correlation(ratings)
    known = correlations[np.isfinite(correlations)]  # NaN where one person is drawn every time
    return float(np.median(known)) if len(known) else np.nan
