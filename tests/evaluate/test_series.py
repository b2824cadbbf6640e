"""The interval of a mean over windows that follow each other: it holds the truth as often as it says."""

import numpy as np
import pytest
from scipy.signal import lfilter

from biosig.errors import UsageError
from biosig.evaluate.series import autocorrelation, series_interval


def autoregression(r, n, times, seed=0):
    """Windows (times, n) of true mean 0, each correlated with the next by r."""
    noise = np.random.default_rng(seed).normal(size=(times, n + 200))
    return lfilter([1], [1, -r], noise, axis=1)[:, 200:] * np.sqrt(1 - r**2)


def drift_below_noise(n, times):
    """Windows whose neighbours are alike by less than .5, but stay so for long."""
    return autoregression(0.9, n, times) + np.random.default_rng(1).normal(size=(times, n))


MADE = {
    "independent": (autoregression(0.0, 48, 300), "mean"),
    "a few, independent": (autoregression(0.0, 8, 300), "mean"),
    "alike": (autoregression(0.6, 48, 300), "mean"),
    "much alike": (autoregression(0.8, 180, 300), "mean"),
    "median": (autoregression(0.6, 100, 300), "median"),
    "drift": (drift_below_noise(720, 200), "mean"),
}


@pytest.mark.parametrize("name", MADE)
def test_the_true_mean_is_inside_as_often_as_is_said(name):
    series, statistic = MADE[name]
    found = np.array([series_interval(one, statistic, n_resamples=300) for one in series])
    inside = ((found[:, 1] <= 0) & (found[:, 2] >= 0)).mean()
    assert 0.88 <= inside <= 0.99
    assert (found[:, 1] <= found[:, 2]).all()


def test_drawing_single_windows_would_promise_too_much():
    series = MADE["much alike"][0]
    half = 1.96 * series.std(axis=1) / np.sqrt(series.shape[1])
    assert (np.abs(series.mean(axis=1)) <= half).mean() < 0.65


def test_it_is_not_wider_than_it_must_be():
    series = MADE["much alike"][0]
    width = np.median([high - low for _, low, high, *_ in (series_interval(x, n_resamples=300) for x in series)])
    assert width == pytest.approx(2 * 1.96 * series.mean(axis=1).std(), rel=0.25)


def test_longer_likeness_draws_longer_blocks():
    blocks = [series_interval(autoregression(r, 500, 1)[0]).block for r in (0.0, 0.6, 0.9)]
    assert blocks[0] < 8 < blocks[1] < blocks[2] <= 167
    assert autocorrelation(autoregression(0.6, 5000, 1)[0]) == pytest.approx(0.6, abs=0.07)


def test_one_window_has_no_interval_and_missing_ones_count_for_nothing():
    one = series_interval(np.array([np.nan, 0.7]))
    assert (one.value, one.n_windows, one.block) == (0.7, 1, 0)
    assert np.isnan([one.low, one.high]).all()
    none = series_interval(np.array([np.nan]))
    assert np.isnan(none.value)
    assert none.n_windows == 0
    gaps = np.array([0.1, np.nan, 0.4, 0.2, np.nan, 0.3])
    assert series_interval(gaps) == series_interval(gaps[np.isfinite(gaps)])


def test_probabilities_stay_probabilities_and_constants_constant():
    found = series_interval(np.array([0.99, 0.5, 0.98, 0.97]), bounds=(0.0, 1.0))
    assert 0 <= found.low < found.value < found.high == 1.0
    assert series_interval(np.full(9, 0.25))[:3] == (0.25, 0.25, 0.25)


def test_the_seed_decides_the_draws():
    x = autoregression(0.5, 50, 1)[0]
    assert series_interval(x) == series_interval(x)
    assert series_interval(x) != series_interval(x, seed=1)


def test_what_cannot_be_asked_is_said():
    with pytest.raises(UsageError, match=r"give a fraction such as 0\.95"):
        series_interval(np.zeros(3), level=95)
    with pytest.raises(UsageError, match="give mean or median"):
        series_interval(np.zeros(3), "mode")
