"""Bootstrap intervals of scores, by resampling subjects instead of windows.

Windows of one person resemble each other, so resampled windows would give intervals that are too narrow for a new
cohort. Subjects are drawn with replacement (cluster bootstrap; Davison & Hinkley, Bootstrap Methods and their
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

MEAN = Metric(
    "mean",
    "number",
    lambda _, values: float(values.mean()),
    lambda _, values, weights: weights @ values / weights.sum(axis=1),
)
"""The mean of the predictions, for any labels: of 0 and 1, a share."""

_BLOCK_ELEMENTS = 4_000_000  # weights held at once: 32 MB


@dataclass(frozen=True, slots=True)
class BootstrapInterval:
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

    @classmethod
    def of(cls, value: float, replicates: Floats, n_subjects: int, level: float = 0.95) -> BootstrapInterval:
        """A value with the percentile bounds of its `replicates` (R,), NaN where a resample could not be scored."""
        defined = replicates[np.isfinite(replicates)]
        tail = 50 * (1 - level)
        low, high = np.percentile(defined, [tail, 100 - tail]) if len(defined) else (np.nan, np.nan)
        return cls(value, float(low), float(high), n_subjects, len(replicates), len(replicates) - len(defined))

    def caveats(self) -> list[str]:
        """Remarks for the reader of the interval; empty when there are none."""
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


def bootstrap_counts(n_subjects: int, n_resamples: int, seed: int) -> NDArray[np.int64]:
    """Counts of each subject in each resample, shape (n_resamples, n_subjects); rows sum to `n_subjects`."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size=n_resamples)


def bootstrap_scores(
    metrics: Sequence[Metric],
    y: NDArray[Any],
    prediction: Floats,
    subjects: Sequence[str] | NDArray[Any],
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Floats]:
    """The scores of resampled subjects, by the name of the metric, (n_resamples,) each.

    The same seed and subjects give the same resamples whatever the metric and the method, so that the replicates of
    two methods can be subtracted from each other (`biosig.downstream.results.scores.differences`).

    Parameters
    ----------
    metrics : sequence of Metric
        From `biosig.evaluate.metrics`.
    y, prediction, subjects
        As in `bootstrap`.
    n_resamples, seed : int
        Number of resamples, and the seed that draws them.

    Raises
    ------
    UsageError
        If the lengths differ.
    """
    if not len(y) == len(prediction) == len(subjects):
        raise UsageError(f"{len(y)} labels, {len(prediction)} predictions and {len(subjects)} subjects: give one each.")
    names, row_subject = np.unique(np.asarray(subjects, str), return_inverse=True)
    drawn = np.ascontiguousarray(bootstrap_counts(len(names), n_resamples, seed).T, np.float64)  # (subjects, R)
    size = max(1, _BLOCK_ELEMENTS // max(len(y), 1))
    blocks: dict[str, list[Floats]] = {metric.name: [] for metric in metrics}
    for start in range(0, n_resamples, size):
        weights = drawn[:, start : start + size][row_subject].T  # (R, N), as `Resampled` wants it in memory
        for metric in metrics:
            blocks[metric.name].append(metric.resampled(y, prediction, weights))
    return {name: np.concatenate(scores) for name, scores in blocks.items()}


def bootstrap(
    metric: Metric,
    y: NDArray[Any],
    prediction: Floats,
    subjects: Sequence[str] | NDArray[Any],
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> BootstrapInterval:
    """A score and its percentile interval over resampled subjects.

    Parameters
    ----------
    metric : Metric
        From `biosig.evaluate.metrics`.
    y : ndarray, shape (N, ...)
        Labels of the metric's kind.
    prediction : ndarray, shape (N, ...)
        Scores or values, as the metric takes them.
    subjects : sequence of str, shape (N,)
        Subject of each row.
    n_resamples, seed : int
        Of `replicates`.
    level : float
        Coverage that the interval aims at.

    Raises
    ------
    UsageError
        If the lengths differ or `level` is not a fraction.
    DataError
        If a class has no row.
    """
    if not 0 < level < 1:
        raise UsageError(f"The interval's level is {level:g}; give a fraction such as 0.95.")
    scores = bootstrap_scores([metric], y, prediction, subjects, n_resamples, seed)[metric.name]
    return BootstrapInterval.of(metric.value(y, prediction), scores, len(np.unique(np.asarray(subjects, str))), level)
