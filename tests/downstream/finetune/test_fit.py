"""Training of a network by a stage: it learns, keeps its best epoch, stops early, and goes on where it was stopped."""

import contextlib
import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from biosig.downstream.data.mixup import draw
from biosig.downstream.data.splits import Split
from biosig.downstream.finetune.fit import fit, predict
from biosig.downstream.finetune.losses import TaskLoss
from biosig.errors import DataError
from biosig.training.config import TrainingStage

TWO = TaskLoss("classes", ("a", "b"))


class _Points:
    """Windows that are vectors: the loop on its own."""

    def __init__(self, x):
        self.x = x

    def batch(self, rows, mix=None):
        x = self.x[rows]
        return x if mix is None else mix.weight * x + (1 - mix.weight) * x[mix.partner]

    def draw_mix(self, rows, rng):
        return draw([0] * len(rows), rng)


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 90)
    x = rng.normal(size=(90, 5)) + 2 * np.outer(y, [1, 0, 0, 0, 0])
    rows = np.arange(90)
    return _Points(torch.tensor(x, dtype=torch.float32)), y, Split(rows[:40], rows[40:60], rows[60:])


@pytest.mark.parametrize("mixup", [False, True])
@pytest.mark.parametrize("optimizer", ["adamw", "stable_adamw"])
def test_the_loop_learns_and_keeps_its_best_epoch(points, mixup, optimizer):
    examples, y, parts = points
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.0), nn.Linear(16, 2))
    stage = TrainingStage(lr=1e-2, epochs=40, dropout=0.2, batch_size=8, mixup=mixup)
    calls = []
    best = fit(network, examples, y, TWO, parts, stage, optimizer, [0], lambda *what: calls.append(what))
    assert network[2].p == 0.2
    assert best.value > 0.75
    scores_in_notes = [float(note.removeprefix("validation ")) for *_, note in calls]
    assert best.value == pytest.approx(max(scores_in_notes), abs=1e-3)
    scores = predict(network, examples, TWO, parts.validation, 8)
    assert np.mean([(scores.argmax(1) == y[parts.validation])[y[parts.validation] == k].mean() for k in (0, 1)]) == (
        pytest.approx(best.value)
    )
    assert calls[-1][1] == calls[-1][2] == 40


def test_the_loop_stops_when_validation_gets_no_better(points):
    examples, y, parts = points
    network = nn.Linear(5, 2)
    calls = []
    swapped = y.copy()
    swapped[parts.train] = 1 - y[parts.train]  # what is learned makes validation worse
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[-1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0]]))
        network.bias.copy_(torch.tensor([1.0, -1.0]))
        before = copy.deepcopy(network.state_dict())
    fit(network, examples, swapped, TWO, parts, TrainingStage(1.0, 50, 0, 4), "adamw", [0], lambda *w: calls.append(w))
    assert len(calls) == 4
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_without_a_validation_part_the_last_epoch_is_kept(points):
    examples, y, parts = points
    calls = []
    alone = replace(parts, validation=parts.validation[:0])
    last = []
    for epochs in (4, 5):
        torch.manual_seed(0)
        network = nn.Linear(5, 2)
        stage = TrainingStage(1e-2, epochs, warmup=0, mixup=False)
        best = fit(network, examples, y, TWO, alone, stage, "adamw", [0], lambda *what: calls.append(what))
        assert best.epoch == epochs
        last.append(network.weight.detach().clone())
    assert not torch.equal(*last)
    assert calls[-1] == ("train", 5, 5)


def test_a_training_that_is_told_to_stop_does_so_after_an_epoch(points):
    examples, y, parts = points
    calls = []
    fit(
        nn.Linear(5, 2),
        examples,
        y,
        TWO,
        parts,
        TrainingStage(1e-2, 9),
        "adamw",
        [0],
        lambda *what: calls.append(what[1]),
        stop=lambda: len(calls) == 3,
    )
    assert calls == [1, 2, 3]


def test_a_loss_that_is_not_finite_is_said(points):
    examples, y, parts = points
    examples.x[3] = torch.inf
    with pytest.raises(DataError, match="lower the stage's lr"):
        fit(nn.Linear(5, 2), examples, y, TWO, parts, TrainingStage(1e-2, 2), "adamw", [0])


def _network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.0), nn.Linear(16, 2))


@pytest.mark.parametrize("optimizer", ["adamw", "stable_adamw"])
@pytest.mark.parametrize("epochs_before", [1, 7, 30])
def test_a_training_that_is_stopped_after_any_epoch_ends_as_if_it_had_not_been(
    points, tmp_path, optimizer, epochs_before
):
    examples, y, parts = points
    stage = TrainingStage(lr=1e-2, epochs=30, dropout=0.2, batch_size=8, ema=0.9, patience=9)

    def stopping(_stage, done, _total, _note=""):
        if done == epochs_before:
            raise KeyboardInterrupt

    undisturbed, stopped, resumed = _network(), _network(), _network()
    best = fit(undisturbed, examples, y, TWO, parts, stage, optimizer, [3])
    with contextlib.suppress(KeyboardInterrupt):
        fit(stopped, examples, y, TWO, parts, stage, optimizer, [3], stopping, resume=tmp_path / "fit.safetensors")
    torch.rand(5)
    calls = []
    again = fit(
        resumed,
        examples,
        y,
        TWO,
        parts,
        stage,
        optimizer,
        [3],
        lambda *w: calls.append(w),
        resume=tmp_path / "fit.safetensors",
    )
    assert again == best
    assert all(torch.equal(t, undisturbed.state_dict()[name]) for name, t in resumed.state_dict().items())
    assert len(calls) <= 30 - epochs_before
    (tmp_path / "fit.safetensors").write_bytes(b"damaged")
    with pytest.raises(DataError, match="train from the start again"):
        fit(_network(), examples, y, TWO, parts, stage, optimizer, [3], resume=tmp_path / "fit.safetensors")
