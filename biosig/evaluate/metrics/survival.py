"""Scores of a risk against times to an event, some of which are censored.

`y` is (N, 2): time to the event or to the end of observation, and 1 where the event happened, 0 where observation ended
before it. Each score takes the multiplicity of each row in each resample (`biosig.evaluate.intervals`), and `plain`
asks for a single resample of ones. Shape letters: N rows, R resamples, b rows of a block.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.evaluate.metrics import METRICS, Floats, Metric, Reference, _references

Bools = NDArray[np.bool_]
Score = Callable[[Floats, Floats, Floats], Floats]

HORIZON_PERCENTILES = (25, 50, 75)
"""Percentiles of the observed event times that are the horizons of `dynamic_auroc`."""

_BLOCK_PAIRS = 4_000_000


def concordance(y: Floats, risk: Floats, weights: Floats) -> Floats:
    """Harrell's C: the share of concordant risks among the pairs with a known order of events.

    Equal risks count a half (Harrell et al., Statistics in Medicine 1996; 15:361). Its value depends on when people
    were lost, so it compares models on one cohort, not cohorts; see `uno_concordance`.

    Parameters
    ----------
    y : ndarray, shape (N, 2)
        Time and event.
    risk : ndarray, shape (N,)
        Higher = earlier.
    weights : ndarray, shape (R, N)
        Count of each row in each resample.

    Returns
    -------
    ndarray, shape (R,)
        NaN where no pair can be compared.
    """
    return _ordered_share(risk, _earlier(y), weights, weights)


def uno_concordance(y: Floats, risk: Floats, weights: Floats) -> Floats:
    """Uno's C: as `concordance`, each event weighted by one over the squared chance of being observed until its time.

    That chance is estimated from the rows themselves, in each resample (Uno et al., Statistics in Medicine 2011;
    30:1105), so the value does not depend on when people were lost.
    """
    return _ordered_share(risk, _earlier(y), _over(weights, _observed(y, weights) ** 2), weights)


def dynamic_auroc(y: Floats, risk: Floats, weights: Floats) -> Floats:
    """Cumulative/dynamic AUROC, the mean over three horizons: quartiles of the event times of the data as they are."""
    if not y[:, 1].any():
        return np.full(len(weights), np.nan)
    horizons = np.percentile(y[y[:, 1] > 0, 0], HORIZON_PERCENTILES)
    return np.mean([auroc_at(y, risk, weights, horizon) for horizon in horizons.tolist()], axis=0)


def auroc_at(y: Floats, risk: Floats, weights: Floats, horizon: float) -> Floats:
    """AUROC of those who had the event by `horizon` against those observed beyond it without one.

    A person lost before is in neither group, which inverse weights correct (Uno et al., JASA 2007; 102:527; Hung &
    Chiang, Canadian Journal of Statistics 2010; 38:8).

    Returns
    -------
    ndarray, shape (R,)
        NaN where one of the groups is empty.
    """
    had = (y[:, 1] > 0) & (y[:, 0] <= horizon)
    beyond = y[:, 0] > horizon
    return _ordered_share(risk, lambda rows: had[rows, None] & beyond, _over(weights, _observed(y, weights)), weights)


def plain(score: Score) -> Callable[[Floats, Floats], float]:
    """The score of rows as they are: (y, risk) → float.

    Raises
    ------
    DataError
        By the function returned, if no two rows can be compared.
    """

    def value(y: Floats, risk: Floats) -> float:
        (found,) = score(y, risk, np.ones((1, len(y))))
        if not np.isfinite(found):
            raise DataError(
                f"None of {len(y)} rows has an event before another row's time ({int(y[:, 1].sum())} events in all), "
                "so no risks can be compared: observe more people, or for longer."
            )
        return float(found)

    return value


def _ordered_share(risk: Floats, comparable: Callable[[slice], Bools], first: Floats, second: Floats) -> Floats:
    """Weighted share of comparable pairs (i, j) where the risk of i is higher; `comparable` gives rows i as (b, N)."""
    right, all_pairs = np.zeros(len(first)), np.zeros(len(first))
    block = max(1, _BLOCK_PAIRS // len(risk))
    for start in range(0, len(risk), block):
        rows = slice(start, start + block)
        pairs = comparable(rows).astype(np.float64)  # [b, N]
        wins = pairs * (np.sign(risk[rows, None] - risk) + 1) / 2
        right += np.einsum("rb,rb->r", first[:, rows], second @ wins.T)
        all_pairs += np.einsum("rb,rb->r", first[:, rows], second @ pairs.T)
    return _over(right, all_pairs, np.nan)


def _earlier(y: Floats) -> Callable[[slice], Bools]:
    """Pairs in which i had the event before j: j has a later time, or was lost at the same."""
    time, event = y[:, 0], y[:, 1] > 0

    def comparable(rows: slice) -> Bools:
        later = (time > time[rows, None]) | ((time == time[rows, None]) & ~event)
        return event[rows, None] & later

    return comparable


def _observed(y: Floats, weights: Floats) -> Floats:
    """Chance of not being lost before each row's time, by Kaplan and Meier's estimate with losses as events, (R, N)."""
    order = np.argsort(y[:, 0], kind="stable")
    _, starts, place = np.unique(y[:, 0], return_index=True, return_inverse=True)
    starts = np.searchsorted(y[order, 0], y[starts, 0])  # where each distinct time begins among the sorted
    drawn = weights[:, order]
    here = np.add.reduceat(drawn, starts, axis=1)  # [R, times]
    lost = np.add.reduceat(drawn * (y[order, 1] == 0), starts, axis=1)
    at_risk = here[:, ::-1].cumsum(axis=1)[:, ::-1] - (here - lost)  # who has the event at a time is not lost at it
    kept = np.cumprod(1 - _over(lost, at_risk), axis=1)
    return np.concatenate((np.ones((len(weights), 1)), kept[:, :-1]), axis=1)[:, place]


def _over(a: Floats, b: Floats, otherwise: float = 0.0) -> Floats:
    return np.divide(a, b, out=np.full(np.shape(a), otherwise), where=b > 0)


def _register(name: str, title: str, score: Score, reference: Reference) -> None:
    found = Metric(
        name, "survival", plain(score), score, title=title, bounds=(0.0, 1.0), chance=0.5, reference=reference
    )
    METRICS.register(found)


_register("c_index", "C-index", concordance, _references.concordance(power=0))
_register("c_index_uno", "Uno's C-index", uno_concordance, _references.concordance(power=2))
_register("dynamic_auroc", "dynamic AUROC", dynamic_auroc, _references.dynamic_auroc)
