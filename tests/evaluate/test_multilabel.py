"""Scores of several labels, against scikit-learn in a plain loop, and the challenge's score by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from biosig.errors import BiosigError
from biosig.evaluate.catalogue import METRICS
from biosig.evaluate.challenge import challenge_score, has_codes, read_weights
from biosig.evaluate.intervals import bootstrap, multiplicities

PLAIN = {"macro_auroc": roc_auc_score, "macro_auprc": average_precision_score}


def _labels(seed=0, n=80):
    rng = np.random.default_rng(seed)
    y = (rng.random((n, 3)) < [0.5, 0.3, 0.4]).astype(float)
    y[rng.random((n, 3)) < 0.1] = np.nan
    scores = (rng.normal(size=(n, 3)) + np.nan_to_num(y)).round(1)  # with ties
    return y, scores, rng.integers(0, 15, n).astype(str)


@pytest.mark.parametrize("name", PLAIN)
def test_resampled_label_scores_equal_a_plain_loop(name):
    y, scores, subject = _labels()
    names, row_subject = np.unique(subject, return_inverse=True)
    times = multiplicities(len(names), 100, seed=3)[:, row_subject]
    expected = []
    for counts in times:
        rows = np.repeat(np.arange(len(y)), counts)
        columns = [(y[rows, k], scores[rows, k]) for k in range(3)]
        expected.append(np.mean([PLAIN[name](t[np.isfinite(t)] > 0, s[np.isfinite(t)]) for t, s in columns]))
    assert METRICS[name].resampled(y, scores, times.astype(float)) == pytest.approx(expected, abs=1e-12)
    interval = bootstrap(METRICS[name], y, scores, subject, n_resamples=100, seed=3)
    assert [interval.low, interval.high] == pytest.approx(np.percentile(expected, [2.5, 97.5]), abs=1e-12)


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
    y = has_codes([["9"], ["2", "5"], ["1", "2"], ["426783006"]], names)
    assert y.tolist() == [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert challenge_score(y, y, names, weights) == 1
    normal = np.zeros_like(y)
    normal[:, 2] = True
    assert challenge_score(y, normal, names, weights) == 0
    output = has_codes([["2"], ["2"], ["1"], ["426783006"]], names)
    # Worth of output: 0.5/2 + 1 + (1 + 0.5)/2 + 1 = 3; of truth: 1 + 1 + (1 + 0.5 + 0.5 + 1)/2 + 1 = 4.5; of normal: 1.
    assert challenge_score(y, output, names, weights) == pytest.approx((3 - 1) / (4.5 - 1))
    with pytest.raises(BiosigError, match="none of the 3"):
        challenge_score(y, y, names, weights, normal="7")
    (tmp_path / "odd.csv").write_text(",a,b\na,1,0\nc,0,1\n")
    with pytest.raises(BiosigError, match="no square table"):
        read_weights(tmp_path / "odd.csv")
