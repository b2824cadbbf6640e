"""The mean pulse, its derivatives and perfusion, on signals whose truth is known."""

import numpy as np
import pytest
from made_ppg import DIASTOLE, SYSTOLE, made, pulses, recording, regular

from biosig.features import extract
from biosig.features.ppg_shape import apg_waves, derivatives


def test_widths_of_a_gaussian_pulse():
    width = 0.07
    row = extract(made(regular(1.2), waves=((0.3, width, 1.0),), noise=0.001))
    for share in (50, 75, 90):  # the band-pass lowers the feet
        true = 2000 * width * np.sqrt(2 * np.log(100 / share))
        assert row[f"ppg.width_{share}"] == pytest.approx(true, rel=0.12)
        assert row[f"ppg.width_ratio_{share}"] == pytest.approx(1, abs=0.15)
    assert row["ppg.polarity"] == pytest.approx(0, abs=0.1)


def test_steepest_rise_of_a_gaussian_pulse():
    row = extract(made(regular(1.2), waves=((0.3, 0.07, 1.0),), noise=0.001))
    assert row["ppg.slope_max"] == pytest.approx(np.exp(-0.5) / 0.07, rel=0.12)
    assert row["ppg.crest_time"] - row["ppg.slope_max_time"] == pytest.approx(70, abs=12)


def test_derivatives_are_those_of_a_sine():
    t = np.arange(200) / 125
    first, second = derivatives(np.sin(2 * np.pi * t), 125.0)
    np.testing.assert_allclose(first[5:-5], 2 * np.pi * np.cos(2 * np.pi * t)[5:-5], atol=0.02)
    np.testing.assert_allclose(second[5:-5], -((2 * np.pi) ** 2) * np.sin(2 * np.pi * t)[5:-5], rtol=0.02, atol=0.2)


def test_diastolic_wave_is_where_it_was_made():
    row = extract(made(noise=0.001))
    assert row["ppg.diastolic_delay"] == pytest.approx(1000 * (DIASTOLE[0] - SYSTOLE[0]), abs=35)
    assert row["ppg.diastolic_height"] == pytest.approx(DIASTOLE[2], abs=0.12)
    assert row["ppg.crest_time"] < row["ppg.notch_time"] < row["ppg.crest_time"] + row["ppg.diastolic_delay"]
    later = extract(made(noise=0.001, waves=(SYSTOLE, (0.5, 0.09, 0.35))))
    assert later["ppg.diastolic_delay"] - row["ppg.diastolic_delay"] == pytest.approx(50, abs=17)


def test_waves_of_the_second_derivative_are_told_apart():
    t = np.arange(100) / 100
    heights = {"a": (0.05, 10.0), "b": (0.12, -8.0), "c": (0.2, 1.0), "d": (0.26, -5.0), "e": (0.35, 3.0)}
    second = sum(height * np.exp(-0.5 * ((t - at) / 0.02) ** 2) for at, height in heights.values())
    found = apg_waves(second, 8, 100.0)
    for wave, (at, _) in heights.items():
        assert found[wave] == pytest.approx(100 * at, abs=1.5)


def test_waves_are_ordered_and_ratios_follow_from_them():
    row = extract(made(noise=0.001))
    times = [row[f"ppg.apg_{wave}_time"] for wave in "abcde"]
    assert times == sorted(times)
    ratios = [row[f"ppg.apg_{wave}_a"] for wave in "bcde"]
    assert row["ppg.aging_index"] == pytest.approx(ratios[0] - sum(ratios[1:]))
    assert ratios[0] < 0


def test_shape_does_not_depend_on_the_gain():
    x = pulses(regular())
    x += np.random.default_rng(0).normal(0, 0.005, len(x))
    one, other = extract(recording(x)), extract(recording(1000 * x))
    np.testing.assert_allclose(one.to_numpy(), other.to_numpy(), rtol=5e-3, atol=1e-3)


def test_an_inverted_signal_is_reported():
    x = pulses(regular(), waves=((0.15, 0.05, 1.0), (0.28, 0.12, 0.6)))
    assert extract(recording(x))["ppg.polarity"] > extract(recording(-x))["ppg.polarity"] + 0.1


def test_derivatives_need_the_band():
    narrow = extract(made(band={"ppg": (0.5, 6.0)}))
    assert np.isnan(narrow["ppg.apg_b_a"])
    assert np.isfinite(narrow["ppg.crest_time"])
    assert np.isnan(extract(made(sfreq=20.0))["ppg.apg_b_a"])


def test_perfusion_of_known_parts():
    x = 50 + np.outer([1.0, 2.0], pulses(regular(), waves=(SYSTOLE,)))
    row = extract(recording(x, names=("finger red", "finger IR"), unit="mV"))
    assert row["ppg.perfusion[finger red]"] == pytest.approx(2.0, rel=0.05)
    assert row["ppg.perfusion[finger IR]"] == pytest.approx(4.0, rel=0.05)
    assert row["ppg.ratio_of_ratios"] == pytest.approx(0.5, rel=0.01)
    assert row["ppg.pulse_height"] > 0


@pytest.mark.parametrize("unit", ["NU", "", "a.u."])
def test_no_unit_no_amplitude(unit):
    row = extract(recording(50 + pulses(regular()), unit=unit))
    assert np.isnan(row["ppg.perfusion[finger]"])
    assert np.isnan(row["ppg.pulse_height"])
    assert any("no amplitudes" in note for note in row.attrs["notes"])


def test_no_perfusion_without_a_steady_part():
    x = pulses(regular())
    assert np.isnan(extract(recording(x - x.mean(), unit="mV"))["ppg.perfusion[finger]"])
    filtered = recording(50 + x, unit="mV", band={"ppg": (0.5, None)})
    assert np.isnan(extract(filtered)["ppg.perfusion[finger]"])
