"""The epoch loop: early stopping, the best epoch's weights, and going on after any epoch."""

from contextlib import suppress
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from biosig.errors import DataError
from biosig.training.config import OptimizerConfig, Training, TrainingStage
from biosig.training.loop import train, train_epochs
from biosig.training.optimizer import make_optimizer, make_plateau
from biosig.training.seeding import epoch_random
from biosig.training.state import Score, TrainingState
from biosig.training.weights import MovingAverage

X = torch.from_numpy(np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32))
Y = X @ torch.tensor([[1.0], [-1.0], [0.5], [0.0], [2.0]])
TRAIN = np.arange(40)


def _network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1))


def _error(network, rows):
    return nn.functional.mse_loss(network(X[rows]), Y[rows])


def _score(network):
    return -float(_error(network, slice(40, 60)).detach())


def _train(stage, optimizer="adamw", progress=None, resume=None, wild=False):
    network = _network()
    state = TrainingState(network, make_optimizer(network, stage.optimizer(optimizer), stage.layer_decay))
    state.plateau = make_plateau(state.optimizer)
    state.average = MovingAverage(network, stage.ema) if stage.ema else None
    best = train_epochs(
        state,
        TRAIN,
        lambda rows, _: _error(network, rows) * (np.inf if wild else 1),
        lambda: Score(_score(network)),
        stage,
        partial(epoch_random, [4], device=torch.device("cpu")),
        progress,
        resume=resume,
    )
    return network, state, best


def test_the_network_ends_with_its_best_epoch_and_stops_where_none_is_better():
    calls = []
    network, state, best = _train(
        TrainingStage(lr=0.3, epochs=200, patience=6, batch_size=8), progress=lambda *what: calls.append(what)
    )
    assert not network.training
    assert best.value == pytest.approx(_score(network))
    scores = [float(note.removeprefix("validation ")) for *_, note in calls]
    assert best.value == pytest.approx(max(scores), abs=1e-3)
    assert len(calls) - 6 == np.argmax(scores) + 1 < 194
    assert calls[-1][1] == calls[-1][2] == 200
    assert state.optimizer.param_groups[0]["lr"] < 0.3  # the plateau has halved it


@pytest.mark.parametrize("optimizer", ["adamw", "stable_adamw"])
@pytest.mark.parametrize("changes", [{}, {"schedule": "linear", "ema": 0.9}])
@pytest.mark.parametrize("epochs_before", [1, 9])
def test_stopped_after_any_epoch_it_ends_with_the_same_weights(tmp_path, optimizer, changes, epochs_before):
    stage = TrainingStage(lr=0.1, epochs=14, patience=9, batch_size=8, **changes)

    def stop(_stage, done, *_):
        if done == epochs_before:
            raise KeyboardInterrupt

    undisturbed, _, best = _train(stage, optimizer)
    with suppress(KeyboardInterrupt):
        _train(stage, optimizer, stop, tmp_path / "fit.safetensors")
    calls = []
    resumed, _, again = _train(stage, optimizer, lambda *what: calls.append(what), tmp_path / "fit.safetensors")
    assert again == best
    assert len(calls) <= 14 - epochs_before
    assert all(torch.equal(t, undisturbed.state_dict()[name]) for name, t in resumed.state_dict().items())


def test_training_by_steps_ends_with_the_same_weights_each_time():
    config = Training(epochs=8, batch_size=16, patience=3, optimizer=OptimizerConfig(lr=0.05))
    networks = [_network(), _network()]
    scores = []
    for network in networks:
        torch.rand(3)
        start = _score(network.eval())
        score = partial(_score, network)
        scores.append(train(network, TRAIN, partial(_error, network), score, config, [1]))
        assert scores[-1] > start
        assert scores[-1] == score()
    assert scores[0] == scores[1]
    assert all(torch.equal(*both) for both in zip(*(n.state_dict().values() for n in networks), strict=True))


def test_a_loss_that_is_not_finite_names_the_step_and_the_setting():
    with pytest.raises(DataError, match="loss is inf at step 1: lower the stage's lr"):
        _train(TrainingStage(lr=0.1, epochs=2, batch_size=8), wild=True)
    with pytest.raises(DataError, match=r"at step 1: lower training\.optimizer\.lr"):
        train(_network(), TRAIN, lambda _: torch.tensor(torch.nan), lambda: 0.0, Training(), [0])
