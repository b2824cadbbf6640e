"""Simulated PPGs: the same seed, the truth that features measure, and options that are refused."""

import numpy as np
import pytest

from biosig import simulate
from biosig.errors import UsageError
from biosig.features import delineate, extract
from biosig.simulate.ppg_recording import RHYTHMS

QUIET = {"motion": 0, "faults": False, "noise": 0.02}


def test_a_seed_gives_the_same_samples_and_another_others():
    first, again, other = (simulate.ppg(seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.streams[0].samples, again.streams[0].samples)
    assert first.annotations == again.annotations
    assert first.labels == again.labels
    assert not np.array_equal(first.streams[0].samples, other.streams[0].samples)


@pytest.mark.parametrize("rate", [38, 60, 95, 140, 190])
@pytest.mark.parametrize("seed", [0, 1])
def test_measured_rate_is_the_true_one_within_one_per_cent(rate, seed):
    recording, truth = simulate.ppg(seed, rate=rate, rhythm="sinus", **QUIET)
    row = extract(recording)
    assert row["ppg.rate"] == pytest.approx(truth.rate, rel=0.01)
    assert truth.rate == pytest.approx(rate, rel=0.1)  # breathing, Mayer waves and the trend move the median


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_pulses_are_found_where_they_are(rhythm):
    for seed in range(3):
        recording, truth = simulate.ppg(seed, rate=75, rhythm=rhythm, **QUIET)
        peaks = np.array([mark.onset for mark in delineate(recording, "ppg") if mark.label == "peak"])
        true = truth.peaks[(truth.peaks > 1) & (truth.peaks < 29) & (truth.heights > 0.5)]
        away = np.abs(peaks[:, None] - true).min(0)
        assert np.median(away) < 0.045  # the top of a pulse is flat
        assert np.mean(away < 0.08) > 0.9


def test_breathing_is_measured_in_the_baseline():
    found = []
    for seed in range(6):
        recording, truth = simulate.ppg(seed, seconds=60, rate=75, rhythm="sinus", breaths=15, respiration=1, **QUIET)
        assert truth.breaths == 15
        found.append(extract(recording)["ppg.breaths_baseline"])
    assert np.sum(np.abs(np.array(found) - 15) < 1) >= 5


def test_rhythms_show_in_the_intervals_and_heights():
    def measured(**changes):
        return extract(simulate.ppg(2, seconds=60, rate=75, respiration=0.2, **changes, **QUIET)[0])

    sinus, fibrillation, alternans = (
        measured(rhythm="sinus"),
        measured(rhythm="fibrillation"),
        simulate.ppg(2, rhythm="alternans", **QUIET)[1],
    )
    assert fibrillation["ppg.rr_cv"] > 0.1 > sinus["ppg.rr_cv"]
    heights = alternans.heights
    assert np.median(heights[::2]) < 0.95 * np.median(heights[1::2])


def test_truth_gives_rate_and_phase_at_any_time():
    _, truth = simulate.ppg(5, rhythm="premature")
    times = np.linspace(0, 30, 301)
    rates, phases = truth.beats.rate_at(times), truth.beats.phase_at(times)
    assert np.isfinite(rates).all()
    assert np.all((phases >= 0) & (phases < 1))
    first = int(np.searchsorted(truth.beats.times, 10.0)) - 1
    assert rates[100] == pytest.approx(60 / truth.beats.rr[first])
    assert phases[100] == pytest.approx((10 - truth.beats.times[first]) / truth.beats.rr[first])


def test_all_beats_of_many_recordings_reach_beyond_both_ends():
    for seed in range(60):
        _, truth = simulate.ppg(seed, seconds=10)
        assert truth.beats.times[0] < 0
        assert truth.beats.times[-1] > 10
        assert (truth.beats.rr > 0.1).all()


def test_motion_lies_where_it_is_marked():
    recording, truth = simulate.ppg(1, motion=0.3, faults=False, noise=0, respiration=0, seconds=60)
    left = np.ones(60 * 125, bool)
    for mark in truth.artefacts:
        assert mark in recording.annotations
        left[round(mark.onset * 125) : round((mark.onset + mark.duration) * 125) + 1] = False
    rest = recording.streams[0].physical()[0] - truth.clean
    fast = np.diff(rest)  # vasomotion is slow
    assert np.abs(fast[left[1:]]).max() < 0.01 * np.ptp(truth.clean)
    assert np.abs(fast[~left[1:]]).max() > 0.02 * np.ptp(truth.clean)


def test_inverted_pulses_point_down():
    up, down = (simulate.ppg(0, inverted=inverted)[0].streams[0].samples for inverted in (False, True))
    np.testing.assert_array_equal(up, -down)


@pytest.mark.parametrize(
    "changes", [{"rate": 500}, {"rythm": "sinus"}, {"rhythm": "jazz"}, {"motion": 2}, {"sfreq": 1}]
)
def test_what_cannot_be_simulated_is_refused(changes):
    with pytest.raises(UsageError):
        simulate.ppg(0, **changes)


def test_a_seed_must_be_a_whole_number():
    with pytest.raises(UsageError, match="whole number"):
        simulate.ppg(-1)
