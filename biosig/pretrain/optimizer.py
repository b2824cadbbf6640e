"""The optimiser of a pretraining run, and its learning rate at every step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from biosig.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimiser and schedule.

    Parameters
    ----------
    name : {"adamw", "stable_adamw"}
        AdamW, or AdamW with clipped updates.
    lr : float
        Peak learning rate.
    betas : tuple of 2 float
        As in MAE (He 2022, appendix A.1): a second moment that follows changing masks.
    eps : float
        Added to the root of the second moment.
    weight_decay : float
        Decoupled.
    decay_all : bool
        Decay every parameter; else matrices only, and norms, biases, embeddings and single vectors are left alone.
    schedule : {"cosine", "trapezoid"}
        After the warm-up: half a cosine to `final_lr`; or the peak, and a linear descent as long as the warm-up.
    warmup : float
        Share of the steps in which the rate rises.
    final_lr : float
        Rate at the last step, as a share of `lr`.
    cycles : int
        How often the schedule is run through; from the second cycle on the rate rises from `final_lr`.
    clip_norm : float, optional
        Largest norm of a step's gradient; None = any.
    """

    name: Literal["adamw", "stable_adamw"] = "adamw"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.05
    decay_all: bool = False
    schedule: Literal["cosine", "trapezoid"] = "cosine"
    warmup: float = 0.1
    final_lr: float = 0.01
    cycles: int = 1
    clip_norm: float | None = 1.0

    def __post_init__(self) -> None:
        if self.cycles < 1:
            raise UsageError(f"optimizer.cycles is {self.cycles}; it must be at least 1.")
        if not 0 <= self.warmup <= 0.5:
            raise UsageError(f"optimizer.warmup is {self.warmup:g}; it is a share of the steps, from 0 to 0.5.")


def make_optimizer(module: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """The optimiser over all parameters of `module` that are trained."""
    import torch
    from torch import nn

    from biosig.stable_adamw import StableAdamW

    tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    decay: list[nn.Parameter] = []
    keep: list[nn.Parameter] = []
    for parameter in (parameter for parameter in module.parameters() if parameter.requires_grad):
        is_matrix = parameter.ndim >= 2 and id(parameter) not in tables
        (decay if is_matrix or config.decay_all else keep).append(parameter)
    groups = [{"params": decay, "weight_decay": config.weight_decay}, {"params": keep, "weight_decay": 0.0}]
    cls = StableAdamW if config.name == "stable_adamw" else partial(torch.optim.AdamW, fused=True)
    return cls(groups, lr=config.lr, betas=config.betas, eps=config.eps)


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """Rate of step 1 … `steps`."""
    cycle = (step - 1) * config.cycles // steps
    first, last = (math.ceil(c * steps / config.cycles) for c in (cycle, cycle + 1))  # all cycles end within the run
    step, steps = step - first, last - first
    warmup = max(round(config.warmup * steps), 1)
    if step <= warmup:
        start = config.final_lr if cycle else 0.0
        return config.lr * (start + (1 - start) * step / warmup)
    if config.schedule == "trapezoid":
        height = min((steps - step) / warmup, 1.0)
    else:
        height = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))
    return config.lr * (config.final_lr + (1 - config.final_lr) * height)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr
