"""How far a score could be off: a bootstrap that draws subjects, not windows.

Windows of one person resemble each other, so drawing windows would promise a precision that a new cohort does not
keep. Subjects are drawn with replacement (cluster bootstrap; Davison & Hinkley, Bootstrap Methods and their
Application, 1997, section 3.8) and the 2.5th and 97.5th percentiles of the resampled scores are the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.evaluate.metrics import Floats, Metric

FEW_SUBJECTS = 10
"""Below this many subjects a percentile interval is known to be too narrow, and results say so."""

_BLOCK_ELEMENTS = 4_000_000  # weights held at once: 32 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A score with its subject-bootstrap interval.

    Parameters
    ----------
    value : float
        The score of the data as they are.
    low, high : float
        Percentile bounds; NaN when no resample could be scored.
    n_subjects, n_resamples : int
        Subjects drawn from, and resamples drawn.
    n_undefined : int
        Resamples left out because they lacked a class or had no variance.
    """

    value: float
    low: float
    high: float
    n_subjects: int
    n_resamples: int
    n_undefined: int

    def caveats(self) -> list[str]:
        """What a reader must know before trusting the interval; empty when there is nothing."""
        texts = []
        if self.n_subjects < FEW_SUBJECTS:
            texts.append(
                f"Only {self.n_subjects} subjects: a bootstrap over fewer than {FEW_SUBJECTS} is too narrow to trust."
            )
        if self.n_undefined:
            texts.append(
                f"{self.n_undefined} of {self.n_resamples} bootstrap resamples lacked a class or had no variance and "
                "were left out of the interval."
            )
        return texts


def multiplicities(n_subjects: int, n_resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each subject is drawn in each resample, shape (n_resamples, n_subjects); rows sum to `n_subjects`."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size=n_resamples)


def bootstrap(
    metric: Metric,
    y: NDArray[Any],
    prediction: Floats,
    subjects: Sequence[str] | NDArray[Any],
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """A score and its percentile interval over resampled subjects.

    Parameters
    ----------
    metric : Metric
        From `biosig.evaluate.metrics.METRICS`.
    y : ndarray, shape (N,)
        Truth: class numbers, or values.
    prediction : ndarray, shape (N, K) or (N,)
        Class scores, or values.
    subjects : sequence of str, shape (N,)
        Whose each row is.
    n_resamples, seed : int
        The same seed and subjects give the same resamples whatever the method, so that methods are comparable.
    level : float
        Coverage that the interval aims at.

    Raises
    ------
    UsageError
        If the lengths differ or `level` is no fraction.
    DataError
        If a class has no row.
    """
    if not len(y) == len(prediction) == len(subjects):
        raise UsageError(f"{len(y)} truths, {len(prediction)} predictions and {len(subjects)} subjects: give one each.")
    if not 0 < level < 1:
        raise UsageError(f"The interval's level is {level:g}; give a fraction such as 0.95.")
    names, row_subject = np.unique(np.asarray(subjects, str), return_inverse=True)
    drawn = multiplicities(len(names), n_resamples, seed)
    block = max(1, _BLOCK_ELEMENTS // len(y))
    scores = np.concatenate(
        [
            metric.resampled(y, prediction, drawn[start : start + block, row_subject].astype(np.float64))
            for start in range(0, n_resamples, block)
        ]
    )
    defined = scores[np.isfinite(scores)]
    tail = 50 * (1 - level)
    low, high = np.percentile(defined, [tail, 100 - tail]) if len(defined) else (np.nan, np.nan)
    return Interval(
        value=metric.value(y, prediction),
        low=float(low),
        high=float(high),
        n_subjects=len(names),
        n_resamples=n_resamples,
        n_undefined=n_resamples - len(defined),
    )
