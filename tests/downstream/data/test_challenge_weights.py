"""The challenge's score as one of a target's metrics: from its file to the table of a probe."""

import numpy as np
import pytest

from biosig import config as configuration
from biosig.downstream.data.challenge_weights import metrics_of, with_challenge_weights
from biosig.downstream.data.target_config import Target
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.downstream.results.analysis import check_scores
from biosig.downstream.results.result_folder import open_result
from biosig.errors import DataError, UsageError
from biosig.evaluate.challenge import SINUS_RHYTHM, challenge_score

LABELS = {"normal": ["NORM", SINUS_RHYTHM], "infarct": ["MI"]}


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.csv"
    names = ["MI", "HYP", f"NORM|{SINUS_RHYTHM}"]
    rows = [[1, 0.5, 0.2], [0.5, 1, 0.3], [0.1, 0.3, 1]]
    lines = [",".join(map(str, row)) for row in (["", *names], *([n, *r] for n, r in zip(names, rows, strict=True)))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_labels_find_their_rows_by_code(weights):
    target = with_challenge_weights(Target("diagnosis", labels=LABELS, weights=str(weights)))
    assert target.challenge_weights == [[1, 0.1], [0.2, 1]]
    assert with_challenge_weights(target) is target
    assert metrics_of(Target("diagnosis", labels=LABELS))[-1].name != "challenge"
    y, output = np.eye(2)[[0, 0, 1, 1]], np.eye(2)[[0, 1, 1, 0]]
    expected = challenge_score(y > 0, output > 0, target.class_names, np.array(target.challenge_weights), "normal")
    assert metrics_of(target)[-1].value(y, output) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"normal": [SINUS_RHYTHM], "infarct": ["MI"]}, "match NORM"),
        ({"normal": LABELS["normal"], "block": ["CD"]}, "match none"),
        ({"normal": LABELS["normal"], "large": ["MI", "HYP"]}, "match MI, HYP"),
        ({"infarct": ["MI"], "large": ["HYP"]}, "is 0 for sinus rhythm"),
    ],
)
def test_a_label_that_is_no_diagnosis_of_the_file_is_named(weights, labels, message):
    with pytest.raises(UsageError, match=message):
        with_challenge_weights(Target("diagnosis", labels=labels, weights=str(weights)))


def test_a_file_that_is_absent_or_of_another_form_is_told_before_anything_is_done(weights, ecg_shards):
    values = {
        "model": "biosig-tiny",
        "shards": str(ecg_shards.folder),
        "target": {"label": "diagnostic_superclass", "labels": LABELS, "weights": "nowhere.csv"},
        "windows": {"length": 5.0},
    }
    with pytest.raises(UsageError, match=r"no file nowhere\.csv"):
        run_probe(configuration.load(ProbeConfig, values))
    weights.write_text("a,b\n")
    values["target"]["weights"] = str(weights)
    with pytest.raises(DataError, match="not a square table"):
        run_probe(configuration.load(ProbeConfig, values))
    with pytest.raises(UsageError, match="are of 'labels'"):
        Target("diagnosis", weights="weights.csv")
    with pytest.raises(UsageError, match="2 rows of 2"):
        Target("diagnosis", labels=LABELS, challenge_weights=[[1.0]])


def test_a_probe_has_the_score_and_its_result_needs_the_file_no_more(weights, ecg_shards, tmp_path):
    values = {
        "model": "biosig-tiny",
        "shards": str(ecg_shards.folder),
        "target": {"label": "diagnostic_superclass", "labels": LABELS, "weights": str(weights)},
        "windows": {"length": 5.0, "max_windows": 1},
        "split": {"folds": 2, "validation": 0.5},
        "baselines": ["chance", "handmade"],
        "n_bootstrap": 100,
        "out": str(tmp_path / "result"),
    }
    result = run_probe(configuration.load(ProbeConfig, values))
    found = result.table[result.table["metric"] == "challenge"]
    assert found["method"].tolist() == ["model", "chance", "handmade"]
    assert (found["low"] <= found["high"]).all()
    assert any("the target's 2 diagnoses" in note for note in result.notes)
    weights.unlink()  # what the result needs, it has
    again = check_scores(open_result(tmp_path / "result"))
    assert again["metric"].tolist() == result.table["metric"].tolist()
