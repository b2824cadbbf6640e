"""Aperiodic line, peaks and artefact indices, on signals whose truth is known."""

import numpy as np
import pytest
from made_eeg import TEN_TWENTY, coloured, recording, sine

from biosig.features import extract
from biosig.signal import bandpass


def mean(row, name):
    return row[[f"eeg.{name}[{site}]" for site in TEN_TWENTY]].mean()


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_exponent_and_offset_of_coloured_noise(exponent):
    row = extract(recording(coloured(exponent, 100.0, n=19)))
    assert mean(row, "aperiodic_exponent") == pytest.approx(exponent, abs=0.06)
    assert mean(row, "aperiodic_offset") == pytest.approx(2.0, abs=0.08)
    assert mean(row, "aperiodic_error") < 0.1


def test_exponent_of_four_seconds_is_not_biased():
    rows = [extract(recording(coloured(1.0, 100.0, n=19, seconds=4, seed=seed))) for seed in range(6)]
    assert np.mean([mean(row, "aperiodic_exponent") for row in rows]) == pytest.approx(1, abs=0.1)


def test_peaks_leave_the_exponent_alone_and_are_found():
    narrow = bandpass(coloured(0, 5.0, n=19, seed=1), 250.0, 9.5, 11.5)
    row = extract(recording(coloured(1.0, 5.0, n=19) + narrow))
    assert mean(row, "aperiodic_exponent") == pytest.approx(1, abs=0.12)
    assert mean(row, "peak_alpha") == pytest.approx(10.5, abs=0.5)
    assert row["eeg.peak_alpha_posterior"] == pytest.approx(10.5, abs=0.7)
    assert mean(row, "alpha_gravity") == pytest.approx(10.5, abs=0.4)
    assert mean(row, "peak_alpha_height") > 0.5


def test_without_a_peak_there_is_no_peak_frequency():
    row = extract(recording(coloured(1.0, 100.0, n=19, seconds=240)))
    assert np.mean([np.isnan(row[f"eeg.peak_alpha[{site}]"]) for site in TEN_TWENTY]) > 0.8


@pytest.mark.parametrize("high", [15.0, 25.0, 30.0])
def test_the_fit_stays_inside_of_a_low_pass_filter(high):
    x = bandpass(coloured(1.0, 100.0, n=19), 250.0, None, high)
    for row in (extract(recording(x)), extract(recording(x, band={"eeg": (None, high)}))):
        exponent = mean(row, "aperiodic_exponent")
        assert np.isnan(exponent) or exponent == pytest.approx(1, abs=0.25)
        assert not row["eeg.aperiodic_high"] > high


def test_edge_and_median_frequency_of_white_noise():
    row = extract(recording(coloured(0, 4.0, n=19)))
    assert mean(row, "median_frequency") == pytest.approx(23, abs=1)
    assert mean(row, "edge_frequency") == pytest.approx(1 + 0.95 * 44, abs=1)
    assert mean(row, "spectral_entropy") > 0.98
    assert mean(extract(recording(sine(10))), "spectral_entropy") < 0.4


def test_mains_hum_shows():
    x = coloured(1, 100, n=19)
    clean, humming = extract(recording(x)), extract(recording(x + sine(50, 30.0)))
    assert mean(clean, "mains") < 5 < 20 < mean(humming, "mains")


def test_muscle_flattens_the_slope():
    assert mean(extract(recording(coloured(2.0, 100, n=19))), "muscle_slope") == pytest.approx(-2, abs=0.15)
    assert mean(extract(recording(coloured(0.0, 4, n=19))), "muscle_slope") == pytest.approx(0, abs=0.1)


def test_blinks_are_counted():
    x = coloured(1, 20, n=19)
    t = np.arange(x.shape[1]) / 250
    for at in (5, 15, 25, 35, 45, 55):
        x[:2] += 200 * np.exp(-0.5 * ((t - at) / 0.08) ** 2)
    row = extract(recording(x))
    assert row["eeg.blinks"] == pytest.approx(6, abs=1)
    assert row["eeg.kurtosis[Fp1]"] > 3 > row["eeg.kurtosis[O1]"]
    assert np.isnan(extract(recording(x[2:], names=TEN_TWENTY[2:]))["eeg.blinks"])


def test_a_pop_a_flat_a_clipped_and_a_strange_channel_stand_out():
    common = coloured(1, 100)
    x = common + coloured(1, 10, n=19, seed=1)
    x[4, 7000:] += 300  # Fz pops
    x[9, 5000:] = x[9, 5000]  # Cz is flat from then on
    x[14] = np.clip(x[14], -10, 10)  # Pz
    x[17] = coloured(1, 100, seed=2)[0]  # O1 follows nobody
    row = extract(recording(x))
    assert row["eeg.jump[Fz]"] > 3 * row["eeg.jump[F3]"]
    assert row["eeg.flat[Cz]"] == pytest.approx(2 / 3, abs=0.02)
    assert row["eeg.clipped[Pz]"] > 0.1
    assert row["eeg.clipped[F3]"] == 0
    assert row["eeg.likeness[O1]"] < 0.5 < row["eeg.likeness[F3]"]
    assert row["eeg.swing[Fz]"] > 300


def test_drift_is_a_share():
    x = coloured(0, 1.0, n=19)
    assert mean(extract(recording(x)), "drift_share") == pytest.approx(1 / 45, rel=0.3)
    assert mean(extract(recording(x + sine(0.5, 50))), "drift_share") > 0.8
