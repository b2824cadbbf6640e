"""Objectives of each kind of truth: their losses by hand, what outputs mean, and that the loop learns from each."""

import numpy as np
import pytest
import torch
from out_of_fold import chance_predictions, cross_validated_predictions
from torch import nn

from biosig import config as configuration
from biosig.downstream.data.columns import prediction_columns, scored, truth_columns
from biosig.downstream.data.label_windows import stratification_labels
from biosig.downstream.data.splits import Split
from biosig.downstream.data.target_config import Target
from biosig.downstream.finetune.config import LossConfig, TrainingStage
from biosig.downstream.finetune.fit import fit, predict
from biosig.downstream.finetune.losses import TaskLoss, asymmetric_loss
from biosig.downstream.results.saved import Scoring
from biosig.errors import UsageError
from biosig.evaluate.metrics import METRICS, ROLES
from biosig.evaluate.splits import group_folds

LABELS = Target(label="code", labels={"a": ["A"], "b": ["B"]})
RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(size=240)
TRUTHS = {
    "multilabel": (LABELS, np.stack((HIDDEN > 0, HIDDEN > 1), axis=1).astype(float)),
    "number": (Target(label="age"), 60 + 10 * HIDDEN),
    "survival": (
        Target(time="years", event="died"),
        np.stack((np.exp(-HIDDEN) * RNG.exponential(size=240), RNG.random(240) < 0.7), axis=1),
    ),
}


class _Points:
    def __init__(self, x):
        self.x = torch.tensor(x, dtype=torch.float32)

    def batch(self, rows, mix=None):
        return self.x[rows]

    def draw_mix(self, rows, rng):
        raise AssertionError


@pytest.mark.parametrize("kind", TRUTHS)
def test_the_loop_and_the_linear_models_learn_from_each_kind_of_truth(kind):
    target, y = TRUTHS[kind]
    assert target.kind == kind
    x = np.stack((HIDDEN + 0.2 * RNG.normal(size=240), RNG.normal(size=240)), axis=1)
    rows = np.arange(240)
    parts = Split(rows[:120], rows[120:180], rows[180:])
    objective = TaskLoss.fitted(target, y[parts.train], LossConfig())
    network = nn.Linear(2, len(objective.names))
    examples = _Points(x)
    stage = TrainingStage(lr=3e-2, epochs=50, batch_size=40, mixup=False, schedule="linear")
    best = fit(network, examples, y, objective, parts, stage, "adamw", [0])
    prediction = predict(network, examples, objective, parts.test, 50)
    score = METRICS[ROLES[kind].selects_epoch].value
    assert score(y[parts.test], prediction) > (0.6 if kind == "survival" else 0.85)
    assert best.value == pytest.approx(
        score(y[parts.validation], predict(network, examples, objective, rows[120:180], 9))
    )

    subjects = rows.astype(str)
    folds = group_folds(subjects, 3, 0, y=stratification_labels(y, kind))
    assert score(y, cross_validated_predictions(x, y, subjects, folds, kind).prediction) > (
        0.6 if kind == "survival" else 0.85
    )
    chance = score(y, chance_predictions(y, folds, kind))
    assert chance <= 0 if kind == "number" else chance == 0.5


@pytest.mark.parametrize("kind", TRUTHS)
def test_what_stands_in_a_table_is_read_from_it_again(kind):
    import pandas as pd

    target, y = TRUTHS[kind]
    prediction = RNG.random(y.shape if kind == "multilabel" else len(y))
    frame = pd.DataFrame(
        {
            "recording": np.repeat(np.arange(120), 2).astype(str),
            "subject": "s",
            **truth_columns(np.repeat(y[:120], 2, axis=0), target),
            **prediction_columns(prediction, target),
        }
    )
    labels, subjects, values = scored(frame, target)
    np.testing.assert_allclose(labels, y[:120])
    assert len(subjects) == 120
    np.testing.assert_allclose(values, (prediction[::2] + prediction[1::2]) / 2)


def test_labels_that_are_not_known_count_for_nothing():
    objective = TaskLoss("multilabel", ("a", "b"))
    outputs = torch.randn(6, 2, requires_grad=True)
    y = torch.tensor([[0, 1], [1, np.nan], [0, 0], [1, 1], [np.nan, 0], [0, 1]])
    objective.loss(outputs, y).backward()
    assert (outputs.grad[torch.isnan(y)] == 0).all()
    assert (outputs.grad[~torch.isnan(y)] != 0).all()


def test_rare_classes_weigh_more_when_they_are_balanced():
    y = np.array([0] * 9 + [1])
    target = Target(label="x", classes={"a": ["A"], "b": ["B"]})
    objective = TaskLoss.fitted(target, y, LossConfig(balanced=True))
    assert objective.weights == pytest.approx((10 / 18, 5.0))
    logits = torch.zeros(10, 2, requires_grad=True)
    objective.loss(logits, torch.from_numpy(y)).backward()
    assert logits.grad[y == 1].abs().sum() == pytest.approx(float(logits.grad[y == 0].abs().sum()), rel=1e-5)
    label_loss = TaskLoss.fitted(LABELS, np.array([[1, 0], [0, 1], [0, np.nan], [0, 0]]), LossConfig(balanced=True))
    assert label_loss.weights == (3.0, 2.0)


def test_the_asymmetric_loss_is_the_papers_formula():
    logits, y = torch.tensor([2.0, -1.0, -5.0]), torch.tensor([1.0, 0.0, 0.0])
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    shifted = np.maximum(p - 0.05, 0)
    by_hand = [-(1 - p[0]) * np.log(p[0]), -(shifted[1] ** 4) * np.log(1 - shifted[1]), 0.0]
    assert float(asymmetric_loss(logits, y)) == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_a_number_is_learned_in_deviations_and_predicted_in_its_unit():
    y = np.array([50.0, 70.0])
    objective = TaskLoss.fitted(Target(label="age"), y, LossConfig())
    assert (objective.centre, objective.scale) == (60.0, 10.0)
    assert objective.predict(torch.tensor([[0.0], [1.0]])).tolist() == [60.0, 70.0]
    assert float(objective.loss(torch.tensor([[-1.0], [1.0]]), torch.from_numpy(y))) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"time": "years"}, "two labels: 'time' and 'event'"),
        ({"label": "a", "target_channel": "HR"}, "not two of them"),
        ({"labels": {"x": ["1"]}}, "needs one of"),
        ({"label": "a", "classes": {"x": ["1"], "y": ["2"]}, "labels": {"x": ["1"]}}, "not both"),
    ],
)
def test_targets_that_contradict_themselves_are_refused(options, says):
    with pytest.raises(UsageError, match=says):
        Target(**options)
    with pytest.raises(UsageError, match=says):
        configuration.load(Scoring, {"target": options})
