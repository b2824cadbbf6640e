"""Pressure standards against cases worked out by hand."""

import numpy as np
import pytest

from biosig.errors import DataError, UsageError
from biosig.evaluate.blood_pressure import STANDARDS, bhs, ieee_1708, iso_81060_2, permitted_sd


def people(n_subjects, per_subject=3):
    return np.repeat([f"s{i}" for i in range(n_subjects)], per_subject)


def against_120(errors, subjects):
    return np.full(len(errors), 120.0), 120.0 + np.asarray(errors, float), subjects


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 6.95), (5.0, 4.81), (-5.0, 4.81)])
def test_the_second_criterion_permits_what_the_standards_table_does(mean, sd):
    assert permitted_sd(mean) == pytest.approx(sd, abs=5e-3)


def test_no_deviation_is_permitted_where_the_mean_itself_is_intolerable():
    assert np.isnan(permitted_sd(10.0))
    assert permitted_sd(9.9) < 0.2


def test_iso_by_hand():
    # Each subject's three errors are -3, 0, 3: mean 0 for all, sum of squares 18 per subject.
    grade = iso_81060_2(*against_120(np.tile([-3, 0, 3], 85), people(85)))
    assert (grade.grade, grade.conclusive) == ("pass", True)
    assert grade.measured["sd"] == pytest.approx(np.sqrt(85 * 18 / 254))
    assert grade.measured["sd_of_subjects"] == 0
    biased = iso_81060_2(*against_120(np.tile([2.1, 5.1, 8.1], 85), people(85)))
    assert (biased.grade, biased.measured["mean_error"]) == ("fail", pytest.approx(5.1))
    wide = iso_81060_2(*against_120(np.tile([-10, 0, 10], 85), people(85)))
    assert wide.grade == "fail"
    assert wide.measured["sd_of_subjects"] == 0


def test_iso_fails_an_estimate_whose_errors_belong_to_people():
    # Half the people are 7.5 mmHg too high and half too low: criterion 1 is met, its standard deviation is 7.5.
    errors = np.repeat([7.5, -7.5], 43 * 3)
    grade = iso_81060_2(*against_120(errors, people(86)))
    assert abs(grade.measured["mean_error"]) <= 5
    assert grade.measured["sd"] <= 8
    assert grade.measured["sd_of_subjects"] > grade.measured["permitted_sd_of_subjects"]
    assert grade.grade == "fail"


@pytest.mark.parametrize(
    ("errors", "grade"),
    [
        ([5] * 60 + [10] * 25 + [15] * 10 + [20] * 5, "A"),  # 60, 85, 95 %
        ([5] * 59 + [10] * 26 + [15] * 10 + [20] * 5, "B"),  # 59 % within 5
        ([5] * 50 + [10] * 25 + [15] * 15 + [20] * 10, "B"),
        ([5] * 90 + [20] * 10, "B"),  # 90 % within 15 is too few for A, whatever lies within 5
        ([-5] * 40 + [-10] * 25 + [15] * 20 + [20] * 15, "C"),
        ([5] * 39 + [10] * 61, "D"),
    ],
)
def test_bhs_by_hand(errors, grade):
    assert bhs(*against_120(errors, people(50, 2))).grade == grade


@pytest.mark.parametrize(("mad", "grade"), [(5.0, "A"), (5.01, "B"), (6.0, "B"), (6.5, "C"), (7.0, "D"), (9.0, "D")])
def test_ieee_by_hand(mad, grade):
    found = ieee_1708(*against_120(np.tile([mad, -mad], 45), people(45, 2)))
    assert (found.grade, found.measured["mad"]) == (grade, pytest.approx(mad))
    assert found.conclusive


def test_a_grade_from_few_people_says_so():
    for standard in STANDARDS:
        grade = standard(*against_120([0, 1, 0, 1, 0, 1], people(3, 2)))
        assert not grade.conclusive
        assert "6 pairs of 3 subjects (too few for a validation" in grade.sentence()
    assert "as the standard wants 45" in ieee_1708(*against_120(np.zeros(90), people(45, 2))).sentence()


def test_what_cannot_be_graded_is_refused():
    with pytest.raises(UsageError, match="1 of 4 pairs lack a value"):
        bhs(*against_120([0, np.nan, 0, 0], people(2, 2)))
    with pytest.raises(DataError, match="of 1 subject"):
        ieee_1708(*against_120([0, 0], people(1, 2)))
