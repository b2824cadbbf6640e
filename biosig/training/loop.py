"""The step of an optimiser, and the epoch loop, which stops early and keeps the weights of its best epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biosig.device import autocast
from biosig.errors import DataError
from biosig.progress import Progress
from biosig.training.config import Training, TrainingStage
from biosig.training.optimizer import make_optimizer, set_lr
from biosig.training.seeding import seeded
from biosig.training.state import Score, TrainingState
from biosig.training.weights import load_trainable_state, trainable_state

Rows = NDArray[np.int64]


def take_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, clip_norm: float | None, step: int, lr_key: str
) -> None:
    """Take one step down the gradient of a scalar loss; `step` and `lr_key`, the setting to lower, are for a message.

    Raises
    ------
    DataError
        If the loss is not finite.
    """
    if not torch.isfinite(loss):
        raise DataError(
            f"The loss is {loss.item()} at step {step}: lower {lr_key}, or look for recordings with wild amplitudes "
            "with biosig inspect."
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip_norm is not None:
        nn.utils.clip_grad_norm_([p for p in network.parameters() if p.requires_grad], clip_norm)
    optimizer.step()


def train_epochs(
    state: TrainingState,
    rows: Rows,
    loss: Callable[[Rows, np.random.Generator], Tensor],
    score: Callable[[], Score],
    plan: TrainingStage | Training,
    random: Callable[[int], AbstractContextManager[np.random.Generator]],
    progress: Progress | None = None,
    title: str = "train",
    resume: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Score:
    """Train over epochs, and leave the network with the weights of its best epoch, in evaluation mode.

    Parameters
    ----------
    state : TrainingState
        State of training; the first epoch has to exceed its `best`.
    rows : ndarray of int64, shape (N,)
        The windows to learn from.
    loss : callable
        Numbers of some windows, and random numbers → scalar to minimise.
    score : callable
        Validation score of the network, which is in evaluation mode; called without gradients.
    plan : TrainingStage or Training
        Epochs, patience, batches and learning rates.
    random : callable
        Number of an epoch, from 0 → context in which torch's random numbers are that epoch's, and NumPy's.
    progress : callable, optional
        Called after each epoch.
    title : str
        Name of the work for `progress`.
    resume : Path, optional
        File that is written after each epoch, and from which training goes on where it exists.
    stop : callable
        Asked before each epoch but the first whether training ends here.

    Returns
    -------
    Score
        Of the best epoch.

    Raises
    ------
    DataError
        If the loss is not finite.
    """
    network, n_steps = state.network, math.ceil(len(rows) / plan.batch_size)
    state.best_weights = trainable_state(network)
    if resume is not None and resume.exists():
        state.load(resume)
    while state.epoch < plan.epochs and state.waited < plan.patience and not (state.epoch and stop()):
        network.train()
        with random(state.epoch) as rng:
            for number, batch in enumerate(np.array_split(rng.permutation(rows), n_steps)):
                step = state.epoch * n_steps + number + 1
                rate = plan.learning_rate(step, n_steps)
                if rate is not None:
                    set_lr(state.optimizer, rate)
                take_step(network, state.optimizer, loss(batch, rng), plan.clip_norm, step, plan.lr_key)
                if state.average:
                    state.average.update(network)
        network.eval()
        with state.average.in_place_of(network) if state.average else nullcontext(), torch.no_grad():
            reached = score()._replace(epoch=state.epoch + 1)
            state.waited += 1
            if reached[:2] > state.best[:2]:
                state.best, state.best_weights, state.waited = reached, trainable_state(network), 0
        state.epoch += 1
        if state.plateau and state.epoch >= plan.plateau_after:
            state.plateau.step(reached.value)
        if resume is not None:
            state.save(resume)
        if progress:
            done = plan.epochs if state.waited >= plan.patience else state.epoch
            progress(title, done, plan.epochs, f"validation {reached.value:.3f}")
    load_trainable_state(network, state.best_weights)
    network.eval()
    return state.best


def train(
    network: nn.Module,
    rows: Rows,
    loss: Callable[[Sequence[int]], Tensor],
    score: Callable[[], float],
    config: Training,
    key: Sequence[int],
    progress: Progress | None = None,
    title: str = "train",
) -> float:
    """Train a network by a `Training` configuration, in the precision of its device.

    Parameters
    ----------
    network : Module
        Left with the weights of its best epoch, in evaluation mode.
    rows : ndarray of int64, shape (N,)
        The windows to learn from.
    loss : callable
        Numbers of some windows → scalar to minimise.
    score : callable
        Validation score of the network, higher is better; called in evaluation mode, without gradients.
    config : Training
        Epochs, patience and optimiser.
    key : sequence of int
        Seeds order and dropout, of all epochs in one go.
    progress, title
        As in `train_epochs`.

    Returns
    -------
    float
        The best epoch's score.

    Raises
    ------
    DataError
        If the loss is not finite.
    """
    device, rng = next(network.parameters()).device, np.random.default_rng([*key])

    def loss_of(batch: Rows, _: np.random.Generator) -> Tensor:
        with autocast(device, "auto"):
            return loss(batch.tolist())

    def score_now() -> Score:
        with autocast(device, "auto"):
            return Score(score())

    state = TrainingState(network, make_optimizer(network, config.optimizer))
    with seeded(key, device):
        best = train_epochs(state, rows, loss_of, score_now, config, lambda _: nullcontext(rng), progress, title)
    return best.value
