"""Simulated EEGs: spectra, places and artefacts are what the truth says."""

import numpy as np
import pytest
from scipy.signal import welch

from biosig import simulate
from biosig.errors import UsageError
from biosig.features import extract
from biosig.recording import Channel

QUIET = {"blinks": 0, "muscle": 0}


def test_a_seed_gives_the_same_samples_and_another_others():
    first, again, other = (simulate.eeg(seed, seconds=4)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.streams[0].samples, again.streams[0].samples)
    assert first.annotations == again.annotations
    assert not np.array_equal(first.streams[0].samples, other.streams[0].samples)


def test_field_times_activity_is_the_signal():
    recording, truth = simulate.eeg(1, seconds=10, noise=0, **QUIET)
    np.testing.assert_allclose(recording.streams[0].samples, truth.field @ truth.activity, atol=1e-3)
    np.testing.assert_allclose(truth.field.mean(0), 0, atol=1e-9)  # average reference


@pytest.mark.parametrize("exponent", [1.0, 1.6, 2.4])
def test_the_aperiodic_exponent_is_measured_as_it_is(exponent):
    options = simulate.EegOptions(seconds=60, exponent=exponent, rhythms=0, noise=0, **QUIET)
    row = extract(simulate.eeg(2, options)[0], ["eeg"])
    found = [row[f"eeg.aperiodic_exponent[{name}]"] for name in ("Fz", "Cz", "Pz", "O1", "T8")]
    assert np.mean(found) == pytest.approx(exponent, abs=0.1)


@pytest.mark.parametrize("alpha", [8.5, 10.0, 11.5])
def test_the_alpha_rhythm_is_behind_and_at_its_frequency(alpha):
    recording, truth = simulate.eeg(2, seconds=60, state="eyes_closed", alpha=alpha, **QUIET)
    assert [one.frequency for one in truth.oscillations if one.name == "alpha"] == [alpha]
    row = extract(recording, ["eeg"])
    assert row["eeg.alpha_gravity[O1]"] == pytest.approx(alpha, abs=0.4) or np.isnan(row["eeg.alpha_gravity[O1]"])
    assert max(row["eeg.power_alpha[O1]"], row["eeg.power_alpha[O2]"]) > row["eeg.power_alpha[Cz]"] + 3  # dB
    freqs, density = welch(recording.streams[0].physical()[recording.ch_names.index("O1")], 250, nperseg=1000)
    assert freqs[6 * 4 + density[6 * 4 : 14 * 4].argmax()] == pytest.approx(alpha, abs=0.5)


def test_eyes_closed_have_more_alpha_than_open_ones():
    closed, opened = (
        [extract(simulate.eeg(seed, state=state, **QUIET)[0], ["eeg"])["eeg.share_alpha[O1]"] for seed in range(3)]
        for state in ("eyes_closed", "eyes_open")
    )
    assert np.median(closed) > 2 * np.median(opened)


def test_blinks_are_largest_in_front_when_they_are_said():
    recording, truth = simulate.eeg(0, state="eyes_open", blinks=20, muscle=0, seconds=60)
    x = dict(zip(recording.ch_names, recording.streams[0].physical(), strict=True))
    assert 8 <= len(truth.artefacts) <= 40
    spans = [(round(m.onset * 250), round((m.onset + m.duration) * 250)) for m in truth.artefacts]
    peaks = {name: np.median([np.ptp(x[name][a:b]) for a, b in spans]) for name in ("Fp1", "Fp2", "Cz", "O1")}
    assert min(peaks["Fp1"], peaks["Fp2"]) > 50  # uV
    assert min(peaks["Fp1"], peaks["Fp2"]) > 1.5 * max(peaks["Cz"], peaks["O1"])


def test_spindles_are_where_they_are_said():
    recording, truth = simulate.eeg(1, state="sleep", seconds=120, exponent=2.2, **QUIET)
    assert len(truth.spindles) > 1
    assert [mark.label for mark in recording.annotations].count("spindle") == len(truth.spindles)
    x = recording.streams[0].physical()[recording.ch_names.index("Cz")]
    freqs = np.fft.rfftfreq(len(x), 1 / 250)
    fast = np.fft.irfft(np.fft.rfft(x) * ((freqs > 10.5) & (freqs < 16)), len(x))
    inside = np.zeros(len(x), bool)
    for onset, length, _ in truth.spindles:
        inside[round(onset * 250) : round((onset + length) * 250)] = True
    assert fast[inside].std() > 2 * fast[~inside].std()


def test_muscle_is_fast_and_temporal():
    recording, _ = simulate.eeg(4, seconds=60, muscle=40, blinks=0)
    x = recording.streams[0].physical()
    fast = np.diff(x, axis=1).std(1)
    names = recording.ch_names
    assert max(fast[names.index("T7")], fast[names.index("T8")]) > 1.5 * fast[names.index("Cz")]


def test_a_measured_position_is_used():
    moved = Channel("Cz", "Cz", "eeg", "uV", (0.0, 0.11, 0.08), position_source="measured")
    assert not np.allclose(
        simulate.eeg(0, seconds=2, channels=["O1", "Cz"], noise=0)[1].field,
        simulate.eeg(0, seconds=2, channels=["O1", moved], noise=0)[1].field,
    )


@pytest.mark.parametrize("changes", [{"state": "bored"}, {"alpha": 40}, {"chanels": []}, {"channels": ["Q7"]}])
def test_what_cannot_be_simulated_is_refused(changes):
    with pytest.raises(UsageError):
        simulate.eeg(0, **changes)
