"""Coverage and width of the interval of a mean over neighbouring windows.

    OMP_NUM_THREADS=1 python benchmarks/window_intervals.py [--series 600]     # two minutes

Made series of true mean 0: autoregressions of first order, and one of .9 below noise of its own variance. "Drawn
singly" is the interval of windows taken for independent. 1 in "width" is ± 1.96 standard deviations of
the mean over series.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from biosig.evaluate.series import Statistic, series_interval

Made = NDArray[np.float64]
WARM_UP = 200


def autoregression(r: float, n: int, n_series: int, rng: np.random.Generator) -> Made:
    """Series (n_series, n) of variance 1."""
    noise = rng.normal(size=(n_series, n + WARM_UP))
    return np.asarray(lfilter([1], [1, -r], noise, axis=1)[:, WARM_UP:] * np.sqrt(1 - r**2))


def below_noise(n: int, n_series: int, rng: np.random.Generator) -> Made:
    """A slow drift and noise, of variance 1 each."""
    return autoregression(0.9, n, n_series, rng) + rng.normal(size=(n_series, n))


def cases(n_series: int) -> Iterator[tuple[str, Statistic, Made]]:
    """Title, statistic and series."""
    rng = np.random.default_rng(0)
    lengths: tuple[int, ...] = (8, 24, 48, 180, 720)
    for r in (0.0, 0.3, 0.6, 0.8, 0.9):
        for n in lengths:
            yield f"r = {r:g}, {n} windows", "mean", autoregression(r, n, n_series, rng)
    for n in lengths[1:]:
        yield f"drift below noise, {n} windows", "mean", below_noise(n, n_series, rng)
    for r in (0.0, 0.6, 0.9):
        yield f"median, r = {r:g}, 180 windows", "median", autoregression(r, 180, n_series, rng)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=600)
    n_series = parser.parse_args().series
    print("| series | holds the truth | width | drawn singly |\n|---|---|---|---|")
    for title, statistic, series in cases(n_series):
        found = np.array([series_interval(one, statistic, n_resamples=300)[1:3] for one in series])
        inside = ((found[:, 0] <= 0) & (found[:, 1] >= 0)).mean()
        over: Callable[..., Made] = np.mean if statistic == "mean" else np.median
        values = over(series, axis=1)
        width = np.median(found[:, 1] - found[:, 0]) / (2 * 1.96 * values.std())
        single = (np.abs(values) <= 1.96 * series.std(axis=1, ddof=1) / np.sqrt(series.shape[1])).mean()
        alone = f"{single:.3f}" if statistic == "mean" else "–"
        print(f"| {title} | {inside:.3f} | {width:.2f} | {alone} |", flush=True)


if __name__ == "__main__":
    main()
