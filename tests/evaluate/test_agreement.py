"""Limits of agreement against published data and a simulation, and errors by subject against plain arithmetic."""

import numpy as np
import pandas as pd
import pytest

from biosig.errors import DataError, UsageError
from biosig.evaluate.agreement import agreement_table, limits_of_agreement, subject_errors

# Cardiac output of 12 people by two methods, several times each (Bland & Altman, Stat Methods Med Res 1999; 8:135).
CARDIAC_OUTPUT = """
7.83 6.57 7.42 5.62 7.89 6.90 7.12 6.57 7.88 6.35
6.16 4.06 7.26 4.29 6.71 4.26 6.54 4.09
4.75 4.71 5.24 5.50 4.86 5.08 4.78 5.02 6.05 6.01 5.42 5.67
4.21 4.14 3.61 4.20 3.72 4.61 3.87 4.68 3.92 5.04
3.13 3.03 2.98 2.86 2.85 2.77 3.17 2.46 3.09 2.32 3.12 2.43
5.92 5.90 6.42 5.81 5.92 5.70 6.27 5.76
7.13 5.09 6.62 4.63 6.58 4.61 6.93 5.09
4.54 4.72 4.81 4.61 5.11 4.36 5.29 4.20 5.39 4.36 5.57 4.20
4.48 3.17 4.92 3.12 3.97 2.96
4.22 4.35 4.65 4.62 4.74 3.16 4.44 3.53 4.50 3.53
6.78 7.20 6.07 6.09 6.52 7.00 6.42 7.10 6.41 7.40 5.76 6.80
5.06 4.50 4.72 4.20 4.90 3.80 4.80 3.80 4.90 4.20 5.10 4.50
"""


def cardiac_output():
    rows = [np.array(line.split(), float).reshape(-1, 2) for line in CARDIAC_OUTPUT.strip().splitlines()]
    pairs = np.concatenate(rows)
    return pairs[:, 1], pairs[:, 0], np.repeat([f"s{i}" for i in range(12)], [len(r) for r in rows])


def test_the_published_example():
    found = limits_of_agreement(*cardiac_output())
    assert (found.n_subjects, found.n_pairs) == (12, 60)
    assert found.bias == pytest.approx(0.602, abs=5e-4)
    assert (found.lower, found.upper) == pytest.approx((-1.34, 2.54), abs=5e-3)
    # A mixed model (lme4, REML) of the same data gives 0.413 within and 0.934 between, by another estimator.
    assert found.sd_within == pytest.approx(0.413, abs=1e-3)
    assert found.sd_between == pytest.approx(0.934, abs=0.05)


def test_limits_hold_the_differences_of_new_people_where_plain_ones_do_not():
    rng = np.random.default_rng(0)
    n, repeats = 400, 20
    bias = rng.normal(1.0, 3.0, n)
    subjects = np.repeat([f"s{i}" for i in range(n)], repeats)
    reference = rng.normal(80, 10, n * repeats)
    estimate = reference + np.repeat(bias, repeats) + rng.normal(0, 2.0, n * repeats)
    found = limits_of_agreement(reference, estimate, subjects)
    assert (found.sd_within, found.sd_between) == pytest.approx((2.0, 3.0), rel=0.1)
    total = np.hypot(2.0, 3.0)
    assert (found.lower, found.upper) == pytest.approx((1 - 1.96 * total, 1 + 1.96 * total), abs=0.6)
    assert found.lower_interval[0] < found.lower < found.lower_interval[1]
    assert found.bias_interval[0] < 1.0 < found.bias_interval[1]
    # With 400 subjects the standard error of the bias is 3 / 20, however many pairs each gave.
    assert np.diff(found.bias_interval)[0] == pytest.approx(2 * 1.96 * 3.04 / 20, rel=0.2)


def test_a_constant_bias_has_limits_without_width():
    reference = np.arange(6.0)
    found = limits_of_agreement(reference, reference + 2, list("aabbcc"))
    assert (found.bias, found.lower, found.upper) == pytest.approx((2, 2, 2))


def test_errors_by_subject_are_plain_arithmetic():
    table = subject_errors(np.array([60.0, 60, 80, 80]), np.array([63.0, 61, 70, 95]), list("aabb"))
    assert table["subject"].tolist() == ["b", "a"]  # worst first
    worst, best = table.iloc[0], table.iloc[1]
    assert (worst["bias"], worst["mae"], worst["within"]) == (2.5, 12.5, 0.0)
    assert worst["rmse"] == pytest.approx(np.sqrt((100 + 225) / 2))
    assert (best["n"], best["bias"], best["mae"], best["within"]) == (2, 2.0, 2.0, 1.0)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UsageError, match="3 references, 3 estimates and 2 subjects"):
        limits_of_agreement(np.ones(3), np.ones(3), ["a", "b"])
    with pytest.raises(UsageError, match="1 of 3 pairs lack a value"):
        subject_errors(np.ones(3), np.array([1, np.nan, 1]), list("aab"))
    with pytest.raises(DataError, match="need two subjects"):
        limits_of_agreement(np.ones(3), np.ones(3), list("aaa"))
    with pytest.raises(DataError, match="one of them with two pairs"):
        limits_of_agreement(np.ones(3), np.ones(3), list("abc"))


def test_the_table_rates_each_method_over_its_seeds_mean():
    reference, estimate, subjects = cardiac_output()
    rows = pd.DataFrame({"recording": subjects, "onset": np.arange(60.0), "subject": subjects, "y": reference})
    both = [
        rows.assign(method="rv", seed=0, prediction=estimate - 0.5),
        rows.assign(method="rv", seed=1, prediction=estimate + 0.5),
        rows.assign(method="same", seed=0, prediction=reference),
    ]
    table = agreement_table(pd.concat(both), tolerance=1.0).set_index(["method", "measure"])
    error = estimate - reference
    assert table.loc[("rv", "bias"), "value"] == pytest.approx(0.602, abs=5e-4)
    assert table.loc[("rv", "lower_limit"), "value"] == pytest.approx(-1.34, abs=5e-3)
    assert table.loc[("rv", "mae"), "value"] == pytest.approx(np.abs(error).mean())
    assert table.loc[("rv", "rmse"), "value"] == pytest.approx(np.sqrt((error**2).mean()))
    assert table.loc[("rv", "within_1"), "value"] == pytest.approx((np.abs(error) <= 1).mean())
    assert (table.loc["rv", "low"] < table.loc["rv", "value"]).all()
    assert (table.loc["rv", "value"] < table.loc["rv", "high"]).all()
    assert table.loc[("same", "rmse"), "value"] == 0
