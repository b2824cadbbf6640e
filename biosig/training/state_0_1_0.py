"""Training states that version 0.1.0 wrote: `training.safetensors` of a pretraining, and the stages of a fine-tuning.

Both kept the moments by the number of a parameter in the optimiser, and the parts under other names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from biosig.training.optimizer import optimized_names

_PARTS = {"objective": "network", "now": "network", "optimiser": "optimizer"}


def translate(
    metadata: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    renamed: Callable[[dict[str, Tensor]], dict[str, Tensor]],
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Give counters and tensors as `biosig.training.state.TrainingState` keeps them.

    Parameters
    ----------
    metadata, tensors : mapping
        Of the file.
    network, optimizer : Module, Optimizer
        Of the run that goes on: they name the parameters.
    renamed : callable
        The network's tensors by their names in a file of a pretraining → by its own.

    Raises
    ------
    KeyError, ValueError, IndexError
        If the file is neither of the two.
    """
    numbered = optimized_names(network, optimizer)
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        part = _PARTS.get(part, part)
        if part == "optimizer":
            number, _, key = rest.partition(".")
            rest = f"{numbered[int(number)]}.{key}"
        named[f"{part}.{rest}"] = tensor
    if "fit" in metadata:
        return {"step": 0, **json.loads(metadata["fit"])}, named
    weights = renamed({name.removeprefix("network."): named.pop(name) for name in [*named] if name[:8] == "network."})
    # What a module does not save (tables of positions) was not kept of a pretraining.
    named |= {f"network.{name}": tensor for name, tensor in (dict(network.named_buffers()) | weights).items()}
    rates = [group["lr"] for group in optimizer.param_groups]
    step = int(named.pop("step."))
    return {"step": step, "epoch": 0, "waited": 0, "best": (float("-inf"), 0.0), "rates": rates}, named
