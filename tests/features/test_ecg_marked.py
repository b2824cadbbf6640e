"""Intervals and wave marks of a real ECG against cardiologists' marks, and waves that were once found elsewhere."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from made_ecg import SINUS, changed, made, recording, regular

import biosig
from biosig import samples
from biosig.features import delineate, extract
from biosig.recording import Recording

MARKED = Path(__file__).parents[1] / "fixtures" / "ludb" / "50"
WAVES = {"p": "P", "N": "QRS", "t": "T"}


@pytest.fixture(scope="module")
def marked():
    return biosig.read(MARKED.with_suffix(".hea"))


def true_waves(lead):
    """Onset and end in seconds of each marked wave of a lead, by wave."""
    found = wfdb.rdann(str(MARKED), lead)
    waves = {name: [] for name in WAVES.values()}
    for i, symbol in enumerate(found.symbol):
        if symbol in WAVES and found.symbol[i - 1] == "(" and found.symbol[i + 1] == ")":
            waves[WAVES[symbol]].append(found.sample[[i - 1, i + 1]] / 500)
    return {name: np.array(limits) for name, limits in waves.items()}


def one_lead(record, name):
    stream = record.streams[0]
    return Recording(id=name, streams=[stream.pick([stream.ch_names.index(name)])])


@pytest.mark.parametrize("lead", ["II", "V2"])
def test_each_marked_wave_is_found_where_cardiologists_see_it(marked, lead):
    found = delineate(one_lead(marked, lead))
    for wave, limits in true_waves(lead.lower()).items():
        ours = [(mark.onset, mark.onset + mark.duration) for mark in found if mark.label == wave and mark.score >= 0.5]
        assert len(limits) >= 6
        for onset, end in limits:
            nearest = min(ours, key=lambda mark: abs(mark[0] + mark[1] - onset - end))
            assert nearest[0] == pytest.approx(onset, abs=0.08 if wave == "T" else 0.04), wave
            assert nearest[1] == pytest.approx(end, abs=0.045 if wave == "T" else 0.035), wave


def test_intervals_of_all_leads_agree_with_the_marks(marked):
    row, (two, chest) = extract(marked), (true_waves("ii"), true_waves("v2"))
    onset, end = (np.median([waves["QRS"][1:7, side] for waves in (two, chest)], axis=1) for side in (0, 1))
    assert row["ecg.qrs"] == pytest.approx(1000 * (end.max() - onset.min()), abs=15)
    length = [1000 * np.median(waves["T"][1:7, 1] - waves["QRS"][1:7, 0]) for waves in (two, chest)]
    assert row["ecg.qt"] == pytest.approx(max(length), abs=20)


def test_a_small_p_wave_is_not_sought_in_the_noise_before_it():
    record = next(samples.path("ptbxl").rglob("00012_lr.hea"))
    row = extract(biosig.read(record))
    assert 85 < row["ecg.pr"] < 130  # seen in the picture: P from 150 to 60 ms before the QRS's middle
    assert row["ecg.qrs"] == pytest.approx(100, abs=15)


@pytest.mark.parametrize("rr", [0.52, 0.6, 0.7])
def test_the_t_wave_of_the_beat_before_is_no_p_wave(rr):
    waves = changed(T=(0.22, 0.14, tuple(2 * v for v in SINUS["T"][2])))
    usual = extract(made(waves, times=regular(0.9)))
    assert extract(made(waves, times=regular(rr)))["ecg.pr"] == pytest.approx(usual["ecg.pr"], abs=15)


@pytest.mark.parametrize("gap", [0.17, 0.2])
def test_a_p_wave_as_tall_as_the_qrs_is_no_beat(gap):
    t, x, times = np.arange(15000) / 500, np.zeros(15000), regular(0.8, 30.0, first=0.6)
    rng = np.random.default_rng(2)
    for beat in times:
        for centre, width, size in ((-gap, 0.11, 0.16 + 0.02 * rng.standard_normal()), (0.0, 0.04, 0.1)):
            phase = (t - beat - centre) / width
            x += np.where(np.abs(phase) < 0.5, size * (0.5 + 0.5 * np.cos(2 * np.pi * phase)), 0)
    found = [m.onset for m in delineate(recording((x + rng.normal(0, 0.002, 15000))[None], names=("II",)))
             if m.label == "beat"]  # fmt: skip
    assert len(found) == pytest.approx(len(times), abs=1)
    assert all(np.abs(times - onset).min() < 0.05 for onset in found)


WIDE = {"R": (0.0, 0.16, (-0.9, 0.6, 0.9)), "T": (0.3, 0.2, (0.5, -0.3, -0.4))}


@pytest.mark.parametrize("which", [[10], [10, 17]])
def test_a_beat_of_another_shape_has_its_own_waves(which):
    times = regular(0.8, 20.0)
    times[which] -= 0.3
    found = delineate(made(times=times, seconds=20.0, others=dict.fromkeys(which, WIDE)))
    usual = [mark.duration for mark in found if mark.label == "QRS"]
    for beat in times[which]:
        own = {label: next(m for m in found if m.label == label and abs(m.onset - beat - after) < 0.12)
               for label, after in (("QRS", -0.08), ("T", 0.2))}  # fmt: skip
        assert own["QRS"].duration == pytest.approx(0.16, abs=0.04)
        assert own["QRS"].duration > np.median(usual) + 0.03
        assert own["T"].onset + own["T"].duration == pytest.approx(beat + 0.4, abs=0.03)
        assert min(own["QRS"].score, own["T"].score) > 0.8
        assert not [m for m in found if m.label == "P" and m.score >= 0.5 and abs(m.onset - beat + 0.2) < 0.12]
    assert len(usual) == len(times)


def test_every_beat_of_a_noisy_recording_has_at_most_one_of_each_wave():
    rng = np.random.default_rng(0)
    found = delineate(recording(rng.normal(0, 0.1, (12, 10000))))
    n_beats = sum(mark.label == "beat" for mark in found)
    for label in ("P", "QRS", "T"):
        assert sum(mark.label == label for mark in found) <= n_beats
