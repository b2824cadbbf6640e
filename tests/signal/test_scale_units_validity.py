"""Robust scale, units and validity as a user relies on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biosig.errors import DataError, UsageError
from biosig.signal import (
    bridge_gaps,
    canonical_unit,
    channel_scales,
    check_plausible,
    convert_units,
    is_flat,
    join_runs,
    mask_from_runs,
    robust_scale,
    runs_from_mask,
    spell_unit,
    unit_factor,
)

NOISE = np.random.default_rng(0).standard_normal((12, 5000))


def test_scale_of_noise_is_its_standard_deviation():
    assert robust_scale(NOISE * 3) == pytest.approx(3, rel=0.03)


@given(st.floats(1e-6, 1e6), st.floats(-10, 10))
def test_scale_follows_the_gain_and_ignores_the_offset(gain, offset):
    assert robust_scale(NOISE[:3, :500] * gain + offset * gain) == pytest.approx(
        gain * robust_scale(NOISE[:3, :500]), rel=1e-6
    )


@pytest.mark.parametrize("broken", [0.0, 1e6, np.nan])
def test_scale_does_not_see_one_broken_lead_of_twelve(broken):
    x = NOISE.copy()
    x[4] = broken * np.where(np.arange(5000) % 2, 1, -1)
    assert robust_scale(x) == pytest.approx(1, rel=0.05)


def test_scale_of_nothing_is_nan():
    x = np.stack([np.zeros(100), np.full(100, np.nan), np.r_[np.full(99, np.nan), 1.0]])
    assert np.isnan(robust_scale(x))
    assert np.isnan(robust_scale(np.empty((0, 100))))


def test_scale_reads_past_missing_samples():
    x = NOISE.copy()
    x[:, ::3] = np.nan
    assert robust_scale(x) == pytest.approx(1, rel=0.05)


def test_flat():
    x = np.array([[1, 1, 1], [1, np.nan, 1], [1, np.nan, 2], [np.nan] * 3, [-1, 0, 1]], np.float32)
    assert is_flat(x).tolist() == [True, True, False, True, False]


@given(arrays(bool, st.tuples(st.integers(0, 4), st.integers(0, 30))))
def test_runs_and_mask_are_one_thing(mask):
    runs = runs_from_mask(mask)
    assert runs.dtype == np.int64
    assert runs.shape[1:] == (3,)
    assert np.array_equal(mask_from_runs(runs, mask.shape), mask)
    assert (runs[:, 2] > runs[:, 1]).all()
    after, before = runs[1:], runs[:-1]
    assert ((after[:, 1] > before[:, 2]) | (after[:, 0] > before[:, 0])).all()  # no two touch


def test_bridge():
    x = np.array([[np.nan, 1, np.nan, np.nan, 4, np.nan], [np.nan] * 6])
    assert bridge_gaps(x).tolist() == [[1, 1, 2, 3, 4, 4], [0] * 6]
    assert np.isnan(x[0, 0])  # the input is left alone


@pytest.mark.parametrize(
    ("given_unit", "spelt"), [("µV", "uV"), ("μV", "uV"), ("uv", "uV"), (" mv ", "mV"), ("Wb", "Wb")]
)
def test_spelling(given_unit, spelt):
    assert spell_unit(given_unit) == spelt


def test_factors():
    assert unit_factor("V", "uV") == 1e6
    assert unit_factor("µV", "mV") == 1e-3
    assert unit_factor("NU", "NU") == 1
    x = np.array([0.5], np.float32)
    assert convert_units(x, "mV", "uV").tolist() == [500]
    assert convert_units(x, "mV", "uV").dtype == np.float32
    assert canonical_unit("ecg") == "mV"
    assert canonical_unit("eeg") == "uV"
    assert canonical_unit("ppg") is None


@pytest.mark.parametrize(("a", "b"), [("mV", "mmHg"), ("NU", "mV"), ("furlong", "mV")])
def test_no_factor_between_unlike_units(a, b):
    with pytest.raises(UsageError, match="no conversion"):
        unit_factor(a, b)


@pytest.mark.parametrize(
    ("kind", "unit", "size", "message"),
    [
        ("ecg", "mV", 0.25e-3, r"1,000 times too small \(mV taken for uV, V taken for mV\?\)"),
        ("ecg", "mV", 250, r"1,000 times too large \(uV taken for mV, mV taken for V\?\)"),
        ("ecg", "V", 0.25, r"1,000 times too large \(uV taken for mV, mV taken for V\?\)"),
        ("ecg", "mV", 1e6, r"1,000,000 times too large \(uV taken for V\?\)"),
        ("eeg", "uV", 20e-6, r"1,000,000 times too small \(V taken for uV\?\)"),
        ("eeg", "uV", 20e-3, r"1,000 times too small \(mV taken for uV, V taken for mV\?\)"),
        ("eeg", "uV", 20e-9, r"1,000,000,000 times too small; correct the unit"),
    ],
)
def test_wrong_units_are_refused_by_their_factor(kind, unit, size, message):
    with pytest.raises(DataError, match=rf"a\.edf.*{message}"):
        check_plausible(NOISE * size, kind, unit, "a.edf")


@pytest.mark.parametrize(
    ("kind", "unit", "size"),
    [
        ("ecg", "mV", 0.02),
        ("ecg", "mV", 2),
        ("eeg", "uV", 2),
        ("eeg", "uV", 300),
        ("ppg", "NU", 1e9),
        ("ecg", "", 1e9),
        ("ecg", "mV", 0),
        ("ecg", "mV", np.nan),
    ],
)
def test_plausible_signals_pass(kind, unit, size):
    check_plausible(NOISE * size, kind, unit, "a.edf")


def test_joined_runs_cover_the_same_samples_with_as_few_rows_as_can_be():
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 180, 60)
    runs = np.column_stack((rng.integers(0, 3, 60), starts, starts + rng.integers(1, 12, 60)))
    joined = join_runs(runs)
    mask = mask_from_runs(runs, (3, 200))
    assert np.array_equal(joined, runs_from_mask(mask))
    assert len(join_runs(np.empty((0, 3)))) == 0


def test_a_long_gap_is_bridged_by_what_lies_near():
    x = np.array([[1.0, np.nan, np.nan, np.nan, np.nan, 7.0, np.nan, 9.0]])
    assert bridge_gaps(x, longest=3).tolist() == [[1, 1, 1, 7, 7, 7, 8, 9]]
    assert bridge_gaps(x, longest=4).tolist() == [[1, 2.2, 3.4, 4.6, 5.8, 7, 8, 9]]


@pytest.mark.parametrize("n_times", [2, 3, 20, 21, 1000, 1001])
def test_the_scale_is_that_of_exact_percentiles(n_times):
    x = np.random.default_rng(n_times).normal(5, 2, (3, n_times)).astype(np.float32)
    expected = [np.percentile(np.abs(row - np.median(row)), 95) / 1.96 for row in x.astype(np.float64)]
    np.testing.assert_allclose(channel_scales(x), expected, rtol=1e-5)


@given(arrays(np.int16, st.tuples(st.integers(1, 3), st.integers(2, 50))))
def test_the_scale_of_counts_is_that_of_exact_percentiles(x):
    expected = [np.percentile(np.abs(row - np.median(row)), 95) / 1.96 for row in x.astype(np.float64)]
    np.testing.assert_allclose(np.nan_to_num(channel_scales(x)), expected, rtol=1e-12)


def test_counts_that_are_no_values_are_not_measured():
    x = np.random.default_rng(0).normal(5, 100, (3, 1000)).astype(np.int16)
    valid = np.ones(x.shape, bool)
    valid[0, 200:700], valid[1] = False, False
    without = np.where(valid, x, -(2**15)).astype(np.int16)
    scales = channel_scales(without, valid)
    assert scales[0] == channel_scales(x[:1, valid[0]])[0]
    assert np.isnan(scales[1])
    assert scales[2] == channel_scales(x)[2]


def test_eyes_and_muscles_have_a_size_too():
    x = np.random.default_rng(0).normal(0, 60, (1, 1000))
    for kind in ("eog", "emg"):
        check_plausible(x, kind, "uV", "r")
        with pytest.raises(DataError, match="1,000,000 times too small"):
            check_plausible(x * 1e-6, kind, "uV", "r")
