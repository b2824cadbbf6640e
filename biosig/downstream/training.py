"""One training loop for every network of a fine-tuning run: the epoch is chosen on the validation part."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from biosig.device import autocast
from biosig.downstream.averaging import MovingAverage
from biosig.downstream.contexts import Contexts, labelled
from biosig.downstream.examples import Examples
from biosig.downstream.fit_state import FitState, Score
from biosig.downstream.objective import Objective
from biosig.downstream.parts import Parts
from biosig.downstream.seeding import seeded
from biosig.downstream.settings import Stage
from biosig.downstream.trained import restore, trained_state
from biosig.errors import DataError
from biosig.evaluate.metrics import METRICS, ROLES, Floats
from biosig.evaluate.splits import Rows
from biosig.progress import Progress
from biosig.stable_adamw import StableAdamW

# REVE's released fine-tuning (arXiv:2510.21585).
BETAS, EPS = (0.92, 0.999), 1e-9
CLIP_NORM = 2.0
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.5, 5

_BLOCK = re.compile(r"encoder\.blocks\.(\d+)\.")
_EMBEDDING = re.compile(r"encoder\.(patches|amplitude|text|positions|cls)\b")


def fit(
    network: nn.Module,
    examples: Examples,
    y: NDArray[Any],
    objective: Objective,
    parts: Parts,
    stage: Stage,
    optimizer: str,
    key: Sequence[int],
    progress: Progress | None = None,
    title: str = "train",
    resume: Path | None = None,
) -> Score:
    """Train what requires a gradient, and leave the network as it was after its best epoch, the start included.

    Parameters
    ----------
    network : Module
        Batches of `examples` → outputs (B, W).
    examples : Examples
        All windows by number.
    y : ndarray, shape (N, ...)
        Their truth, as in `LabelledWindows`; that of the test part is never looked at.
    objective : Objective
        The loss, and what outputs mean.
    parts : Parts
        `train` is fitted, `validation` chooses the epoch.
    stage : Stage
        Rate, epochs, patience and so on.
    optimizer : {"adamw", "stable_adamw"}
        Which.
    key : sequence of int
        Seeds order, mixup and dropout.
    progress : callable, optional
        Called after each epoch.
    title : str
        What it calls the stage.
    resume : Path, optional
        File that is written after each epoch; where it is there already, training goes on from it.

    Returns
    -------
    Score
        Of the best epoch, on the validation part.

    Raises
    ------
    DataError
        If the loss is not finite.
    """
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = stage.dropout
    state = _begun(network, stage, optimizer)
    if resume is not None and resume.exists():
        state.load(resume)
    else:
        state.best = _score(network, examples, y, objective, parts.validation, stage.batch_size)
    while state.epoch < stage.epochs and state.waited < stage.patience:
        with seeded([*key, state.epoch + 1], _device(network)):
            _run_epoch(
                state, examples, y, objective, parts.train, stage, np.random.default_rng([*key, state.epoch + 1])
            )
        with state.average.in_place_of(network) if state.average else nullcontext():
            score = _score(network, examples, y, objective, parts.validation, stage.batch_size)
            state.waited += 1
            if score > state.best:
                state.best, state.kept, state.waited = score, trained_state(network), 0
        state.epoch += 1
        if state.epoch >= stage.warmup and stage.schedule == "plateau":
            state.plateau.step(score.value)
        if resume is not None:
            state.save(resume)
        if progress:
            done = stage.epochs if state.waited >= stage.patience else state.epoch
            progress(title, done, stage.epochs, f"validation {score.value:.3f}")
    restore(network, state.kept)
    network.eval()
    return state.best


def _begun(network: nn.Module, stage: Stage, optimizer: str) -> FitState:
    optimiser = _optimizer(network, optimizer, stage)
    plateau = ReduceLROnPlateau(optimiser, mode="max", factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE)
    average = MovingAverage(network, stage.ema) if stage.ema else None
    return FitState(network, optimiser, plateau, average, Score(-math.inf, -math.inf), trained_state(network))


def _run_epoch(
    state: FitState,
    examples: Examples,
    y: NDArray[Any],
    objective: Objective,
    train: Rows,
    stage: Stage,
    rng: np.random.Generator,
) -> None:
    state.network.train()
    n_batches = math.ceil(len(train) / stage.batch_size)
    for number, rows in enumerate(np.array_split(rng.permutation(train), n_batches)):
        share = rate_share(stage, state.epoch + (number + 1) / n_batches)
        if share is not None:
            _set_lr(state.optimiser, stage.lr * share)
        _step(state.network, state.optimiser, examples, y, objective, rows, stage.mixup, rng)
        if state.average:
            state.average.update(state.network)


def rate_share(stage: Stage, epoch: float) -> float | None:
    """Share of the peak rate after so many epochs; None where the schedule leaves it as it is."""
    if stage.schedule == "linear":
        rising = epoch / stage.warmup if stage.warmup else 1.0
        return min(rising, (stage.epochs - epoch) / max(stage.epochs - stage.warmup, 1))
    return (10 ** (epoch / stage.warmup) - 1) / 9 if epoch <= stage.warmup and stage.warmup else None


def predict(
    network: nn.Module, examples: Examples, objective: Objective, rows: NDArray[np.int64], batch_size: int
) -> Floats:
    """Predictions of windows: probabilities (n, K), or values (n,)."""
    return objective.predict(_outputs(network, examples, rows, batch_size)).cpu().double().numpy()


def predict_spans(
    network: nn.Module,
    examples: Examples,
    objective: Objective,
    contexts: Contexts,
    rows: NDArray[np.int64],
    batch_size: int,
) -> Floats:
    """As `predict`, of spans (n,) in the windows that they are read in, which are what `examples` has."""
    read, where = contexts.read_for(rows)
    return predict(network, examples, objective, read, batch_size)[where]


@torch.no_grad()
def _outputs(network: nn.Module, examples: Examples, rows: NDArray[np.int64], batch_size: int) -> Tensor:
    network.eval()
    outputs = []
    for start in range(0, len(rows), batch_size):
        with autocast(_device(network), "auto"):
            outputs.append(network(examples.batch(rows[start : start + batch_size].tolist())).float())
    return torch.cat(outputs)


def _score(
    network: nn.Module,
    examples: Examples,
    y: NDArray[Any],
    objective: Objective,
    rows: NDArray[np.int64],
    batch_size: int,
) -> Score:
    outputs = _outputs(network, examples, rows, batch_size)
    truth = torch.from_numpy(y[rows]).to(outputs.device)
    prediction = objective.predict(outputs).cpu().double().numpy()
    value = METRICS[ROLES[objective.kind].selects_epoch].value(*labelled(y[rows], prediction))
    return Score(value, -float(objective.loss(outputs, truth)))


def _step(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    examples: Examples,
    y: NDArray[Any],
    objective: Objective,
    rows: NDArray[np.int64],
    mixup: bool,
    rng: np.random.Generator,
) -> None:
    mix = examples.draw_mix(rows.tolist(), rng) if mixup else None
    device = _device(network)
    with autocast(device, "auto"):
        outputs = network(examples.batch(rows.tolist(), mix)).float()  # (B, W)
    truth = torch.from_numpy(y[rows]).to(device)
    loss = objective.loss(outputs, truth)
    if mix:
        loss = mix.weight * loss + (1 - mix.weight) * objective.loss(outputs, truth[mix.partner])
    if not torch.isfinite(loss):
        raise DataError(
            f"The loss is {loss.item()}: lower the stage's lr, or look for recordings with wild amplitudes with "
            f"biosig inspect."
        )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_([p for p in network.parameters() if p.requires_grad], CLIP_NORM)
    optimiser.step()


def _optimizer(network: nn.Module, name: str, stage: Stage) -> torch.optim.Optimizer:
    cls = StableAdamW if name == "stable_adamw" else partial(torch.optim.AdamW, fused=True)
    groups = [
        {"params": parameters, "lr": stage.lr * share, "share": share}
        for share, parameters in layer_shares(network, stage.layer_decay).items()
    ]
    return cls(groups, lr=stage.lr, betas=BETAS, eps=EPS, weight_decay=stage.weight_decay)


def layer_shares(network: nn.Module, layer_decay: float) -> dict[float, list[nn.Parameter]]:
    """What is trained, by its share of the rate: less for each block that lies between it and the head.

    The embedding lies below the first block (Clark 2020, arXiv:2003.10555, appendix B; Bao 2022, arXiv:2106.08254).
    """
    found = {name: _BLOCK.match(name) for name, _ in network.named_parameters()}
    depth = max((int(block[1]) for block in found.values() if block), default=-1) + 1
    shares: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        block = found[name]
        height = int(block[1]) + 1 if block else 0 if _EMBEDDING.match(name) else depth + 1
        if parameter.requires_grad:
            shares.setdefault(layer_decay ** (depth + 1 - height), []).append(parameter)
    return shares


def _set_lr(optimiser: torch.optim.Optimizer, lr: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = lr * group["share"]


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
