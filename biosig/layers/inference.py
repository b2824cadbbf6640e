"""Blocks for inference alone: matrices in the precision that was asked for, laid out once as the CPU multiplies them.

oneDNN, which torch multiplies with on CPUs, reorders a matrix before each product; kept in that order, REVE's embedding
takes three quarters of the time. A few windows go through a block at a time, since what lies between its products for
all of them is larger than caches, and new memory from the system each time. Gradients do not pass.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.layers.attention import PackedLengths
from biosig.layers.block import GEGLU, MLP

_TYPICAL_TOKENS = 2048
"""Rows of the products: as many windows at a time as stay below, one at least."""


def for_inference(blocks: nn.ModuleList, dtype: torch.dtype, in_parts: bool = True) -> nn.ModuleList:
    """A copy of a model's blocks that multiplies in `dtype`; norms and the sums of tokens stay as they were.

    The copy may write over the tokens that it is given.

    Parameters
    ----------
    blocks : ModuleList of Block
        All on one device.
    dtype : torch.dtype
        float32 or bfloat16.
    in_parts : bool
        True if a few windows go through a block at a time.
    """
    copied = copy.deepcopy(blocks).requires_grad_(False).eval()
    for linear in [module for module in copied.modules() if isinstance(module, nn.Linear)]:
        linear.to(dtype)
    if next(copied.parameters()).device.type == "cpu" and torch.backends.mkldnn.is_available():
        _order(copied)
        return nn.ModuleList(_InParts(block) for block in copied) if in_parts else copied
    return copied


class OrderedLinear(nn.Module):
    """A linear layer whose matrix lies in the order that oneDNN wants.

    Parameters
    ----------
    weight : Tensor, shape (out_features, in_features)
        The matrix.
    bias : Tensor, shape (out_features,), optional
        Bias to add.
    then : {"none", "gelu"}
        Function of each number before it is written.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, then: str = "none") -> None:
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _TYPICAL_TOKENS)
        self.bias = None if bias is None else bias.detach()
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        """x (N, in_features) → (N, out_features)."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, self.then, [], "none")


class _OrderedGEGLU(nn.Module):
    """`GEGLU` with two products in place of one, so that value and gate are each contiguous."""

    def __init__(self, mlp: GEGLU) -> None:
        super().__init__()
        self.value, self.gate = (OrderedLinear(half) for half in mlp.expand.weight.chunk(2))
        self.contract = OrderedLinear(mlp.contract.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, D) → (N, D)."""
        return self.contract(F.gelu(self.gate(x)).mul_(self.value(x)))


class _InParts(nn.Module):
    """A block through which a few windows go at a time; its output is written over them."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor, lengths: PackedLengths) -> Tensor:
        """x (N, D) → (N, D)."""
        parts = lengths.parts(_TYPICAL_TOKENS)
        if len(parts) == 1:
            return self.block(x, lengths)
        start = 0
        for part in parts:
            stop = start + sum(part.seqlens)
            x[start:stop] = self.block(x[start:stop], part)
            start = stop
        return x


def _order(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, GEGLU):
            setattr(module, name, _OrderedGEGLU(child))
        elif isinstance(child, MLP):
            expand = OrderedLinear(child.expand.weight, child.expand.bias, "gelu")
            setattr(module, name, nn.Sequential(expand, OrderedLinear(child.contract.weight, child.contract.bias)))
        elif isinstance(child, nn.Linear):
            setattr(module, name, OrderedLinear(child.weight, child.bias))
        else:
            _order(child)
