"""Optimisers over groups of parameters."""

from __future__ import annotations

import re
from functools import partial

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from biosig.training.config import OptimizerConfig
from biosig.training.stable_adamw import StableAdamW
from biosig.training.weights import trainable_parameters

_BLOCK = re.compile(r"encoder\.blocks\.(\d+)\.")
_EMBEDDING = re.compile(r"encoder\.(patches|amplitude|text|positions|cls)\b")


def make_optimizer(network: nn.Module, config: OptimizerConfig, layer_decay: float = 1.0) -> torch.optim.Optimizer:
    """Make the optimiser of all parameters that require a gradient.

    Parameters
    ----------
    network : Module
        Its parameters are grouped by whether they decay, and by their share of the learning rate (`lr_factors`).
    config : OptimizerConfig
        Optimiser; the rate at the start is its `lr`.
    layer_decay : float
        The rate of an encoder's block, as a share of that of the block after it.
    """
    tables = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    factors = lr_factors(network, layer_decay)
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in trainable_parameters(network).items():
        decays = config.decay_all or (parameter.ndim >= 2 and id(parameter) not in tables)
        groups.setdefault((decays, factors[name]), []).append(parameter)
    in_order = sorted(groups.items(), key=lambda group: not group[0][0])  # those that decay first
    settings = [
        {
            "params": parameters,
            "lr": config.lr * factor,
            "lr_factor": factor,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (decays, factor), parameters in in_order
    ]
    cls = StableAdamW if config.name == "stable_adamw" else partial(torch.optim.AdamW, fused=True)
    return cls(settings, lr=config.lr, betas=config.betas, eps=config.eps)


def lr_factors(network: nn.Module, layer_decay: float) -> dict[str, float]:
    """Share of the learning rate of each parameter by name: less for each block between it and the head.

    The embedding lies below the first block (Clark 2020, arXiv:2003.10555, appendix B; Bao 2022, arXiv:2106.08254).
    """
    found = {name: _BLOCK.match(name) for name, _ in network.named_parameters()}
    depth = max((int(block[1]) for block in found.values() if block), default=-1) + 1
    heights = {
        name: int(block[1]) + 1 if block else 0 if _EMBEDDING.match(name) else depth + 1
        for name, block in found.items()
    }
    return {name: layer_decay ** (depth + 1 - height) for name, height in heights.items()}


def optimized_names(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """Names of the parameters of an optimiser, in the order in which it numbers them."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the rate of all groups, each to its share."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_factor"]


def make_plateau(optimizer: torch.optim.Optimizer) -> ReduceLROnPlateau:
    """Make a schedule that halves the rate after five epochs without a better score (REVE's code, arXiv:2510.21585)."""
    return ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=5)
