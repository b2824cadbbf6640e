"""An average of weights over the steps of a training, younger ones counting more (Polyak 1992, SIAM J Control 30:838).

It is scored and kept in the place of the last step's weights, which a small training part moves to and fro.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from biosig.downstream.trained import restore, trained_parameters, trained_state


class MovingAverage:
    """The exponential moving average of what is trained.

    The decay is at most (1 + n) / (10 + n) at step n, so that the start is forgotten early.

    Parameters
    ----------
    network : Module
        Its parameters with a gradient are averaged; buffers are left to it.
    decay : float
        Share of the average that stays at each step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.n_steps = decay, 0
        self.values: dict[str, Tensor] = {n: p.detach().clone() for n, p in trained_parameters(network).items()}
        """The averages by the parameters' names."""

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after one more step."""
        self.n_steps += 1
        decay = min(self.decay, (1 + self.n_steps) / (10 + self.n_steps))
        for name, parameter in trained_parameters(network).items():
            self.values[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def in_place_of(self, network: nn.Module) -> Iterator[None]:
        """Inside, the network has the averages for weights."""
        own = trained_state(network)
        restore(network, self.values)
        yield
        restore(network, own)
