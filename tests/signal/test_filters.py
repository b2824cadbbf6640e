"""Filters keep their band without delay, remove the rest, and leave NaN where it was."""

import numpy as np
import pytest
from scipy import signal

from biosig.errors import UsageError
from biosig.signal import band_filter, bandpass, notch, notch_filter

SFREQ = 250.0
TIME = np.arange(5000) / SFREQ


def tone(freq):
    return np.sin(2 * np.pi * freq * TIME)


def test_band_passes_what_it_says():
    x = np.stack([tone(f) for f in (0.05, 10, 100)])
    y = bandpass(x, SFREQ, 0.5, 40)[:, 1000:-1000]
    assert np.abs(y[1] - x[1, 1000:-1000]).max() < 0.01  # in place: no delay
    assert np.abs(y[[0, 2]]).max() < 0.01


def test_one_sided_bands_and_none():
    x = tone(0.05) + tone(10) + tone(100)
    inner = slice(1000, -1000)
    assert np.abs(bandpass(x, SFREQ, 1.0, None) - tone(10) - tone(100))[inner].max() < 0.01
    assert np.abs(bandpass(x, SFREQ, None, 40) - tone(10) - tone(0.05))[inner].max() < 0.01
    assert np.array_equal(bandpass(x, SFREQ, None, None), x)


def test_notch_removes_hum_and_its_harmonics_alone():
    x = tone(50) + tone(100) + tone(10)
    inner = slice(1000, -1000)
    assert np.abs(notch(x, SFREQ, 50) - tone(10))[inner].max() < 0.03
    assert np.abs(notch(x, SFREQ, 50, harmonics=False) - tone(10) - tone(100))[inner].max() < 0.03


def test_gaps_do_not_spread():
    x = np.stack([tone(10), tone(10)]).astype(np.float32)
    x[0, 2000:2010] = np.nan
    for y in (bandpass(x, SFREQ, 0.5, 40), notch(x, SFREQ, 50)):
        assert y.dtype == np.float32
        assert np.array_equal(np.isnan(y), np.isnan(x))
    assert np.isnan(bandpass(np.full((1, 100), np.nan), SFREQ, 0.5, 40)).all()


def test_float32_survives_a_cut_off_far_below_the_rate():
    x = (tone(10) + 1000).astype(np.float32)
    y = bandpass(x, 5000.0, 0.1, 2000)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("n_times", [0, 1, 2, 10])
def test_short_signals(n_times):
    assert bandpass(np.ones((2, n_times)), SFREQ, 0.5, 40).shape == (2, n_times)
    assert notch(np.ones((2, n_times)), SFREQ, 50).shape == (2, n_times)


@pytest.mark.parametrize(("low", "high"), [(40, 0.5), (0, 40), (0.5, 125), (-1, None), (None, 200)])
def test_impossible_bands_are_refused(low, high):
    with pytest.raises(UsageError, match="low < high"):
        bandpass(TIME, SFREQ, low, high)


def test_impossible_notch_is_refused():
    with pytest.raises(UsageError, match="between 0"):
        notch(TIME, SFREQ, 125)


def test_the_padded_filter_is_scipys():
    x = np.random.default_rng(0).normal(size=(3, 5000)).cumsum(axis=1)
    band = band_filter(SFREQ, 0.5, 40)
    n_pad = band.settling(0.1)
    assert np.allclose(band(x), signal.sosfiltfilt(band.sos, x, padlen=n_pad), atol=1e-9 * np.abs(x).max())


def test_two_filters_in_one_pass_are_one_after_the_other():
    x = tone(0.05) + tone(10) + tone(50) + tone(100)
    both = notch_filter(SFREQ, 50).then(band_filter(SFREQ, 0.5, 40))
    inner = slice(1000, -1000)
    assert np.allclose(both(x)[inner], bandpass(notch(x, SFREQ, 50), SFREQ, 0.5, 40)[inner], atol=1e-3)


@pytest.mark.parametrize("made", [band_filter(SFREQ, 0.5, 40), band_filter(SFREQ, 0.5, None), notch_filter(SFREQ, 50)])
def test_an_echo_has_died_when_the_filter_says_so(made):
    x = np.zeros(20_000)
    x[10_000] = 1.0
    y = np.abs(made(x))
    n = made.settling(1e-6)
    assert y[: 10_000 - n].max() < 1e-6
    assert y[10_000 + n :].max() < 1e-6
    assert y[10_000 + n // 4] > 1e-9  # and not much later
