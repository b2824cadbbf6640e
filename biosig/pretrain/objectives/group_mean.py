"""Means in which each window weighs the same, however many channels and tokens it has."""

from __future__ import annotations

import torch
from torch import Tensor


def group_mean(values: Tensor, group: Tensor, weight: Tensor | None = None) -> Tensor:
    """The mean of the means of groups.

    Parameters
    ----------
    values : Tensor, shape (K,)
        Numbers to average.
    group : Tensor of int64, shape (K,)
        The group of each, 0 and more.
    weight : Tensor, shape (K,), optional
        Of each within its group, not negative; default 1. A group without any is left out.

    Returns
    -------
    Tensor
        A scalar, 0 where there are no values.
    """
    weight = torch.ones_like(values) if weight is None else weight
    n_groups = int(group.max()) + 1 if len(group) else 1
    total, mass = (values.new_zeros(n_groups).index_add(0, group, x) for x in (weight * values, weight))
    return (total / mass.clamp(min=torch.finfo(mass.dtype).tiny)).sum() / (mass > 0).sum().clamp(min=1)
