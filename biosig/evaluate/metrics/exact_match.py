"""Exact match of answers out of a closed set.

`y` is (N, K): 1 for an answer that is right, 0 for one that the question could have, NaN for all others. Shape letters:
N questions, K answers, R resamples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.evaluate.metrics import METRICS, Floats, Metric, _references


def decided(y: Floats, scores: Floats) -> NDArray[np.bool_]:
    """The answers that are given, (N, K): of those that the question could have, all above a half, or else the best.

    Parameters
    ----------
    y : ndarray, shape (N, K)
        Labels, of which only the NaNs are read: they mark answers that the question cannot have.
    scores : ndarray, shape (N, K)
        Probability of each answer.
    """
    scores = np.where(np.isfinite(y), scores, -np.inf)
    given = scores > 0.5
    rows = np.flatnonzero(~given.any(axis=1) & np.isfinite(scores).any(axis=1))
    given[rows, scores[rows].argmax(axis=1)] = True
    return given


def matches(y: Floats, scores: Floats) -> NDArray[np.bool_]:
    """Mark the questions that are answered exactly right: with all right answers, and no other, (N,)."""
    right = y == 1
    return (decided(y, scores) == right).all(axis=1) & right.any(axis=1)


def exact_match(y: Floats, scores: Floats) -> float:
    """Share of questions that are answered exactly right (the accuracy of ECG-QA, arXiv:2306.15681, section 5)."""
    return float(matches(y, scores).mean())


def exact_match_resampled(y: Floats, scores: Floats, weights: Floats) -> Floats:
    """`exact_match` in each of R resamples, with the count of each row in `weights` (R, N)."""
    return weights @ matches(y, scores) / weights.sum(axis=1)


METRICS.register(
    Metric(
        "exact_match",
        "answers",
        exact_match,
        exact_match_resampled,
        title="exact match",
        bounds=(0.0, 1.0),
        reference=_references.exact_match,
    )
)
