"""Training of heads whose truth is no class: waveforms, and reports. The epoch is chosen on the validation part."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from biosig.device import autocast
from biosig.downstream.cross_modal_config import Training
from biosig.downstream.seeding import seeded
from biosig.downstream.trained import restore, trained_state
from biosig.errors import DataError
from biosig.evaluate.splits import Rows
from biosig.pretrain.optimizer import learning_rate, make_optimizer, set_lr
from biosig.progress import Progress


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
    """Train what requires a gradient, and leave the network as it was after its best epoch.

    Parameters
    ----------
    network : Module
        What is trained.
    rows : ndarray of int64, shape (N,)
        The windows to learn from.
    loss : callable
        Numbers of some windows → scalar to minimise.
    score : callable
        How good the network is on the validation part, higher is better; called in evaluation mode, without gradients.
    config : Training
        How long and how fast.
    key : sequence of int
        Seeds order and dropout.
    progress : callable, optional
        Called after each epoch.
    title : str
        What it calls the work.

    Returns
    -------
    float
        The best epoch's score.

    Raises
    ------
    DataError
        If the loss is not finite.
    """
    device = next(network.parameters()).device
    rng, n_batches = np.random.default_rng([*key]), math.ceil(len(rows) / config.batch_size)
    optimizer = make_optimizer(network, config.optimizer)
    best, waited, step, kept = -math.inf, 0, 0, trained_state(network)
    with seeded(key, device):
        for epoch in range(config.epochs):
            network.train()
            for chosen in np.array_split(rng.permutation(rows), n_batches):
                step += 1
                set_lr(optimizer, learning_rate(step, config.epochs * n_batches, config.optimizer))
                _step(network, optimizer, loss, chosen.tolist(), config, device)
            network.eval()
            with torch.no_grad(), autocast(device, "auto"):
                reached = score()
            waited += 1
            if reached > best:
                best, kept, waited = reached, trained_state(network), 0
            ended = waited >= config.patience or epoch + 1 == config.epochs
            if progress:
                progress(title, config.epochs if ended else epoch + 1, config.epochs, f"validation {reached:.3f}")
            if ended:
                break
    restore(network, kept)
    network.eval()
    return best


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Sequence[int]], Tensor],
    rows: Sequence[int],
    config: Training,
    device: torch.device,
) -> None:
    with autocast(device, "auto"):
        value = loss(rows)
    if not torch.isfinite(value):
        raise DataError(f"The loss is {value.item()}: lower training.optimizer.lr, or look for wild amplitudes.")
    optimizer.zero_grad(set_to_none=True)
    value.backward()
    if config.optimizer.clip_norm is not None:
        nn.utils.clip_grad_norm_([p for p in network.parameters() if p.requires_grad], config.optimizer.clip_norm)
    optimizer.step()
