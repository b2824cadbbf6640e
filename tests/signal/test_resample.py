"""Resampling keeps what fits under the new Nyquist frequency, removes the rest, and spreads no gap."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from biosig.errors import DataError
from biosig.signal import resample, resample_valid
from biosig.signal.resample import LOWEST_CUT, PASSED

RATES = [100.0, 125.0, 128.0, 160.0, 200.0, 250.0, 256.0, 360.0, 400.0, 500.0, 1000.0]
rates = st.sampled_from(RATES)


def tone(freq, sfreq, seconds, phase=0.3):
    return np.sin(2 * np.pi * freq * np.arange(round(seconds * sfreq)) / sfreq + phase)


@settings(max_examples=60, deadline=None)
@given(rates, rates, st.floats(0.02, 0.88), st.sampled_from([np.float32, np.float64]))
def test_tone_below_both_nyquist_frequencies_survives(old, new, share, dtype):
    freq = share * min(old, new) / 2
    y = resample(tone(freq, old, 8).astype(dtype), old, new)
    assert y.dtype == dtype
    inner = slice(round(new), -round(new))
    assert np.abs(y - tone(freq, new, 8)[: len(y)])[inner].max() < 5e-3


@settings(max_examples=60, deadline=None)
@given(rates, rates, st.floats(0.0, 1.0))
def test_tone_above_the_new_nyquist_frequency_vanishes(old, new, share):
    if new >= old:
        return
    freq = new / 2 + share * (old - new) / 2
    y = resample(tone(freq, old, 8), old, new)
    assert np.abs(y[round(new) : -round(new)]).max() < 1e-2


@settings(max_examples=60, deadline=None)
@given(rates, rates, st.floats(LOWEST_CUT, PASSED))
def test_the_cut_off_is_at_half_and_steep(old, new, cut):
    assume(old != new)
    edge = cut * min(old, new) / 2
    for share, low, high in ((0.87, 0.995, 1.005), (1.0, 0.48, 0.52), (1.13, 0, 2e-3)):
        if share * edge < min(old, new) / 2:
            y = resample(tone(share * edge, old, 8), old, new, cut)
            assert low < y[round(new) : -round(new)].std() * 2**0.5 < high


@given(st.integers(0, 2000), rates, rates)
@settings(deadline=None, max_examples=50)
def test_length(n_times, old, new):
    y = resample(np.zeros((2, n_times), np.float32), old, new)
    assert y.shape == (2, round(n_times * new / old)) == resample_valid(np.ones((2, n_times), bool), old, new).shape


def test_a_constant_stays_constant_to_the_edges():
    assert np.allclose(resample(np.full(5000, 7.0), 500, 100), 7.0, atol=1e-2)
    assert np.allclose(resample(np.full(1600, 7.0), 160, 200), 7.0, atol=1e-2)


def test_gap_stays_a_gap_and_spoils_nothing_else():
    x = tone(5, 500, 10).astype(np.float32)[None].repeat(2, axis=0)
    gappy = x.copy()
    gappy[0, 2000:2100] = np.nan
    y, clean = resample(gappy, 500, 100), resample(x, 500, 100)
    assert np.isnan(y[0, 400:420]).all()
    assert np.isfinite(y[0]).sum() >= 1000 - 22
    assert np.array_equal(y[1], clean[1])
    far = np.r_[0:350, 470:1000]
    assert np.abs(y[0, far] - clean[0, far]).max() < 2e-3


def test_validity_by_hand():
    valid = np.ones((1, 20), bool)
    valid[0, 10] = False
    assert np.flatnonzero(~resample_valid(valid, 100, 100)[0]).tolist() == [10]
    assert np.flatnonzero(~resample_valid(valid, 100, 200)[0]).tolist() == [19, 20, 21]  # between 9 and 11, exclusive
    assert np.flatnonzero(~resample_valid(valid, 100, 50)[0]).tolist() == [5]  # at 10; 4 and 6 lie 2 samples away
    valid[0, 9] = False
    assert np.flatnonzero(~resample_valid(valid, 100, 50)[0]).tolist() == [4, 5]


def test_all_invalid_gives_all_nan():
    assert np.isnan(resample(np.full((1, 1000), np.nan), 500, 100)).all()


def test_odd_rates():
    assert resample(np.zeros(36000), 360, 250).shape == (25000,)
    assert resample(np.zeros(2571), 257.1, 100).shape == (1000,)
    with pytest.raises(DataError, match="choose a rate"):
        resample(np.zeros(10_000_000), 100 * np.sqrt(2), 100)
    with pytest.raises(DataError, match="check the sampling rate"):
        resample(np.zeros(5000), 1e6, 100)
    with pytest.raises(DataError, match="positive"):
        resample(np.zeros(10), 0, 100)
