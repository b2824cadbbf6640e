"""A block asked for a few rows gives them what it gives all."""

import pytest
import torch

from biosig.layers.attention import PackedLengths
from biosig.layers.block import Block, BlockStyle


@pytest.mark.parametrize("style", [BlockStyle(), BlockStyle(norm="layer", mlp="gelu")])
def test_rows_are_those_of_the_whole_in_the_order_asked(style):
    torch.manual_seed(0)
    block, lengths = Block(32, 2, 16, 8 / 3, style), PackedLengths.of([5, 5, 9])
    x, rows = torch.randn(19, 32), torch.tensor([18, 0, 7])
    torch.testing.assert_close(block(x, lengths, rows), block(x, lengths)[rows])
