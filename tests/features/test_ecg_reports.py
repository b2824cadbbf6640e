"""What people report of ECG feature libraries: each is a row with NaN where a value cannot be had, and no crash."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_ecg import LEADS, SINUS, changed, heart, made, recording, regular, twelve

import biosig
from biosig import samples
from biosig.errors import DataError
from biosig.features import delineate, extract


def noise(shape, size=0.05, seed=0):
    return np.random.default_rng(seed).normal(0, size, shape)


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.3, 0.5, 0.9, 1.5, 2.0, 3.0, 5.0])
def test_any_length_gives_a_row(seconds):
    row = extract(made(seconds=seconds, times=regular(seconds=seconds, first=0.45)))
    assert row["ecg.n_beats"] <= seconds / 0.8 + 1
    assert np.isnan(row["ecg.lf_power"])


def test_one_beat_gives_its_waves():
    row = extract(made(times=[1.0], seconds=2.0))
    assert row["ecg.n_beats"] == row["ecg.median_beats"] == 1
    assert row["ecg.r_amplitude[II]"] == pytest.approx(extract(made())["ecg.r_amplitude[II]"], rel=0.1)
    assert row["ecg.qrs"] == pytest.approx(extract(made())["ecg.qrs"], abs=15)
    assert np.isnan(row["ecg.rate"])
    assert np.isnan(row["ecg.rmssd"])


@pytest.mark.parametrize("fill", [0.0, 1.5, np.nan])
def test_a_flat_or_missing_recording_has_no_beat(fill):
    row = extract(recording(np.full((12, 5000), fill)))
    assert row["ecg.n_beats"] == row["ecg.n_leads"] == row["ecg.median_beats"] == 0
    assert np.isnan(row["ecg.qrs"])
    assert np.isnan(row["ecg.r_amplitude[V1]"])
    assert not delineate(recording(np.full((12, 5000), fill)))


def test_dead_leads_do_not_spoil_the_others():
    x = np.array(made().streams[0].samples)
    x[[6, 9]] = 0.0
    x[10] = np.nan
    row, whole = extract(recording(x)), extract(made())
    assert row["ecg.n_leads"] == 9
    assert row["ecg.qrs"] == pytest.approx(whole["ecg.qrs"], abs=10)
    assert row["ecg.r_amplitude[II]"] == pytest.approx(whole["ecg.r_amplitude[II]"], abs=0.02)
    assert np.isnan(row["ecg.r_amplitude[V1]"])
    assert np.isnan(row["ecg.sokolow"])
    assert np.isnan(row["ecg.score_lvh_sokolow"])
    assert row["ecg.flat[V1]"] == 1
    assert row["ecg.missing[V5]"] == 1


def test_clipped_leads_are_reported():
    x = np.array(made().streams[0].samples).clip(-0.3, 0.3)
    row = extract(recording(x))
    assert row["ecg.clipped[V5]"] > 0.01
    assert extract(made())["ecg.clipped[V5]"] == 0


def test_a_lead_worn_the_other_way_is_reported_and_not_turned():
    x = np.array(made().streams[0].samples)[[1]]
    upright, turned = extract(recording(x, names=["II"])), extract(recording(-x, names=["II"]))
    assert upright["ecg.inverted[II]"] < 0.1 < 0.9 < turned["ecg.inverted[II]"]
    assert turned["ecg.polarity[II]"] == pytest.approx(-upright["ecg.polarity[II]"], abs=0.1)
    assert turned["ecg.p_amplitude[II]"] == pytest.approx(-upright["ecg.p_amplitude[II]"], abs=0.03)
    assert turned["ecg.n_beats"] == upright["ecg.n_beats"]


def test_exchanged_electrodes_are_reported():
    x = np.array(made().streams[0].samples)
    arms = x.copy()
    arms[0], arms[1], arms[2], arms[3], arms[4] = -x[0], x[2], x[1], x[4], x[3]
    assert extract(recording(x))["ecg.arms_exchanged"] < 0.2 < 0.8 < extract(recording(arms))["ecg.arms_exchanged"]
    chest = x.copy()
    chest[[7, 10]] = x[[10, 7]]
    assert extract(recording(chest))["ecg.chest_order"] < 0 < extract(recording(x))["ecg.chest_order"]


def test_inverted_t_is_measured_downwards():
    centre, width, vector = SINUS["T"]
    row = extract(made(changed(T=(centre, width, tuple(-v for v in vector)))))
    assert row["ecg.t_amplitude[V5]"] < -0.1
    assert row["ecg.qt"] == pytest.approx(extract(made())["ecg.qt"], abs=10)
    assert row["ecg.score_t_inverted_lateral"] > 0.5 > extract(made())["ecg.score_t_inverted_lateral"]


@pytest.mark.parametrize("rr", [0.35, 0.5, 0.8, 1.2, 1.7, 2.2])
def test_tall_t_at_any_rate_counts_each_beat_once(rr):
    vector = SINUS["T"][2]
    shift = 0.28 * min(rr, 1.0) ** 0.5
    waves = changed(T=(shift, 0.16, tuple(5 * v for v in vector)), P=None)
    times = regular(rr, 20.0)
    row = extract(made(waves, times=times, seconds=20.0))
    assert row["ecg.n_beats"] == pytest.approx(len(times), abs=1)
    assert row["ecg.rate"] == pytest.approx(60 / rr, rel=0.02)


def test_noise_bursts_do_not_make_beats():
    x = np.array(made(seconds=20.0, times=regular(seconds=20.0)).streams[0].samples)
    burst = noise((12, 1000), 0.3)
    x[:, 4000:5000] += burst
    row = extract(recording(x))
    assert row["ecg.n_beats"] == pytest.approx(len(regular(seconds=20.0)), abs=3)
    assert row["ecg.rate"] == pytest.approx(75, abs=1)


def test_noise_alone_gives_a_row():
    row = extract(recording(noise((12, 5000))))
    assert row["ecg.score_normal"] < 0.5 or np.isnan(row["ecg.score_normal"])
    assert row["ecg.p_score"] < 0.5 or np.isnan(row["ecg.p_score"])


def test_the_input_is_not_changed_and_rows_repeat():
    record = made()
    before = np.array(record.streams[0].samples)
    first, second = extract(record), extract(record)
    np.testing.assert_array_equal(record.streams[0].samples, before)
    assert first.equals(second)


def test_a_name_given_twice_and_another_rate_are_noted():
    record = made()
    x = np.array(record.streams[0].samples)
    again = recording(np.concatenate((x, x[:1])), names=[*LEADS, "I"])
    again.streams.append(recording(x[:1, ::2], 250.0, names=["X"]).streams[0])
    row = extract(again)
    assert any("of channels with one name" in note and "I" in note for note in row.attrs["notes"])
    assert any("another sampling rate" in note and "X" in note for note in row.attrs["notes"])
    assert row.equals(extract(record))


def test_nothing_of_a_kind_is_one_sentence():
    with pytest.raises(DataError, match="no sample of ecg"):
        extract(biosig.Recording(id="empty", streams=[]), ["ecg"])
    with pytest.raises(DataError, match="no waves of kind 'eeg'"):
        delineate(made(), "eeg")


def test_real_recordings_look_like_themselves():
    rows = [extract(biosig.read(path)) for path in sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:12]]
    for row in rows:
        assert 40 < row["ecg.rate"] < 130
        assert row["ecg.rate_agreement"] == pytest.approx(1, abs=0.15)
        assert 70 < row["ecg.qrs"] < 200
        assert row["ecg.limb_error"] < 0.1
        assert not row.attrs["notes"]
    assert np.median([row["ecg.arms_exchanged"] for row in rows]) < 0.1


def test_mains_hum_is_removed_and_reported():
    record = made(noise=0.002)
    x = np.array(record.streams[0].samples)
    hum = twelve(np.outer((0.1, 0.05, 0.08), np.sin(2 * np.pi * 50 * np.arange(x.shape[1]) / 500)))
    row, clean = extract(recording(x + hum)), extract(record)
    assert (clean["ecg.mains"], row["ecg.mains"]) == (0, 50)
    assert row["ecg.qrs"] == pytest.approx(clean["ecg.qrs"], abs=12)
    assert row["ecg.r_amplitude[V5]"] == pytest.approx(clean["ecg.r_amplitude[V5]"], rel=0.1)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 12), st.floats(0.2, 6.0), st.sampled_from([60.0, 128.0, 333.0]))
def test_broken_input_gives_a_row(seed, n_leads, seconds, sfreq):
    rng = np.random.default_rng(seed)
    x = twelve(heart(np.sort(rng.uniform(0, seconds, 5)), SINUS, seconds, sfreq))[:n_leads]
    x += rng.normal(0, 10.0 ** rng.uniform(-3, 1), x.shape)
    x[rng.random(x.shape) < rng.choice([0, 0, 0.01, 0.6])] = np.nan
    row = extract(recording(x, sfreq, names=LEADS[:n_leads]))
    assert row["ecg.n_leads"] <= n_leads
    assert np.isfinite(row.dropna()).all()


def test_the_right_leg_exchanged_with_an_arm_is_reported():
    x = np.array(made().streams[0].samples)
    swapped = x.copy()  # right arm and right leg: II measures between the legs
    swapped[1] = noise(x.shape[1], 0.005)
    swapped[2] = swapped[1] - swapped[0]
    swapped[3:6] = [-(swapped[0] + swapped[1]) / 2, swapped[0] - swapped[1] / 2, swapped[1] - swapped[0] / 2]
    assert extract(recording(x))["ecg.right_leg_exchanged"] < 0.2 < 0.8
    assert extract(recording(swapped))["ecg.right_leg_exchanged"] > 0.8


@pytest.mark.parametrize("lower", [0.4, 0.6])
def test_every_other_beat_of_lower_amplitude_is_counted(lower):
    times = regular(0.7, 20.0)
    small = {name: (c, w, tuple(lower * v for v in vector)) for name, (c, w, vector) in SINUS.items()}
    row = extract(made(times=times, seconds=20.0, others=dict.fromkeys(range(0, len(times), 2), small)))
    assert row["ecg.n_beats"] == len(times)
    assert row["ecg.rate"] == pytest.approx(60 / 0.7, rel=0.01)
    assert row["ecg.rr_min"] > 650


@pytest.mark.parametrize("seed", range(5))
def test_no_beat_is_counted_twice(seed):
    rng = np.random.default_rng(seed)
    x = np.array(made(times=regular(seconds=30.0), seconds=30.0).streams[0].samples) + rng.normal(0, 0.3, (12, 15000))
    onsets = [mark.onset for mark in delineate(recording(x)) if mark.label == "beat"]
    assert min(np.diff(onsets)) > 0.1
    row = extract(recording(x))
    assert row["ecg.rr_min"] > 100
    assert row["ecg.n_intervals"] == row["ecg.n_beats"] - 1


@pytest.mark.parametrize("lead", ["V1", "V4", "V6"])
def test_the_order_of_chest_leads_is_not_told_where_one_does_not_move(lead):
    x = np.array(made().streams[0].samples)
    assert np.isfinite(extract(recording(x))["ecg.chest_order"])
    x[LEADS.index(lead)] = 0.0
    assert np.isnan(extract(recording(x))["ecg.chest_order"])
