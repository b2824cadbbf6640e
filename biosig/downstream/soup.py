"""A soup of models: the uniform average of the weights of runs that began alike (Wortsman 2022, arXiv:2203.05482)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from biosig.errors import UsageError


def average(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each weight over several state dicts.

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
