import numpy as np
import pytest

from biosig.evaluate.metrics.answers import decided, exact_match, exact_match_resampled, matches

NAN = np.nan
Y = np.array(
    [
        [1.0, 0.0, NAN, NAN],  # yes or no: yes
        [NAN, NAN, 1.0, 1.0],  # both of two
        [NAN, NAN, 1.0, 0.0],
        [NAN, NAN, NAN, NAN],  # a template that the training part never had
    ]
)


def test_all_above_a_half_are_given_or_else_the_likeliest_and_never_one_that_cannot_be_chosen():
    scores = np.array([[0.2, 0.4, 0.9, 0.9], [0.9, 0.9, 0.6, 0.7], [0.9, 0.9, 0.3, 0.2], [0.9, 0.9, 0.9, 0.9]])
    expected = [[0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(decided(Y, scores), np.array(expected, bool))
    np.testing.assert_array_equal(matches(Y, scores), [False, True, True, False])
    assert exact_match(Y, scores) == 0.5


def test_half_of_the_right_answers_is_wrong():
    assert not matches(Y[1:2], np.array([[0.0, 0.0, 0.9, 0.1]]))[0]
    assert not matches(Y[2:3], np.array([[0.0, 0.0, 0.9, 0.8]]))[0]


def test_weights_mean_rows_that_many_times():
    rng = np.random.default_rng(0)
    y, scores = Y[rng.integers(0, 4, 30)], rng.random((30, 4))
    times = rng.integers(0, 3, (5, 30))
    found = exact_match_resampled(y, scores, times.astype(float))
    for row, drawn in enumerate(times):
        again = np.repeat(np.arange(30), drawn)
        assert found[row] == pytest.approx(exact_match(y[again], scores[again]))
