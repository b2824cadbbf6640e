"""A layer of an odd width computes what `nn.Linear` computes, forwards and backwards."""

import pytest
import torch
from torch import nn

from biosig.layers.linear import AlignedLinear


@pytest.mark.parametrize(("n_in", "n_out", "bias"), [(512, 2722, False), (33, 17, True), (16, 32, True)])
def test_it_is_a_linear_layer(n_in, n_out, bias):
    torch.manual_seed(0)
    ours, plain = AlignedLinear(n_in, n_out, bias=bias), nn.Linear(n_in, n_out, bias=bias)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(7, n_in)
    results = []
    for layer in (ours, plain):
        out = layer(x)
        (out**2).sum().backward()
        results.append((out.detach(), *(parameter.grad for parameter in layer.parameters())))
    for mine, theirs in zip(*results, strict=True):
        assert mine.shape == theirs.shape
        assert (mine - theirs).abs().max() <= 1e-5 * theirs.abs().max()
