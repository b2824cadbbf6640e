"""Beats, median beat, wave limits and what is measured of them, on made signals."""

import numpy as np
import pytest
from made_ecg import DOWER, SINUS, changed, made, recording, regular

from biosig.features import delineate, extract
from biosig.recording import Recording


def limits(waves):
    """True P onset, QRS onset, QRS end and T end in ms from the beat."""
    edge = {name: (1000 * (c - w / 2), 1000 * (c + w / 2)) for name, (c, w, _) in waves.items()}
    return edge["P"][0], edge["Q"][0], edge["S"][1], edge["T"][1]


@pytest.mark.parametrize("sfreq", [100.0, 250.0, 257.0, 360.0, 500.0, 1000.0])
def test_beats_are_where_they_were_made(sfreq):
    times = regular(0.83)
    found = [mark for mark in delineate(made(times=times, sfreq=sfreq)) if mark.label == "beat"]
    assert len(found) == len(times)
    np.testing.assert_allclose([mark.onset for mark in found], times, atol=0.02)
    assert all(0.5 < mark.score <= 1 for mark in found)


def test_intervals_agree_with_what_was_made():
    row = extract(made())
    p, on, off, end = limits(SINUS)
    assert row["ecg.pr"] == pytest.approx(on - p, abs=20)
    assert row["ecg.qrs"] == pytest.approx(off - on, abs=25)  # marks lie outside of the steep part
    assert row["ecg.qt"] == pytest.approx(end - on, abs=25)
    assert row["ecg.jt"] == row["ecg.qt"] - row["ecg.qrs"]
    second = 0.8
    assert row["ecg.qtc_bazett"] == pytest.approx(row["ecg.qt"] / second**0.5, rel=1e-3)
    assert row["ecg.qtc_fridericia"] == pytest.approx(row["ecg.qt"] / second ** (1 / 3), rel=1e-3)
    assert row["ecg.qtc_framingham"] == pytest.approx(row["ecg.qt"] + 154 * (1 - second), abs=1)
    assert row["ecg.qtc_hodges"] == pytest.approx(row["ecg.qt"] + 1.75 * (75 - 60), abs=1)


@pytest.mark.parametrize("later", [-0.03, 0.03, 0.06, 0.1])
def test_intervals_follow_the_waves(later):
    base = extract(made())
    (pc, pw, pv), (tc, tw, tv) = SINUS["P"], SINUS["T"]
    row = extract(made(changed(P=(pc - later, pw, pv))))
    assert row["ecg.pr"] - base["ecg.pr"] == pytest.approx(1000 * later, abs=6)
    row = extract(made(changed(T=(tc + later, tw, tv))))
    assert row["ecg.qt"] - base["ecg.qt"] == pytest.approx(1000 * later, abs=6)


@pytest.mark.parametrize("longer", [0.03, 0.06])
def test_qrs_follows_its_end(longer):
    centre, width, vector = SINUS["S"]
    deeper = tuple((width + longer) / width * v for v in vector)  # as steep as it was
    row = extract(made(changed(S=(centre + longer / 2, width + longer, deeper))))
    assert row["ecg.qrs"] - extract(made())["ecg.qrs"] == pytest.approx(1000 * longer, abs=12)


def test_one_lead_agrees_with_twelve():
    whole = made()
    stream = whole.streams[0]
    row = extract(Recording(id="II", streams=[stream.pick([1])]))
    base = extract(whole)
    assert row["ecg.qt"] == pytest.approx(base["ecg.qt"], abs=25)  # in II the QRS has no Q and S to begin and end with
    assert row["ecg.pr"] == pytest.approx(base["ecg.pr"], abs=25)
    assert 50 <= row["ecg.qrs"] <= base["ecg.qrs"]
    assert row["ecg.n_leads"] == 1
    assert np.isnan(row["ecg.qrs_axis"])


def test_amplitudes_are_those_of_the_pulses():
    waves = {"P": SINUS["P"], "R": (0.0, 0.08, (1.0, 0.9, 0.2)), "T": SINUS["T"]}
    row = extract(made(waves, noise=0.001))
    for lead, weights in zip(("I", "II", "V5", "V6"), DOWER[[0, 1, 6, 7]], strict=True):
        r, p, t = (float(weights @ waves[wave][2]) for wave in "RPT")
        assert row[f"ecg.r_amplitude[{lead}]"] == pytest.approx(r, rel=0.04)
        assert row[f"ecg.p_amplitude[{lead}]"] == pytest.approx(p, abs=0.03)
        assert row[f"ecg.t_amplitude[{lead}]"] == pytest.approx(t, abs=0.03)
        assert row[f"ecg.qrs_area[{lead}]"] == pytest.approx(r * 80 / 2, rel=0.06)  # of a raised cosine
        assert row[f"ecg.qrs_upslope[{lead}]"] == pytest.approx(r * np.pi / 80, rel=0.08)
        assert row[f"ecg.t_area[{lead}]"] == pytest.approx(t * 180 / 2, rel=0.15)
    assert row["ecg.qrs_axis"] == pytest.approx(axis(waves["R"][2]), abs=2)
    assert row["ecg.t_axis"] == pytest.approx(axis(waves["T"][2]), abs=4)
    assert row["ecg.sokolow"] == pytest.approx(
        row["ecg.s_amplitude[V1]"] + max(row["ecg.r_amplitude[V5]"], row["ecg.r_amplitude[V6]"])
    )
    assert row["ecg.cornell"] == pytest.approx(row["ecg.r_amplitude[aVL]"] + row["ecg.s_amplitude[V3]"])


def axis(vector):
    """Axis by leads I and aVF of a heart vector."""
    one, two = DOWER[0] @ vector, DOWER[1] @ vector
    return np.degrees(np.arctan2((two - one / 2) * 2 / np.sqrt(3), one))


@pytest.mark.parametrize("lead", ["V1", "V6"])
def test_deflections_are_named_in_order(lead):
    times, sfreq = regular(), 500.0
    t = np.arange(5000) / sfreq
    x = np.zeros(5000)
    for beat in times:
        for centre, size in ((-0.05, -0.2), (-0.02, 0.8), (0.02, -0.5), (0.06, 0.3)):
            phase = (t - beat - centre) / 0.04
            x += np.where(np.abs(phase) < 0.5, size * (0.5 + 0.5 * np.cos(2 * np.pi * phase)), 0)
    x += np.random.default_rng(0).normal(0, 0.002, len(x))
    row = extract(recording(x[None], names=(lead,)))
    for name, size in (("q", 0.2), ("r", 0.8), ("s", 0.5), ("r2", 0.3)):
        assert row[f"ecg.{name}_amplitude[{lead}]"] == pytest.approx(size, abs=0.05)
        assert row[f"ecg.{name}_duration[{lead}]"] == pytest.approx(40, abs=12)
    assert row[f"ecg.qrs_deflections[{lead}]"] == 4
    assert row[f"ecg.r_s_ratio[{lead}]"] == pytest.approx((0.8 - 0.5) / 1.3, abs=0.06)


def test_a_wave_that_is_not_there_is_not_found():
    row = extract(made(changed(P=None, T=None)))
    assert row["ecg.p_score"] < 0.5 > row["ecg.t_score"]
    for name in ("pr", "p_duration", "qt", "qtc_bazett", "p_amplitude[II]", "t_amplitude[II]", "p_axis"):
        assert np.isnan(row[f"ecg.{name}"]), name
    assert row["ecg.qrs"] > 0
    labels = {mark.label for mark in delineate(made(changed(P=None))) if mark.score >= 0.5}
    assert labels == {"beat", "QRS", "T"}


def test_marks_are_sorted_and_carry_scores():
    marks = delineate(made())
    assert [mark.onset for mark in marks] == sorted(mark.onset for mark in marks)
    assert {mark.label for mark in marks} == {"beat", "P", "QRS", "T"}
    assert all(0 <= mark.score <= 1 and mark.duration >= 0 for mark in marks)


@pytest.mark.parametrize("rows", [[1], [0, 1], [6], [0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])
def test_any_subset_of_leads_gives_what_it_can_and_no_more(rows):
    whole = extract(made())
    row = extract(Recording(id="some", streams=[made().streams[0].pick(rows)]))
    for name in ("sokolow", "peguero", "score_lvh_sokolow", "score_lvh_rv5", "score_lvh_peguero_men", "score_rvh_sum"):
        assert np.isnan(row[f"ecg.{name}"]), name
    assert np.isnan(row["ecg.score_low_voltage_chest"])
    assert np.isnan(row["ecg.score_low_voltage_limb"]) == (len(rows) < 6 or rows[0] == 6)
    assert row["ecg.rate"] == pytest.approx(whole["ecg.rate"], abs=0.5)
    assert set(row.index) <= set(whole.index)
