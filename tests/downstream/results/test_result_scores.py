"""Score tables of made predictions: the model's lead in pairs, single labels, and groups of people."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from biosig.downstream.data.columns import prediction_columns, truth_columns
from biosig.downstream.data.target_config import Target
from biosig.downstream.results.scores import differences, rate, rate_labels
from biosig.downstream.results.subgroups import subgroup_table
from biosig.errors import DataError
from biosig.evaluate.intervals import bootstrap_scores
from biosig.evaluate.metrics import METRICS, metrics_for

SEX = Target(label="sex", classes={"female": ["F"], "male": ["M"]})
DIAGNOSES = Target(label="diagnosis", labels={"MI": ["MI"], "AF": ["AF"]})
AGE = Target(label="age")


@dataclass(frozen=True)
class Scoring:
    target: Target
    n_bootstrap: int = 200
    seed: int = 0


def predictions(target, strengths, seeds=(None,), n_subjects=40):
    """Two windows of one recording of each subject; a method's predictions follow the truth by its strength."""
    rng = np.random.default_rng(0)
    subject = np.repeat([f"p{i:02d}" for i in range(n_subjects)], 2)
    rows = pd.DataFrame(
        {"recording": "r" + pd.Series(subject), "subject": subject, "onset": np.tile([0.0, 5.0], n_subjects)}
    )
    if target.kind == "number":
        y = np.repeat(rng.normal(60, 15, n_subjects), 2)
    elif target.kind == "classes":
        y = np.repeat(np.arange(n_subjects) % 2, 2)
    else:
        y = np.repeat((rng.random((n_subjects, 2)) < [0.5, 0.3]).astype(float), 2, axis=0)
    parts = []
    for method, strength in strengths.items():
        for seed in seeds:
            noise = rng.normal(size=len(y) if target.kind == "number" else (len(y), 2))
            known = np.eye(2)[y] if target.kind == "classes" else y
            values = strength * known + (10 if target.kind == "number" else 1) * noise
            if target.kind == "classes":
                values = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
            elif target.kind == "multilabel":
                values = 1 / (1 + np.exp(0.5 - values))
            part = rows.assign(method=method, **truth_columns(y, target), **prediction_columns(values, target))
            parts.append(part if seed is None else part.assign(seed=seed))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("target", [SEX, DIAGNOSES, AGE], ids=lambda target: target.kind)
def test_the_models_lead_is_the_paired_difference_of_each_metric(target):
    made = predictions(target, {"chance": 0, "model": 2, "handmade": 1})
    table = differences(made, Scoring(target)).set_index(["method", "metric"])
    assert list(dict.fromkeys(table.index.get_level_values("method"))) == ["chance", "handmade"]
    scores = rate(made, Scoring(target))[0].set_index(["method", "metric"])
    for metric in metrics_for(target.kind):
        lead = table.loc[("handmade", metric.name)]
        each = scores.loc["model", "value"][metric.name] - scores.loc["handmade", "value"][metric.name]
        assert lead["value"] == pytest.approx(each)
        assert lead["low"] <= lead["high"]
    best = table.loc[("chance", {"classes": "auroc", "multilabel": "macro_auroc", "number": "pearson"}[target.kind])]
    assert best["low"] > 0
    assert best["n_subjects"] == 40


def test_a_lead_is_that_of_the_mean_over_seeds():
    made = predictions(AGE, {"model": 1, "chance": 0}, seeds=(0, 1))
    lead = differences(made, Scoring(AGE)).set_index("metric").loc["mae"]
    seed_mean = [
        differences(made[made["seed"] == s], Scoring(AGE)).set_index("metric").loc["mae", "value"] for s in (0, 1)
    ]
    assert lead["value"] == pytest.approx(np.mean(seed_mean))
    alone = made[made["seed"] == 0]
    model, chance = (
        alone[alone["method"] == m].groupby("recording").mean(numeric_only=True) for m in ("model", "chance")
    )
    a, b = (
        bootstrap_scores(
            [METRICS["mae"]], one["y"].to_numpy(), one["prediction"].to_numpy(), one.index.to_numpy(), 200
        )["mae"]
        for one in (model, chance)
    )
    found = differences(alone, Scoring(AGE)).set_index("metric").loc["mae"]
    assert [found["low"], found["high"]] == pytest.approx(np.percentile(a - b, [2.5, 97.5]))


def test_what_cannot_be_subtracted_is_refused():
    made = predictions(SEX, {"model": 1, "chance": 0})
    with pytest.raises(DataError, match="'chance' was not scored on the same windows as 'model'"):
        differences(made.iloc[:-2], Scoring(SEX))
    with pytest.raises(DataError, match="are of chance: one method must be 'model'"):
        differences(made[made["method"] == "chance"], Scoring(SEX))
    assert differences(made[made["method"] == "model"], Scoring(SEX)).empty


def test_each_label_and_each_class_has_its_score_and_its_counts():
    made = predictions(DIAGNOSES, {"model": 2})
    table = rate_labels(made, Scoring(DIAGNOSES)).set_index(["label", "metric"])
    assert list(table.index) == [(label, metric) for label in ("MI", "AF") for metric in ("auroc", "auprc")]
    n_affected = made[made["y_AF"] > 0]["recording"].nunique()
    assert table.loc[("AF", "auroc"), ["n_rows", "n_positive", "n_subjects_positive"]].tolist() == [
        40,
        n_affected,
        n_affected,
    ]
    class_scores = rate_labels(predictions(SEX, {"model": 2}), Scoring(SEX)).set_index(["label", "metric"])["value"]
    assert class_scores["female", "auroc"] == pytest.approx(class_scores["male", "auroc"])


def test_a_group_is_scored_by_itself_and_says_how_small_it_is():
    made = predictions(SEX, {"model": 2})
    recordings = made["recording"].unique()
    groups = pd.DataFrame(
        {
            "site": np.where(np.arange(40) < 6, "small", "large"),
            "age_band": pd.Categorical(["under 18", "18 to 39", None, "under 18"] * 10, ["under 18", "18 to 39"]),
            "n_leads": ["12", "2"] * 20,
        },
        index=recordings,
    )
    table = subgroup_table(made, groups, Scoring(SEX)).set_index(["attribute", "group", "metric"])
    large = made[made["recording"].isin(recordings[6:])]
    expected = rate(large, Scoring(SEX))[0].set_index("metric").loc["auroc"]
    found = table.loc[("site", "large", "auroc")]
    assert found[["value", "low", "high"]].tolist() == expected[["value", "low", "high"]].tolist()
    assert found[["n_subjects", "n_windows", "n_female", "n_male", "remark"]].tolist() == [34, 68, 17, 17, ""]
    assert "Only 6 subjects" in table.loc[("site", "small", "auroc"), "remark"]
    assert table.loc["age_band"].index.unique("group").tolist() == ["under 18", "18 to 39", "not known"]
    women = table.loc[("n_leads", "12", "auroc")]  # all of one class
    assert np.isnan(women["value"])
    assert "Class 1 of 2 has no row" in women["remark"]
    assert women[["n_female", "n_male"]].tolist() == [20, 0]
    with pytest.raises(DataError, match="Recording 'rp00' is in no row of the groups"):
        subgroup_table(made, groups.iloc[1:], Scoring(SEX))
