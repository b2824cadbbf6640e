"""What a training changes of a network: its names, a copy of it, and the copy put back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def trained_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters with a gradient, by name."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def trained_state(network: nn.Module) -> dict[str, Tensor]:
    """Copies of what training changes: parameters with a gradient, and buffers."""
    changing = {**trained_parameters(network), **dict(network.named_buffers())}
    return {name: tensor.detach().clone() for name, tensor in changing.items()}


def restore(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put back what `trained_state` has copied from the same network."""
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)
