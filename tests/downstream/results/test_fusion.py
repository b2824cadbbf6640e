"""Two rows of a table as one: standardised, averaged, brought back, fold by fold and draw by draw."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from biosig.downstream.data.columns import prediction_columns
from biosig.downstream.data.target_config import Target
from biosig.downstream.results.fusion import check_pairs, fuse, with_fused
from biosig.errors import UsageError

SEX = Target(label="sex", classes={"female": ["F"], "male": ["M"]})
AGE = Target(label="age")
PAIR = ("a", "b")


def _table(target, values, seeds=None):
    """Predictions (n, …) of methods in two folds of the same size."""
    parts = []
    for name, runs in values.items():
        for seed, run in enumerate(runs):
            fold = np.repeat([0, 1], len(run) // 2)
            rows = pd.DataFrame({"recording": np.arange(len(run)).astype(str), "onset": 0.0, "fold": fold})
            rows = rows.assign(seed=seed) if seeds else rows
            parts.append(rows.assign(method=name, **prediction_columns(run, target)))
    return pd.concat(parts, ignore_index=True)


def _two(rng, n=40, size=1.0, shift=0.0):
    p = 1 / (1 + np.exp(-(size * rng.normal(size=n) + shift)))
    return np.stack((1 - p, p), axis=1)


def test_a_timid_row_counts_as_much_as_a_bold_one_and_scores_come_back_as_probabilities():
    rng = np.random.default_rng(0)
    bold, timid = _two(rng, size=3.0, shift=1.0), _two(rng, size=0.1, shift=-0.5)
    together = fuse(bold, timid, "classes")
    np.testing.assert_allclose(together.sum(axis=1), 1)
    one, other, both = (logit(p[:, 1]) for p in (bold, timid, together))
    expected = ((one - one.mean()) / one.std() + (other - other.mean()) / other.std()) / 2
    np.testing.assert_allclose(both, expected * (one.std() + other.std()) / 2 + (one.mean() + other.mean()) / 2)
    for alone in (one, other):
        assert np.corrcoef(alone, both)[0, 1] == pytest.approx(np.corrcoef(other, both)[0, 1])


def test_two_weak_rows_with_errors_of_their_own_rank_better_together():
    rng = np.random.default_rng(1)
    y = np.arange(400) % 2
    rows = [1 / (1 + np.exp(-k * (y + rng.normal(size=400)))) for k in (0.2, 5.0)]
    alone = [roc_auc_score(y, p) for p in rows]
    both = fuse(*(np.stack((1 - p, p), axis=1) for p in rows), "classes")
    assert roc_auc_score(y, both[:, 1]) > max(alone) + 0.03


@pytest.mark.parametrize("kind", ["classes", "multilabel", "survival"])
def test_a_row_that_says_the_same_of_all_leaves_the_order_of_the_other(kind):
    rng = np.random.default_rng(2)
    scores = rng.normal(size=30) if kind == "survival" else rng.dirichlet([1, 1, 1], 30)
    same = np.full_like(scores, 1 / 3)
    together = fuse(scores, same, kind)
    assert np.isfinite(together).all()
    if kind != "classes":  # three classes are brought to a sum of 1 again
        np.testing.assert_array_equal(np.argsort(together, axis=0), np.argsort(scores, axis=0))


def test_probabilities_of_0_and_1_stay_finite():
    hard = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    together = fuse(hard, hard, "classes")
    np.testing.assert_allclose(together, hard, atol=1e-5)


def test_numbers_are_averaged():
    table = _table(AGE, {"a": [np.arange(6.0)], "b": [np.arange(6.0) + 3]})
    made = with_fused(table, [PAIR], AGE)
    pd.testing.assert_frame_equal(made.iloc[:12], table)
    assert made["method"].iloc[12:].eq("a + b").all()
    assert made["prediction"].iloc[12:].tolist() == (np.arange(6.0) + 1.5).tolist()


def test_each_fold_is_standardised_by_itself():
    rng = np.random.default_rng(3)
    values = {name: [_two(rng)] for name in PAIR}
    made = with_fused(_table(SEX, values), [PAIR], SEX)
    half = {name: [runs[0][:20]] for name, runs in values.items()}
    alone = fuse(half["a"][0], half["b"][0], "classes")
    fused = made[made["method"] == "a + b"]
    np.testing.assert_array_equal(fused[["score_female", "score_male"]].to_numpy()[:20], alone)
    assert (fused["prediction"] == np.where(fused["score_male"] > 0.5, "male", "female")).all()


def test_each_draw_is_fused_with_the_only_run_of_the_other():
    rng = np.random.default_rng(4)
    values = {"a": [_two(rng)], "b": [_two(rng) for _ in range(3)]}
    for pair in (PAIR, PAIR[::-1]):
        made = with_fused(_table(SEX, values, seeds=True), [pair], SEX)
        fused = made[made["method"] == " + ".join(pair)]
        assert fused["seed"].unique().tolist() == [0, 1, 2]
        for draw in range(3):
            expected = fuse(values["a"][0][20:], values["b"][draw][20:], "classes")
            run = fused[(fused["seed"] == draw) & (fused["fold"] == 1)]
            np.testing.assert_allclose(run[["score_female", "score_male"]], expected)


def test_pairs_that_cannot_be_are_refused():
    rows = ["model", "chance"]
    with pytest.raises(
        UsageError, match="fuse names 'handmade', which is not a row of this table; rows are model, cha"
    ):
        check_pairs([("handmade", "model")], rows)
    with pytest.raises(UsageError, match="'model' with itself"):
        check_pairs([("model", "model")], rows)
    with pytest.raises(UsageError, match=r"chance \+ model twice"):
        check_pairs([("model", "chance"), ("chance", "model")], rows)
