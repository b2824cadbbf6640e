"""Intervals, gains, sign-flips and Holm's levels, on scores that can be worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from biosig.bench.config import BenchTask
from biosig.bench.operating import sensitivities, sensitivity
from biosig.bench.scores import Gain, Judge, holm
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.downstream.results.scores import by_method
from biosig.errors import DataError

EVENTS = Target(events={"rest": ["a"], "task": ["b"]})


def _task(target=EVENTS, **changes):
    return BenchTask("made", "made", target, WindowPlan(after=1.0), **changes)


def _predictions(scores, labels, subjects, method="model"):
    score = np.asarray(scores, float)
    return pd.DataFrame(
        {
            "recording": [f"r{i}" for i in range(len(score))],
            "subject": subjects,
            "onset": 0.0,
            "y": np.where(labels, "task", "rest"),
            "score_rest": 1 - score,
            "score_task": score,
            "prediction": np.where(score > 0.5, "task", "rest"),
            "method": method,
            "seed": 0,
        }
    )


@pytest.fixture
def rows():
    """Six people with twenty windows each: a good row, a poor one, one that guesses."""
    rng = np.random.default_rng(0)
    subjects = np.repeat([f"p{i}" for i in range(6)], 20)
    labels = np.tile([0, 1], 60)
    made = {
        "model": labels + rng.normal(0, 0.5, 120),
        "handmade": labels + rng.normal(0, 2.0, 120),
        "chance": rng.random(120),
    }
    return pd.concat([_predictions(1 / (1 + np.exp(-v)), labels, subjects, name) for name, v in made.items()])


def test_a_score_of_people_is_the_mean_of_each_ones(rows):
    judge = Judge(_task(per_person=True), rows, 500, 0)
    own = rows[rows["method"] == "model"]
    each = [roc_auc_score(g["y"] == "task", g["score_task"]) for _, g in own.groupby("subject")]
    assert judge.rows["model"].value == pytest.approx(np.mean(each))
    np.testing.assert_allclose(sorted(judge.rows["model"].by_person), sorted(each))
    pooled = Judge(_task(), rows, 500, 0).rows["model"]
    assert pooled.value == pytest.approx(roc_auc_score(own["y"] == "task", own["score_task"]))


@pytest.mark.parametrize("per_person", [True, False])
def test_a_better_row_is_told_from_a_guess_and_not_from_itself(rows, per_person):
    judge = Judge(_task(per_person=per_person), rows, 500, 0)
    gain = judge.gain("model", "chance", flips=True)
    assert gain.bounds()[0] > 0.2
    assert gain.p_bootstrap < 0.01
    assert gain.p_sign_flip < 0.05
    same = judge.gain("model", "model", flips=True)
    assert same.value == 0
    assert same.p_sign_flip == 1
    back = judge.gain("chance", "model")
    assert back.value == pytest.approx(-gain.value)


def test_of_errors_less_is_a_gain():
    target = Target(target_channel="HR")
    rng = np.random.default_rng(1)
    y, subjects = rng.normal(70, 10, 60), np.repeat([f"p{i}" for i in range(12)], 5)
    table = pd.DataFrame({"recording": "r", "subject": subjects, "onset": np.arange(60.0), "y": y, "seed": 0})
    near, far = (table.assign(prediction=y + rng.normal(0, sd, 60), method=m) for sd, m in ((1, "near"), (5, "far")))
    judge = Judge(_task(target, per_person=True), pd.concat([near, far]), 500, 0)
    assert judge.rows["near"].value < judge.rows["far"].value
    assert judge.gain("near", "far").bounds()[0] > 0


def test_rows_of_other_windows_cannot_be_subtracted(rows):
    fewer = rows[~((rows["method"] == "chance") & (rows["subject"] == "p0"))]
    with pytest.raises(DataError, match="other windows"):
        Judge(_task(), fewer, 100, 0).gain("model", "chance")


def test_holm_stops_at_the_first_that_is_not_clear():
    draws = np.random.default_rng(0).normal(0, 1, 10_000)
    # 3 deviations are clear at 1 - .05/3; 2.1 are at 95 % alone, and so is 2.3 at 1 - .05/2 nearly.
    gains = {"a": Gain(3.0, 3.0 + draws), "b": Gain(2.1, 2.1 + draws), "c": Gain(2.05, 2.05 + draws)}
    table = holm(gains).set_index("endpoint")
    assert table.loc["a", "level"] == pytest.approx(1 - 0.05 / 3)
    assert table["above"].tolist() == [True, False, False]
    alone = holm({"c": gains["c"]})
    assert alone["level"].tolist() == [0.95]
    assert alone["above"].tolist() == [True]


def test_the_sensitivity_is_that_of_the_roc_curve(rows):
    own = rows[rows["method"] == "handmade"]
    y, scores = (own["y"] == "task").to_numpy(int), own["score_task"].to_numpy()
    false, true, _ = roc_curve(y, scores, drop_intermediate=False)
    assert sensitivity(y, scores) == pytest.approx(true[false <= 0.05 + 1e-9].max())
    doubled = sensitivity(np.tile(y, 2), np.tile(scores, 2))
    assert sensitivity(y, scores, np.full(len(y), 2.0)) == pytest.approx(doubled)
    assert np.isnan(sensitivity(np.ones(3), np.arange(3.0)))
    (method,) = by_method(own, EVENTS)
    found = sensitivities(method, EVENTS.class_names, 200, 0)
    assert list(found) == ["task"]
    assert found["task"].low <= found["task"].value <= found["task"].high
