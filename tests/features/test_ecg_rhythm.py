"""Rate, variability and ectopy against the definitions, on made beats."""

import numpy as np
import pytest
from made_ecg import SINUS, heart, made, recording, regular, twelve

from biosig.features import delineate, extract
from biosig.features.intervals import band_power


def test_variability_is_that_of_the_made_intervals():
    rng = np.random.default_rng(1)
    rr = 0.8 + 0.03 * rng.standard_normal(70)
    row = extract(made(times=0.5 + np.cumsum(rr), seconds=60))
    rr = rr[1 : int(row["ecg.n_intervals"]) + 1] * 1000
    steps = np.diff(rr)
    assert row["ecg.rate"] == pytest.approx(60_000 / np.median(rr), rel=0.01)
    assert row["ecg.sdrr"] == pytest.approx(rr.std(ddof=1), rel=0.05)
    assert row["ecg.sdnn"] == pytest.approx(rr.std(ddof=1), rel=0.05)
    assert row["ecg.rmssd"] == pytest.approx(np.sqrt(np.mean(steps**2)), rel=0.05)
    assert row["ecg.pnn50"] == pytest.approx(np.mean(np.abs(steps) > 50), abs=0.06)
    assert row["ecg.sd1"] == pytest.approx(row["ecg.rmssd"] / np.sqrt(2))
    assert row["ecg.rr_cv"] == pytest.approx(rr.std(ddof=1) / rr.mean(), rel=0.05)


@pytest.mark.parametrize(("freq", "low", "high"), [(0.1, 0.04, 0.15), (0.25, 0.15, 0.4)])
def test_band_power_of_a_sine_is_half_its_amplitude_squared(freq, low, high):
    times = np.cumsum(0.8 + 0.02 * np.random.default_rng(0).standard_normal(300))
    values = 800 + 40 * np.sin(2 * np.pi * freq * times)
    assert band_power(times, values, low, high) == pytest.approx(40**2 / 2, rel=0.1)


def test_modulated_intervals_have_their_power_in_their_band():
    times = [0.5]
    while times[-1] < 239:
        times.append(times[-1] + 0.8 + 0.04 * np.sin(2 * np.pi * 0.1 * times[-1]))
    row = extract(made(times=np.array(times), seconds=240, sfreq=250.0))
    assert row["ecg.lf_power"] == pytest.approx(40**2 / 2, rel=0.15)
    assert row["ecg.hf_power"] < 0.1 * row["ecg.lf_power"]
    assert row["ecg.lf_hf"] == pytest.approx(row["ecg.lf_power"] / row["ecg.hf_power"])


def test_a_premature_wide_beat_is_ectopic_and_leaves_normal_intervals():
    times = regular(0.8, 20.0)
    times[10] -= 0.3
    wide = {"R": (0.0, 0.16, (-0.9, 0.6, 0.9)), "T": (0.3, 0.2, (0.5, -0.3, -0.4))}
    row = extract(made(times=times, seconds=20.0, others={10: wide}))
    n = len(times)
    assert row["ecg.n_beats"] == n
    assert row["ecg.ectopic_share"] == pytest.approx(1 / n)
    assert row["ecg.premature_share"] == pytest.approx(1 / n)
    assert row["ecg.premature_ectopic_share"] == pytest.approx(1 / n)
    assert row["ecg.rmssd"] < 10 < row["ecg.rmssd_raw"]
    assert row["ecg.n_normal"] == row["ecg.n_intervals"] - 2
    assert row["ecg.score_premature_ventricular"] > 0.5


def test_no_interval_spans_a_gap():
    x = twelve(heart(regular(seconds=20.0), SINUS, 20.0))
    x += np.random.default_rng(0).normal(0, 0.004, x.shape[1])
    x[:, 4000:6500] = np.nan
    row = extract(recording(x))
    assert row["ecg.rr_max"] < 850
    assert row["ecg.rmssd_raw"] < 10
    assert row["ecg.missing[II]"] == pytest.approx(0.25)
    assert row["ecg.n_intervals"] == row["ecg.n_beats"] - 2


def test_fibrillation_has_no_p_and_is_irregular():
    rng = np.random.default_rng(3)
    times = 0.5 + np.cumsum(rng.uniform(0.45, 0.95, 14))
    waves = {name: wave for name, wave in SINUS.items() if name != "P"}
    row = extract(made(waves, times=times[times < 9.5]))
    assert row["ecg.score_atrial_fibrillation"] > 0.5
    assert extract(made())["ecg.score_atrial_fibrillation"] < 0.1
    assert extract(made())["ecg.score_sinus"] > 0.5


def test_ventricular_flutter_is_reported():
    t = np.arange(5000) / 500
    sine = twelve(np.outer((1.0, 0.8, 0.3), np.sin(2 * np.pi * 4.5 * t)))
    row = extract(recording(sine + np.random.default_rng(0).normal(0, 0.02, 5000)))
    assert row["ecg.flutter_share"] == 1
    assert row["ecg.score_ventricular_flutter"] > 0.9
    assert extract(made())["ecg.score_ventricular_flutter"] < 0.1


@pytest.mark.parametrize("first", [0.0, 0.02, 0.05])
def test_a_beat_that_the_recording_cuts_is_not_ectopic(first):
    record = made(times=regular(first=first))
    row = extract(record)
    assert row["ecg.ectopic_share"] == 0
    assert row["ecg.score_ectopic"] < 0.1
    cut = [m for m in delineate(record) if m.onset < first + 0.03 and m.label == "P"]
    assert not cut
