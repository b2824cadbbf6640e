"""Criteria: soft at the published thresholds, and true of the ECGs that they are made for."""

import numpy as np
import pytest
from made_ecg import SINUS, changed, made

from biosig.features import extract
from biosig.features.ecg_scores import all_of, any_of, at_least, at_most, largest, two_of


def test_a_score_is_one_half_at_the_threshold_and_rises():
    assert at_least(120, 120, 5) == at_most(120, 120, 5) == 0.5
    assert at_least(135, 120, 5) > 0.9 > 0.1 > at_least(105, 120, 5)
    assert at_most(105, 120, 5) == at_least(135, 120, 5)
    assert np.isnan(at_least(np.nan, 1, 1))


def test_logic_of_what_is_not_known():
    assert all_of(0.5, 0.5) == 0.25
    assert np.isnan(all_of(0.5, np.nan))
    assert any_of(0.2, np.nan, 0.7) == 0.7
    assert np.isnan(any_of(np.nan))
    assert two_of([0.1, 0.9, np.nan, 0.6]) == 0.6
    assert np.isnan(two_of([0.9, np.nan]))
    assert largest([1, 3, 2]) == 3
    assert np.isnan(largest([1, np.nan]))


def scaled(factor, *names):
    return changed(**{n: (*SINUS[n][:2], tuple(factor * v for v in SINUS[n][2])) for n in names})


LBBB = {
    "P": (-0.22, *SINUS["P"][1:]),
    "R": (0.0, 0.15, (1.0, 0.3, 0.9)),
    "R2": (0.03, 0.05, (0.3, 0.05, 0.1)),
    "T": (0.36, 0.2, (-0.3, -0.1, -0.3)),
}
CASES = {
    "lvh_sokolow": scaled(2.4, "R", "S"),
    "lvh_voltage": scaled(2.4, "R", "S"),
    "low_voltage_limb": scaled(0.3, "Q", "R", "S"),
    "av_block_1": changed(P=(-0.26, *SINUS["P"][1:])),
    "pr_short": changed(P=(-0.09, 0.08, SINUS["P"][2])),
    "left_axis": changed(R=(0.0, 0.05, (0.8, -0.9, 0.2))),
    "right_axis": changed(R=(0.0, 0.05, (-0.5, 1.1, 0.2))),
    "lbbb": LBBB,
    "qrs_140": LBBB,
    "t_inverted_lateral": scaled(-1.5, "T"),
    "t_tall": scaled(4.5, "T"),
    "ra_p_ii": scaled(3.0, "P"),
    "q_inferior": changed(Q=(-0.045, 0.06, (0.1, -0.7, -0.1))),
    "qtc_500": changed(T=(0.36, 0.2, SINUS["T"][2])),
    "rvh_r_v1": changed(R=(0.0, 0.05, (0.1, 0.6, -1.2))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_criterion_fires_where_it_should_and_not_in_a_normal_ecg(name):
    assert extract(made(CASES[name]))[f"ecg.score_{name}"] > 0.5
    assert extract(made())[f"ecg.score_{name}"] < 0.3


def test_an_abnormal_ecg_is_less_normal():
    normal = extract(made())["ecg.score_normal"]
    for name in ("lvh_voltage", "lbbb", "t_inverted_lateral", "q_inferior", "left_axis"):
        assert extract(made(CASES[name]))["ecg.score_normal"] < normal / 2


@pytest.mark.parametrize(("rr", "name"), [(0.5, "tachycardia"), (1.4, "bradycardia"), (1.1, "bradycardia_60")])
def test_rates(rr, name):
    t = (0.28 * min(rr / 0.8, 1) ** 0.5, 0.16, SINUS["T"][2])
    record = made(changed(T=t), times=np.arange(0.6, 9.6, rr))
    assert extract(record)[f"ecg.score_{name}"] > 0.5 > extract(made())[f"ecg.score_{name}"]


NOTCHED = changed(R=(0.0, 0.05, (1.0, 0.9, 0.2)), N=(0.008, 0.016, (-0.3, -0.5, -0.1)))


def test_a_notched_qrs_is_fragmented_where_the_recording_carries_a_notch():
    assert extract(made())["ecg.score_fragmented"] < 0.1
    notched = extract(made(NOTCHED))
    assert notched["ecg.score_fragmented"] > 0.5
    assert notched["ecg.qrs_notch[II]"] > 0.08 > extract(made())["ecg.qrs_notch[II]"]
    slow = extract(made(NOTCHED, sfreq=100.0))
    filtered = extract(made(NOTCHED, band={"ecg": (0.05, 40.0)}))
    for name in ("fragmented", "lbbb_strict_men", "lbbb_strict_women"):
        assert np.isnan(slow[f"ecg.score_{name}"])
        assert np.isnan(filtered[f"ecg.score_{name}"])
    assert slow["ecg.score_normal"] > 0


def test_r_and_s_alone_have_no_notch():
    found = extract(made(noise=0.001))
    assert all(found[f"ecg.qrs_notches[{lead}]"] == 0 for lead in ("I", "II", "V5", "V6"))


def test_a_threshold_scaled_by_a_lead_that_does_not_move_gives_no_score():
    assert np.isnan(at_least(0.0, 0.0, 0.0))
    assert at_least(1.0, 1.0, 0.1) == 0.5
