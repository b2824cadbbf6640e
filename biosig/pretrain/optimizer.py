"""The optimiser of a pretraining run, and its learning rate at every step."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn

from biosig.pretrain.optimizer_config import OptimizerConfig
from biosig.stable_adamw import StableAdamW


def make_optimizer(module: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """The optimiser over all parameters of `module`."""
    tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    decay: list[nn.Parameter] = []
    keep: list[nn.Parameter] = []
    for parameter in module.parameters():
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
