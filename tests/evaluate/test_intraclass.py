"""The intraclass correlation: the published example, what it must be by construction, and its interval."""

import numpy as np
import pytest

from biosig.errors import UsageError
from biosig.evaluate.intraclass import intraclass_correlation, median_intraclass_correlation

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
"""Four judges' ratings of six targets (their table 2)."""


def measured(between, within, n=40, columns=5, seed=0):
    """Two measurements of people whose own values have one spread, with an error of another."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0, between, (n, 1, columns))
    return own + rng.normal(0, within, (n, 2, columns))


def test_the_published_example():
    assert float(intraclass_correlation(SHROUT_FLEISS)) == pytest.approx(0.29, abs=0.005)


def test_it_is_the_share_of_the_variance_between_people():
    assert np.median(intraclass_correlation(measured(3, 1, n=2000))) == pytest.approx(0.9, abs=0.01)
    assert np.median(intraclass_correlation(measured(0, 1, n=2000))) == pytest.approx(0.0, abs=0.05)
    np.testing.assert_allclose(intraclass_correlation(measured(1, 0)), 1.0)


def test_a_shift_from_one_time_to_the_next_counts_against_it():
    x = measured(1, 0)
    x[:, 1] += 2.0
    assert (intraclass_correlation(x) < 0.5).all()


def test_columns_are_measured_one_by_one():
    x = measured(1, 1)
    alone = [float(intraclass_correlation(x[:, :, f])) for f in range(x.shape[2])]
    np.testing.assert_allclose(intraclass_correlation(x), alone)


def test_the_interval_is_over_people():
    few, many = (median_intraclass_correlation(measured(1, 1, n=n), 200) for n in (12, 200))
    assert few.low < few.value < few.high
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert many.low < 0.5 < many.high
    assert (few.n_subjects, many.n_subjects) == (12, 200)


def test_what_cannot_be_rated_is_said():
    with pytest.raises(UsageError, match="two or more of each"):
        intraclass_correlation(np.zeros((1, 2)))
    with pytest.raises(UsageError, match="1 of 4 ratings are missing"):
        intraclass_correlation(np.array([[0, np.nan], [1, 2]]))
