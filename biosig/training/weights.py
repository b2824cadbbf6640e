"""Weights in training: copies of tensors that change, a moving average over steps, and the average of several runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from biosig.errors import UsageError


def trainable_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that require a gradient, by name."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def changing_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Tensors that training changes: parameters that require a gradient, and buffers."""
    return {**trainable_parameters(network), **dict(network.named_buffers())}


def trainable_state(network: nn.Module) -> dict[str, Tensor]:
    """Copies of the tensors that training changes."""
    return {name: tensor.detach().clone() for name, tensor in changing_tensors(network).items()}


def load_trainable_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy named tensors into the parameters and buffers of a network; others stay as they are."""
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)


class MovingAverage:
    """The exponential moving average of the trained weights (Polyak 1992, SIAM J Control 30:838).

    It is scored and kept in place of the last step's weights, which a small training part moves to and fro. The decay
    is at most (1 + n) / (10 + n) at step n, so that the start is forgotten early. Unlike torch's `AveragedModel` it
    keeps no second copy of a frozen encoder.

    Parameters
    ----------
    network : Module
        Its parameters that require a gradient are averaged; buffers are left to it.
    decay : float
        Share of the average that stays at each step.
    mean_first : bool
        True to limit the decay to 1 - 1 / n: the average is the mean of all steps until that exceeds `decay`.
    """

    def __init__(self, network: nn.Module, decay: float, mean_first: bool = False) -> None:
        self.decay, self.mean_first, self.n_steps = decay, mean_first, 0
        self.values: dict[str, Tensor] = {n: p.detach().clone() for n, p in trainable_parameters(network).items()}
        """The averages by the parameters' names."""

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after one more step."""
        self.n_steps += 1
        n = self.n_steps
        decay = min(self.decay, 1 - 1 / n if self.mean_first else (1 + n) / (10 + n))
        for name, parameter in trainable_parameters(network).items():
            self.values[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def in_place_of(self, network: nn.Module) -> Iterator[None]:
        """Inside, the network has the averages for weights."""
        own = trainable_state(network)
        load_trainable_state(network, self.values)
        yield
        load_trainable_state(network, own)


def average_state_dicts(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The uniform average of runs that began alike: a model soup (Wortsman 2022, arXiv:2203.05482).

    Parameters
    ----------
    states : sequence of mapping of str to Tensor
        State dicts with equal keys and shapes.

    Raises
    ------
    UsageError
        If there is none, or their keys differ.
    """
    if not states or any(state.keys() != states[0].keys() for state in states):
        raise UsageError("A soup needs one or more state dicts with the same keys: give those of one architecture.")
    # Summed in double precision, so that equal weights give themselves.
    return {
        name: torch.stack([state[name].double() for state in states]).mean(dim=0).to(first.dtype)
        for name, first in states[0].items()
    }
