"""Interval of the mean or median over a recording's windows: a bootstrap of blocks of neighbours.

Windows that follow each other resemble each other, so single resampled windows would give a narrow interval. Blocks
of neighbours are drawn with replacement, end joined to start (moving blocks: Künsch, Ann Stat 1989; 17:1217; circular:
Politis & Romano, in Exploring the Limits of Bootstrap, 1992, p. 263). Their length follows the autocorrelation r of the
windows: (√6 r / (1 − r²))^(2/3) n^(1/3), which suits the mean of an autoregression of first order (Carlstein, Ann Stat
1986; 14:1171; constant for overlapping blocks: Künsch; Bühlmann & Künsch, Comput Stat Data Anal 1999; 31:295), at most
a third of the windows.

Blocks of length b miss the correlation beyond their ends, and are centred on their own mean instead of the true one.
The variance of n windows' mean is V(n) in that autoregression, of which blocks give b/n (V(b) − V(n)), so their
deviations are stretched by the root of the quotient, and by Student's t with n/b − 1 degrees of freedom over the
normal's.

`benchmarks/window_intervals.py` measures the coverage: mostly .94 to .97 from 48 windows on, less where few windows are
much alike (.77 of 8 at r = .9) or drift slowly below noise (.76 of 48, .88 of 180).

Shape letters: T windows, R resamples.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from biosig.errors import UsageError

Floats = NDArray[np.float64]
Statistic = Literal["mean", "median"]

FEW_WINDOWS = 24
"""Below this many windows the interval is too narrow where neighbours are much alike, and tables say so."""

LAGS = (1, 2, 4, 8)
"""Windows apart at which the autocorrelation is measured: a slow drift below noise shows at the longer ones alone."""

_MOST = 0.97  # autocorrelation from one window to the next: beyond it blocks would be the whole
_MOST_OF_ALL = 3  # at most a third of the windows in a block
_BLOCK_ELEMENTS = 4_000_000  # values drawn at once: 32 MB


class SeriesInterval(NamedTuple):
    """A mean or median of windows in their order, with its interval.

    Parameters
    ----------
    value : float
        Over the windows that have a value; NaN where none has.
    low, high : float
        Bounds; NaN below two windows, which do not show how windows vary.
    n_windows : int
        Windows with a value.
    block : int
        Windows in a block; 0 where none was drawn.
    """

    value: float
    low: float
    high: float
    n_windows: int
    block: int


def series_interval(
    values: NDArray[Any],
    statistic: Statistic = "mean",
    bounds: tuple[float, float] = (-np.inf, np.inf),
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> SeriesInterval:
    """Compute the mean or median of windows with its interval, which allows for neighbours that are alike.

    The interval holds for the mean of a signal that continues unchanged. It does not hold for another day.

    Parameters
    ----------
    values : ndarray, shape (T,)
        Values of windows in their order, NaN where there is none. Recordings of one person follow each other.
    statistic : {"mean", "median"}
        Over windows.
    bounds : tuple of float
        Range of the value: (0, 1) for a probability.
    n_resamples, seed : int
        Of the bootstrap.
    level : float
        Coverage that the interval aims at.

    Raises
    ------
    UsageError
        If `statistic` is unknown or `level` is not a fraction.
    """
    if not 0 < level < 1:
        raise UsageError(f"The interval's level is {level:g}; give a fraction such as 0.95.")
    if statistic not in ("mean", "median"):
        raise UsageError(f"The statistic is {statistic!r}; give mean or median.")
    over = np.mean if statistic == "mean" else np.median
    x = np.asarray(values, np.float64)
    x = x[np.isfinite(x)]
    n = len(x)
    value = float(over(x)) if n else np.nan
    if n < 2:
        return SeriesInterval(value, np.nan, np.nan, n, 0)
    alike = autocorrelation(x)
    block = _block_length(alike, n)
    rng, n_blocks = np.random.default_rng(seed), -(-n // block)
    size, drawn = max(1, _BLOCK_ELEMENTS // n), []
    for first in range(0, n_resamples, size):
        starts = rng.integers(0, n, (min(size, n_resamples - first), n_blocks, 1))
        rows = ((starts + np.arange(block)) % n).reshape(len(starts), -1)[:, :n]  # (R, T)
        drawn.append(over(x[rows], axis=1))
    tail = (1 - level) / 2
    student = stats.t.isf(tail, max(n / block - 1, 1)) / stats.norm.isf(tail)
    deviations = _stretch(alike, block, n) * student * (np.quantile(np.concatenate(drawn), (tail, 1 - tail)) - value)
    low, high = np.clip(value + deviations, *bounds)
    return SeriesInterval(value, float(low), float(high), n, block)


def autocorrelation(x: Floats) -> float:
    """Correlation of windows with the next, 0 … 0.97: of all `LAGS` the one with the slowest decay.

    The correlation of lag k gives its k-th root, where it is above the chance level of independent windows (2/√T). It
    is corrected for the estimated mean (Kendall, Biometrika 1954; 41:403).

    Parameters
    ----------
    x : ndarray, shape (T,)
        Values of windows in their order.
    """
    n, centred = len(x), x - x.mean()
    power = float(centred @ centred)
    if power <= 0:
        return 0.0
    found = [max(float(centred[1:] @ centred[:-1]) / power, 0.0)]
    for lag in LAGS[1:]:
        if lag < n // 4:
            r = float(centred[lag:] @ centred[:-lag]) / power
            found.append(r ** (1 / lag) if r > 2 / np.sqrt(n) else 0.0)
    r = max(found)
    return min(r + (1 + 4 * r) / n, _MOST)


def _block_length(r: float, n: int) -> int:
    length = (np.sqrt(6) * r / (1 - r**2)) ** (2 / 3) * n ** (1 / 3)
    return int(np.ceil(np.clip(length, 1, max(1, n / _MOST_OF_ALL))))


def _stretch(r: float, block: int, n: int) -> float:
    """Root of the variance of a mean of n windows over the share of it that blocks give, at least 1."""
    whole_variance, block_variance = _variance_of_mean(r, n), _variance_of_mean(r, block)
    return float(np.sqrt(max(whole_variance / (block / n * (block_variance - whole_variance)), 1.0)))


def _variance_of_mean(r: float, n: int) -> float:
    """Variance of the mean of n windows with autocorrelation r**lag and variance 1."""
    lags = np.arange(1, n)
    return float((1 + 2 * ((1 - lags / n) * r**lags).sum()) / n)
