"""Training and predictions of classifiers and of baseline networks: the epoch is chosen on the validation part."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biosig.device import autocast
from biosig.downstream.data.batch_sources import BatchSource
from biosig.downstream.data.sequences import SpanLayout, labelled
from biosig.downstream.data.splits import Split
from biosig.downstream.finetune.losses import TaskLoss
from biosig.evaluate.metrics import METRICS, ROLES, Floats
from biosig.evaluate.splits import Rows
from biosig.progress import Progress
from biosig.training.config import OptimizerName, TrainingStage
from biosig.training.loop import train_epochs
from biosig.training.optimizer import make_optimizer, make_plateau
from biosig.training.seeding import epoch_random
from biosig.training.state import Score, TrainingState
from biosig.training.weights import MovingAverage


def fit(
    network: nn.Module,
    examples: BatchSource,
    y: NDArray[Any],
    objective: TaskLoss,
    parts: Split,
    stage: TrainingStage,
    optimizer: OptimizerName,
    key: Sequence[int],
    progress: Progress | None = None,
    title: str = "train",
    resume: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Score:
    """Train the parameters that require a gradient, and restore the network of the best epoch, the start included.

    Without a validation part the last epoch is kept.

    Parameters
    ----------
    network : Module
        Batches of `examples` → outputs (B, W).
    examples : BatchSource
        All windows by number.
    y : ndarray, shape (N, ...)
        Their labels, as in `LabelledWindows`; those of the test part are never read.
    objective : TaskLoss
        The loss and the meaning of the outputs.
    parts : Split
        `train` is fitted, `validation` chooses the epoch.
    stage : TrainingStage
        Rate, epochs, patience and so on.
    optimizer : {"adamw", "stable_adamw"}
        Name of the optimizer.
    key : sequence of int
        Seeds order, mixup and dropout.
    progress : callable, optional
        Called after each epoch.
    title : str
        Title of the stage in progress.
    resume : Path, optional
        File that is written after each epoch; if it exists already, training resumes from it.
    stop : callable
        Called before each epoch but the first; True ends training there.

    Returns
    -------
    Score
        Score of the best epoch, on the validation part.

    Raises
    ------
    DataError
        If the loss is not finite.
    """
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = stage.dropout
    device = _device(network)

    def loss(rows: Rows, rng: np.random.Generator) -> Tensor:
        mix = examples.draw_mix(rows.tolist(), rng) if stage.mixup else None
        with autocast(device, "auto"):
            outputs = network(examples.batch(rows.tolist(), mix)).float()  # (B, W)
        labels = torch.from_numpy(y[rows]).to(device)
        value = objective.loss(outputs, labels)
        return mix.weight * value + (1 - mix.weight) * objective.loss(outputs, labels[mix.partner]) if mix else value

    def score() -> Score:
        if not len(parts.validation):
            return Score(float(state.epoch))  # a later epoch counts as better
        return _score(network, examples, y, objective, parts.validation, stage.batch_size)

    state = _initial_state(network, stage, optimizer)
    if len(parts.validation) and (resume is None or not resume.exists()):
        state.best = score()
    random = partial(epoch_random, key, device=device)
    report = progress if len(parts.validation) else _without_score(progress)
    return train_epochs(state, parts.train, loss, score, stage, random, report, title, resume, stop)


def _initial_state(network: nn.Module, stage: TrainingStage, optimizer: OptimizerName) -> TrainingState:
    """State before the first epoch: the optimizer, and plateau schedule and moving average if the stage has them."""
    state = TrainingState(network, make_optimizer(network, stage.optimizer(optimizer), stage.layer_decay))
    if math.isfinite(stage.plateau_after):
        state.plateau = make_plateau(state.optimizer)
    if stage.ema:
        state.average = MovingAverage(network, stage.ema)
    return state


def predict(
    network: nn.Module, examples: BatchSource, objective: TaskLoss, rows: NDArray[np.int64], batch_size: int
) -> Floats:
    """Predictions of windows: probabilities (n, K), or values (n,)."""
    return objective.predict(_outputs(network, examples, rows, batch_size)).cpu().double().numpy()


def predict_spans(
    network: nn.Module,
    examples: BatchSource,
    objective: TaskLoss,
    contexts: SpanLayout,
    rows: NDArray[np.int64],
    batch_size: int,
) -> Floats:
    """`predict` for spans (n,) in the windows that contain them, which are those of `examples`."""
    read, place = contexts.read_for(rows)
    return predict(network, examples, objective, read, batch_size)[place]


@torch.no_grad()
def _outputs(network: nn.Module, examples: BatchSource, rows: NDArray[np.int64], batch_size: int) -> Tensor:
    network.eval()
    outputs = []
    for start in range(0, len(rows), batch_size):
        with autocast(_device(network), "auto"):
            outputs.append(network(examples.batch(rows[start : start + batch_size].tolist())).float())
    return torch.cat(outputs)


def _score(
    network: nn.Module,
    examples: BatchSource,
    y: NDArray[Any],
    objective: TaskLoss,
    rows: NDArray[np.int64],
    batch_size: int,
) -> Score:
    outputs = _outputs(network, examples, rows, batch_size)
    labels = torch.from_numpy(y[rows]).to(outputs.device)
    prediction = objective.predict(outputs).cpu().double().numpy()
    value = METRICS[ROLES[objective.kind].selects_epoch].value(*labelled(y[rows], prediction))
    return Score(value, -float(objective.loss(outputs, labels)))


def _without_score(progress: Progress | None) -> Progress | None:
    """Progress of a training without a validation score."""
    if progress is None:
        return None
    return lambda stage, done, total, note="": progress(stage, done, total)  # noqa: ARG005


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
