"""Scores of a bench's rows: intervals over people, paired gains, sign-flip tests and Holm's levels.

Shape letters: N scored rows, P people, R resamples, S draws of one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from biosig.bench.config import BenchTask
from biosig.downstream.results.scores import MethodPredictions, by_method, mean_over_seeds
from biosig.errors import DataError
from biosig.evaluate.intervals import BootstrapInterval, bootstrap_counts, bootstrap_scores
from biosig.evaluate.metrics import METRICS, Floats, Metric

N_FLIPS = 2000
"""Random sign-flips, or swaps of two rows' predictions of a person, where there are too many people to enumerate all
of them."""

ALPHA = 0.05
"""Error level of all primary endpoints together (Holm 1979, Scandinavian Journal of Statistics 6:65)."""


@dataclass(frozen=True)
class RowScore:
    """Score of one row of one task.

    Parameters
    ----------
    of : MethodPredictions
        Its predictions on the scored rows.
    value : float
        Its score.
    resampled : ndarray, shape (R,)
        Scores of resampled people.
    by_person : ndarray, shape (P,), optional
        Scores of each person, if the task is scored person by person.
    n_people : int
        Number of people who are scored.
    """

    of: MethodPredictions
    value: float
    resampled: Floats
    by_person: Floats | None
    n_people: int

    @property
    def interval(self) -> BootstrapInterval:
        """The score with its 95 % interval over people."""
        return BootstrapInterval.of(self.value, self.resampled, self.n_people)


@dataclass(frozen=True)
class Gain:
    """Difference of two rows, on the same resampled people; positive = the first is better, for any metric.

    Parameters
    ----------
    value : float
        The gain.
    resampled : ndarray, shape (R,)
        Gains of resampled people.
    p_sign_flip : float
        Two-sided p value of the sign-flip test; NaN where it was not computed.
    """

    value: float
    resampled: Floats
    p_sign_flip: float = float("nan")

    @property
    def p_bootstrap(self) -> float:
        """Twice the smaller share of resamples on either side of 0 (Davison & Hinkley 1997, section 4.4)."""
        defined = self.resampled[np.isfinite(self.resampled)]
        below, above = (np.sum(defined <= 0) + 1, np.sum(defined >= 0) + 1)
        return float(min(1.0, 2 * min(below, above) / (len(defined) + 1)))

    def bounds(self, level: float = 0.95) -> tuple[float, float]:
        """Percentile interval of the gain."""
        interval = BootstrapInterval.of(self.value, self.resampled, 0, level)
        return interval.low, interval.high


class Judge:
    """Scores of all rows of one task, by the same metric and resamples.

    Parameters
    ----------
    task : BenchTask
        The task, with its metric and `per_person`.
    predictions : DataFrame
        Out-of-fold, of all rows (`biosig.downstream.results.result.ProbeResult.predictions`).
    n_bootstrap, seed : int
        Number of resamples of people, and their seed: the same for all rows.
    """

    def __init__(self, task: BenchTask, predictions: pd.DataFrame, n_bootstrap: int, seed: int) -> None:
        self.metric: Metric = METRICS[task.judged_by]
        self._task, self._n, self._seed = task, n_bootstrap, seed
        self._of = {method.method: method for method in by_method(predictions, task.target)}

    @cached_property
    def rows(self) -> dict[str, RowScore]:
        """Name → score, in the order of the predictions."""
        return {name: self._score(method) for name, method in self._of.items()}

    def gain(self, row: str, against: str, flips: bool = False) -> Gain:
        """Gain of `row` over `against`.

        Raises
        ------
        DataError
            If they were not scored on the same windows.
        """
        one, other = self.rows[row], self.rows[against]
        if not np.array_equal(one.of.subjects, other.of.subjects):
            raise DataError(f"The rows '{row}' and '{against}' were scored on other windows: score both on the same.")
        sign = 1 if self.metric.higher_is_better else -1
        p = self._p_sign_flip(one, other) if flips else float("nan")
        return Gain(sign * (one.value - other.value), sign * (one.resampled - other.resampled), p)

    def _score(self, method: MethodPredictions) -> RowScore:
        if not self._task.per_person:
            metric = mean_over_seeds(self.metric)
            value = metric.value(method.truth, method.values)
            found = bootstrap_scores([metric], method.truth, method.values, method.subjects, self._n, self._seed)[
                metric.name
            ]
            return RowScore(method, value, found, None, len(np.unique(method.subjects)))
        values = self._by_person(method)
        drawn = bootstrap_counts(len(values), self._n, self._seed)  # (R, P)
        return RowScore(method, float(values.mean()), drawn @ values / len(values), values, len(values))

    def _by_person(self, method: MethodPredictions) -> Floats:
        """Scores (P,) of the people with every class, or with two values that differ."""
        found = []
        metric = mean_over_seeds(self.metric)
        for person in np.unique(method.subjects):
            is_person = method.subjects == person
            y = method.truth[is_person]
            if self._task.target.kind == "classes" and len(np.unique(y)) < len(self._task.target.class_names):
                continue
            found.append(metric.value(y, method.values[is_person]))
        if not found:
            raise DataError("No person has windows of every class: set per_person: false.")
        return np.array(found)

    def _p_sign_flip(self, one: RowScore, other: RowScore) -> float:
        rng = np.random.default_rng([self._seed, 1])
        if one.by_person is not None and other.by_person is not None:
            difference = one.by_person - other.by_person
            signs = _signs(len(difference), rng)
            return _share_at_least(signs @ difference / len(difference), float(difference.mean()))
        metric = mean_over_seeds(self.metric)
        # Ranks, so that two rows with scores on different scales can be swapped; of numbers the values themselves.
        a, b = (self._comparable(method) for method in (one.of, other.of))
        names, person = np.unique(one.of.subjects, return_inverse=True)
        observed = metric.value(one.of.truth, a) - metric.value(one.of.truth, b)
        swapped = []
        for _ in range(N_FLIPS):
            flip = rng.random(len(names)) < 0.5
            flipped = flip[person].reshape(-1, *[1] * (a.ndim - 1))
            first, second = np.where(flipped, b, a), np.where(flipped, a, b)
            swapped.append(metric.value(one.of.truth, first) - metric.value(one.of.truth, second))
        return _share_at_least(np.array(swapped), observed)

    def _comparable(self, method: MethodPredictions) -> Floats:
        """Predictions (N, ...) of one draw's shape: the mean over draws of ranks, or of values, with an axis of one."""
        if self._task.target.kind == "number":
            return np.asarray(method.values.mean(axis=-1, keepdims=True), np.float64)
        return np.asarray(rankdata(method.values, axis=0).mean(axis=-1, keepdims=True) / len(method.values), np.float64)


def holm(gains: Mapping[str, Gain], alpha: float = ALPHA) -> pd.DataFrame:
    """Gains at Holm's levels, with a mark for intervals above 0.

    Parameters
    ----------
    gains : mapping of str to Gain
        Gain of each endpoint.
    alpha : float
        Error level of all together.

    Returns
    -------
    DataFrame
        One row per endpoint, the clearest first: endpoint, gain, low, high (percentile interval at its level), level,
        p_bootstrap, p_sign_flip, above (True where the whole interval is above 0, and so is that of every one before).
    """
    order: Sequence[str] = sorted(gains, key=lambda name: gains[name].p_bootstrap)
    records, still = [], True
    for place, name in enumerate(order):
        level = 1 - alpha / (len(order) - place)
        low, high = gains[name].bounds(level)
        clear = low > 0 or high < 0
        still = still and clear
        records.append(
            {
                "endpoint": name,
                "gain": gains[name].value,
                "low": low,
                "high": high,
                "level": level,
                "p_bootstrap": gains[name].p_bootstrap,
                "p_sign_flip": gains[name].p_sign_flip,
                "above": bool(still and low > 0),
            }
        )
    return pd.DataFrame(records)


def _signs(n: int, rng: np.random.Generator) -> Floats:
    """All sign patterns (2**n, n) of few people, else random ones."""
    if 2**n <= N_FLIPS:
        return np.asarray(1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1), np.float64)
    return rng.choice([-1.0, 1.0], size=(N_FLIPS, n))


def _share_at_least(flipped: Floats, observed: float) -> float:
    """Share of flips that differ as much, the observed one among them."""
    return float((np.sum(np.abs(flipped) >= abs(observed) - 1e-12) + 1) / (len(flipped) + 1))
