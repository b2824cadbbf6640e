"""Pulses, rate, variability, respiration and what a PPG cannot carry, on signals whose truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_ppg import SYSTOLE, made, pulses, recording, regular

import biosig
from biosig import samples
from biosig.errors import DataError
from biosig.features import columns, delineate, extract


@pytest.mark.parametrize("sfreq", [25.0, 64.0, 100.0, 125.0, 256.0, 1000.0])
@pytest.mark.parametrize("rr", [0.45, 0.8, 1.4])
def test_pulses_are_where_they_were_made(sfreq, rr):
    feet = regular(rr)
    marks = delineate(made(feet, sfreq=sfreq, waves=(SYSTOLE,)), "ppg")
    peaks = np.array([mark.onset for mark in marks if mark.label == "peak"])
    inside = feet[(feet > 0.5) & (feet < 29)]
    assert all(np.abs(peaks - foot - SYSTOLE[0]).min() < 0.03 for foot in inside)
    assert abs(len(peaks) - len(feet)) <= 1


def test_marks_span_from_foot_to_foot_with_a_score():
    marks = [mark for mark in delineate(made(), "ppg") if mark.label == "pulse"]
    np.testing.assert_allclose([mark.duration for mark in marks], 0.8, atol=0.05)
    assert all(0.9 < mark.score <= 1 for mark in marks)


def test_onsets_are_the_recordings_own():
    whole = made()
    late = [mark.onset for mark in delineate(whole.crop(8.0, 10.0), "ppg") if mark.label == "peak"]
    all_of_them = np.array([mark.onset for mark in delineate(whole, "ppg") if mark.label == "peak"])
    assert min(late) >= 8
    assert all(np.abs(all_of_them - onset).min() < 0.02 for onset in late[1:-1])


@pytest.mark.parametrize("rr", [0.4, 0.6, 0.8, 1.0, 1.5])
def test_rate_is_what_was_made(rr):
    row = extract(made(regular(rr)))
    assert row["ppg.rate"] == pytest.approx(60 / rr, rel=0.005)
    assert row["ppg.rate_agreement"] == pytest.approx(1, abs=0.03)
    assert row["ppg.n_intervals"] == row["ppg.n_pulses"] - 1


def test_variability_follows_its_definition():
    rng = np.random.default_rng(3)
    rr = 0.8 + 0.03 * rng.standard_normal(150)
    feet = 0.5 + np.r_[0, np.cumsum(rr)]
    row = extract(made(feet, seconds=feet[-1] + 1.5, sfreq=250.0, noise=0.001, waves=(SYSTOLE,)))
    assert row["ppg.sdrr"] == pytest.approx(1000 * rr.std(ddof=1), rel=0.05)
    assert row["ppg.rmssd_raw"] == pytest.approx(1000 * np.sqrt(np.mean(np.diff(rr) ** 2)), rel=0.05)
    assert row["ppg.sd1"] == pytest.approx(row["ppg.rmssd"] / np.sqrt(2))


def test_low_and_high_frequency_power_of_modulated_intervals():
    times, feet = 0.5, [0.5]
    while times < 300:
        rr = 0.8 + 0.02 * np.sin(2 * np.pi * 0.1 * times) + 0.03 * np.sin(2 * np.pi * 0.25 * times)
        times += rr
        feet.append(times)
    row = extract(made(np.array(feet), seconds=feet[-1] + 1.5, noise=0.001, waves=(SYSTOLE,)))
    assert row["ppg.lf_power"] == pytest.approx(20**2 / 2, rel=0.15)
    assert row["ppg.hf_power"] == pytest.approx(30**2 / 2, rel=0.15)


def test_breaths_by_amplitude_baseline_and_frequency():
    seconds, breath, times = 90.0, 0.3, 0.4
    feet = []
    while times < seconds - 1:
        feet.append(times)
        times += 0.75 + 0.03 * np.sin(2 * np.pi * breath * times)
    feet = np.array(feet)
    swing = np.sin(2 * np.pi * breath * feet)
    x = pulses(feet, seconds, heights=1 + 0.2 * swing)
    x += 0.3 * np.sin(2 * np.pi * breath * np.arange(len(x)) / 125)
    row = extract(recording(x + np.random.default_rng(0).normal(0, 0.005, len(x))))
    for name in ("breaths_amplitude", "breaths_baseline", "breaths_frequency", "breaths"):
        assert row[f"ppg.{name}"] == pytest.approx(60 * breath, abs=1)
    assert row["ppg.amplitude_modulation"] == pytest.approx(0.2 / np.sqrt(2), rel=0.4)
    assert np.isnan(extract(made(seconds=20.0))["ppg.breaths_amplitude"])


def test_no_interval_spans_a_gap():
    x = pulses(regular())
    x[1000:1600] = np.nan
    row = extract(recording(x + np.random.default_rng(0).normal(0, 0.005, len(x))))
    assert row["ppg.rr_max"] < 850
    assert row["ppg.rate"] == pytest.approx(75, rel=0.01)
    assert row["ppg.missing[finger]"] == pytest.approx(600 / 3750)


def test_a_burst_of_noise_leaves_the_rate():
    x = pulses(regular(seconds=60.0), 60.0)
    rng = np.random.default_rng(1)
    x[3000:3250] += 20 * rng.standard_normal(250)
    row = extract(recording(x + rng.normal(0, 0.005, len(x))))
    assert row["ppg.rate"] == pytest.approx(75, rel=0.02)
    assert row["ppg.alike_share"] > 0.8


def test_low_pulses_beside_high_ones_are_found():
    feet = regular()
    heights = np.where(np.arange(len(feet)) % 2, 0.6, 1.0)
    assert extract(made(feet, heights=heights))["ppg.n_pulses"] >= len(feet) - 1


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(1250),
        np.full(1250, np.nan),
        np.random.default_rng(0).standard_normal(1250),
        pulses(np.array([3.0]), 10.0),
        pulses(np.array([3.0, 3.9]), 10.0),
        np.clip(pulses(regular(seconds=10.0), 10.0), 0.1, 0.5),
        pulses(regular(seconds=10.0), 10.0)[:1],
        pulses(regular(seconds=10.0), 10.0)[:40],
        pulses(regular(seconds=10.0), 10.0)[:140],
        np.r_[np.zeros(1249), 1.0],
    ],
)
def test_any_signal_gives_a_row(x):
    before = x.copy()
    row = extract(recording(x))
    assert list(row.index) == list(extract(made()).index)
    assert not np.isinf(row).any()
    np.testing.assert_array_equal(x, before)
    delineate(recording(x), "ppg")


def test_one_pulse_gives_a_shape_and_no_rate():
    row = extract(made(np.array([3.0]), seconds=10.0, noise=0.0, waves=(SYSTOLE,)))
    assert np.isnan(row["ppg.rate"])
    assert np.isnan(row["ppg.sdnn"])
    assert row["ppg.n_pulses"] >= 1


def test_clipping_and_flat_stretches_are_shares():
    x = np.clip(pulses(regular()), None, 0.5)
    x[2500:] = x[2500]
    row = extract(recording(x))
    assert row["ppg.clipped[finger]"] > 0.05
    assert row["ppg.flat[finger]"] == pytest.approx(1 / 3, abs=0.12)


def test_the_better_of_two_channels_is_chosen():
    rng = np.random.default_rng(0)
    clean = pulses(regular())
    x = np.stack([clean + rng.normal(0, 1, len(clean)), clean])
    row = extract(recording(x, names=("finger red", "finger IR")))
    assert row["ppg.chosen[finger IR]"] == 1
    assert row["ppg.chosen[finger red]"] == 0
    assert row["ppg.rate"] == pytest.approx(75, rel=0.01)


def test_rate_agrees_with_the_ecg_beside_real_pulses():
    for file in sorted(samples.path("bidmc").glob("*_Signals.csv.gz")):
        recording = biosig.read(file)
        row = extract(recording, ["ppg", "ecg"])
        assert row["ppg.rate"] == pytest.approx(row["ecg.rate"], abs=2)


def test_every_column_says_how_it_comes_about():
    assert all(column.formula and column.unit for column in columns("ppg"))


@settings(max_examples=60, deadline=None)
@given(
    n_times=st.integers(0, 900),
    sfreq=st.sampled_from([1.0, 3.0, 10.0, 33.3, 125.0, 500.0]),
    size=st.sampled_from([0.0, 1e-6, 1.0, 1e6]),
    gaps=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 400)), max_size=3),
    seed=st.integers(0, 99),
)
def test_broken_input_gives_a_row_or_one_sentence(n_times, sfreq, size, gaps, seed):
    x = size * np.random.default_rng(seed).standard_normal((2, n_times)).cumsum(1)
    for start, length in gaps:
        x[seed % 2, start : start + length] = np.nan
    made = recording(x, sfreq, names=("finger red", "finger IR"))
    if n_times == 0:
        with pytest.raises(DataError, match="has no sample"):
            extract(made)
        return
    assert not np.isinf(extract(made)).any()
