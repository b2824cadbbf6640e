"""Simulated ECGs: diagnoses fulfil their criteria, the truth is what features measure, leads obey physics."""

from itertools import pairwise

import numpy as np
import pytest

from biosig import simulate
from biosig.electrodes import make_channel
from biosig.errors import UsageError
from biosig.features import extract
from biosig.recording import Channel
from biosig.simulate.diagnoses import DIAGNOSES
from biosig.simulate.ecg_body import AXES, HEART, Body, montage
from biosig.simulate.ecg_rhythms import RHYTHMS

DOWER = {
    "I": (0.632, -0.235, 0.059), "II": (0.235, 1.066, -0.132), "V1": (-0.515, 0.157, -0.917),
    "V2": (0.044, 0.164, -1.387), "V3": (0.882, 0.098, -1.277), "V4": (1.213, 0.127, -0.601),
    "V5": (1.125, 0.127, -0.086), "V6": (0.831, 0.076, 0.230),
}  # fmt: skip
"""Dower, Machado & Osborne, Clin Cardiol 1980; 3:87."""


def test_a_seed_gives_the_same_samples_and_another_others():
    first, again, other = (simulate.ecg(seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.streams[0].samples, again.streams[0].samples)
    assert first.annotations == again.annotations
    assert first.labels == again.labels
    assert not np.array_equal(first.streams[0].samples, other.streams[0].samples)


@pytest.mark.parametrize("name", DIAGNOSES)
def test_a_diagnosis_fulfils_its_published_criterion(name):
    scores = []
    for seed in range(5):
        recording, truth = simulate.ecg(seed, diagnoses=[name], rhythm="sinus")
        assert list(truth.diagnoses) == [name]
        assert recording.labels["diagnoses"] == [name]
        scores.append(extract(recording)[f"ecg.{truth.criteria[name]}"])
    assert np.sum(np.array(scores) >= 0.5) >= 4, scores
    normal, truth = simulate.ecg(0, diagnoses=(), rhythm="sinus")
    assert extract(normal)[f"ecg.{DIAGNOSES[name].criterion}"] < np.median(scores)


@pytest.mark.parametrize("name", RHYTHMS)
def test_a_rhythm_fulfils_its_published_criterion(name):
    scores = []
    for seed in range(5):
        recording, truth = simulate.ecg(seed, diagnoses=(), rhythm=name)
        scores.append(extract(recording)[f"ecg.{truth.criteria[name]}"])
    assert np.sum(np.array(scores) >= 0.5) >= 4, scores


def test_a_t_wave_keeps_its_share_of_qt_at_any_rate_and_clear_of_the_qrs():
    for rhythm in ("sinus_tachycardia", "sinus_bradycardia", "supraventricular_tachycardia"):
        recording, truth = simulate.ecg(2, diagnoses=(), rhythm=rhythm)
        marks = [a for a in recording.annotations if a.label in ("N", "T")]
        pairs = [(a, b) for a, b in pairwise(marks) if (a.label, b.label) == ("N", "T")]
        assert len(pairs) > 5
        for beat, t in pairs:
            assert t.onset >= beat.onset + beat.duration
            assert (t.onset + t.duration - beat.onset) * 1000 == pytest.approx(truth.qt, rel=0.15)
            assert 0.5 < t.duration / (t.onset + t.duration - beat.onset) < 0.75


def test_intervals_are_measured_as_they_are():
    errors = []
    for seed in range(12):
        recording, truth = simulate.ecg(seed, rhythm="sinus", diagnoses=())
        row = extract(recording)
        measured = [row[f"ecg.{name}"] for name in ("pr", "qrs", "qt", "rate")]
        errors.append(np.array(measured) - [truth.pr, truth.qrs, truth.qt, truth.rate])
    pr, qrs, qt, rate = np.abs(errors).T
    assert np.median(pr) < 8  # ms
    assert np.median(qrs) < 12
    assert np.median(qt) < 12
    assert max(pr.max(), qrs.max(), qt.max()) < 35
    assert rate.max() < 1  # beats per minute


def test_beats_are_annotated_where_they_are():
    recording, truth = simulate.ecg(2, rhythm="premature_ventricular", diagnoses=(), noise=0)
    beats = [mark for mark in recording.annotations if mark.label in "NV"]
    inside = truth.beats.within(0, 10 - 0.2)
    np.testing.assert_allclose([mark.onset for mark in beats][: len(inside.times)], inside.times)
    assert "V" in {mark.label for mark in beats}
    wide = [mark.duration for mark in beats if mark.label == "V"]
    assert min(wide) > 0.12 > max(mark.duration for mark in beats if mark.label == "N")


def test_lead_vectors_agree_with_dowers():
    found = montage([make_channel(name, "mV", "ecg") for name in DOWER]).leads(Body(AXES, HEART), np.zeros((1, 3)))[
        :, 0
    ]
    for name, vector in zip(DOWER, found, strict=True):
        true = np.array(DOWER[name])
        sizes = np.linalg.norm(vector), np.linalg.norm(true)
        assert vector @ true / np.prod(sizes) > 0.95, name
        assert sizes[0] == pytest.approx(sizes[1], rel=0.16), name


def test_limb_leads_obey_einthoven_noise_included():
    recording, _ = simulate.ecg(5, noise=3)
    x = dict(zip(recording.ch_names, recording.streams[0].physical(), strict=True))
    np.testing.assert_allclose(x["II"], x["I"] + x["III"], atol=1e-5)
    np.testing.assert_allclose(x["aVR"] + x["aVL"] + x["aVF"], 0, atol=1e-5)


def test_other_leads_see_the_same_heart():
    twelve, _ = simulate.ecg(7, noise=0)
    few, truth = simulate.ecg(7, noise=0, leads=["X", "V2", "I", "MLII", "strap"])
    np.testing.assert_array_equal(few.streams[0].samples[1], twelve.streams[0].samples[7])
    np.testing.assert_array_equal(few.streams[0].samples[2], twelve.streams[0].samples[0])
    assert np.ptp(truth.clean, axis=1).min() > 0.1
    own = Channel("patch", "patch", "ecg", "mV", (-0.02, 0.1, -0.3), (-0.08, 0.09, -0.4), "measured")
    assert np.ptp(simulate.ecg(7, leads=[own])[1].clean) > 0.1


def test_random_diagnoses_and_rhythms_are_many():
    truths = [simulate.ecg(seed, leads=["II"], sfreq=100)[1] for seed in range(40)]
    assert len({name for truth in truths for name in truth.diagnoses}) > 8
    assert len({truth.rhythm for truth in truths}) > 5
    assert any(not truth.diagnoses for truth in truths)


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": 500},
        {"rythm": "sinus"},
        {"rhythm": "jazz"},
        {"diagnoses": ["melancholy"]},
        {"diagnoses": ["left_bundle_branch_block", "right_bundle_branch_block"]},
        {"diagnoses": ["first_degree_av_block"], "rhythm": "atrial_fibrillation"},
        {"leads": ["V27"]},
    ],
)
def test_what_cannot_be_simulated_is_refused(changes):
    with pytest.raises(UsageError):
        simulate.ecg(0, **changes)
