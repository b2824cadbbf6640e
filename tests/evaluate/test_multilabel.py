"""Scores of several labels with unknown ones, and the challenge's score by hand."""

import numpy as np
import pytest

from biosig.errors import BiosigError
from biosig.evaluate.challenge import challenge_metric, challenge_score, read_weights
from biosig.evaluate.intervals import bootstrap, bootstrap_counts, bootstrap_scores
from biosig.evaluate.metrics import METRICS


def test_a_resample_without_a_label_is_left_out_and_counted():
    y = np.array([[1.0], [0], [0], [0]])
    interval = bootstrap(METRICS["macro_auprc"], y, np.array([[0.9], [0.1], [0.2], [0.3]]), list("abcd"), 400)
    assert 0 < interval.n_undefined < 400
    assert (interval.low, interval.high) == (1, 1)
    with pytest.raises(BiosigError, match="0 of 4 rows have label 0"):
        METRICS["macro_auroc"].value(np.zeros((4, 1)), np.zeros((4, 1)))


def test_the_challenges_score_by_hand(tmp_path):
    (tmp_path / "weights.csv").write_text(",1|9,2,426783006\n1|9,1,0.5,0\n2,0.5,1,0\n426783006,0,0,1\n")
    names, weights = read_weights(tmp_path / "weights.csv")
    assert names == ("1|9", "2", "426783006")
    y = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]], bool)
    assert challenge_score(y, y, names, weights) == 1
    normal = np.zeros_like(y)
    normal[:, 2] = True
    assert challenge_score(y, normal, names, weights) == 0
    output = np.array([[0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]], bool)
    # Worth of output: 0.5/2 + 1 + (1 + 0.5)/2 + 1 = 3; of truth: 1 + 1 + (1 + 0.5 + 0.5 + 1)/2 + 1 = 4.5; of normal: 1.
    assert challenge_score(y, output, names, weights) == pytest.approx((3 - 1) / (4.5 - 1))
    metric, people = challenge_metric(names, weights), list("aabc")
    assert metric.value(y.astype(float), output.astype(float)) == pytest.approx((3 - 1) / (4.5 - 1))
    found = bootstrap_scores([metric], y.astype(float), output.astype(float), people, 50, seed=1)["challenge"]
    for score, times in zip(found, bootstrap_counts(3, 50, seed=1)[:, [0, 0, 1, 2]], strict=True):
        rows = np.repeat(np.arange(4), times)
        if np.isfinite(score):
            assert score == pytest.approx(challenge_score(y[rows], output[rows], names, weights))
        else:
            assert set(rows) == {3}  # sinus rhythm alone: there is nothing to tell apart
    with pytest.raises(BiosigError, match="not one of the 3"):
        challenge_score(y, y, names, weights, normal="7")
    (tmp_path / "odd.csv").write_text(",a,b\na,1,0\nc,0,1\n")
    with pytest.raises(BiosigError, match="not a square table"):
        read_weights(tmp_path / "odd.csv")
