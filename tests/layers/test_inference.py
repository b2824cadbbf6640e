"""Blocks for inference give what the blocks give, however many windows go through them."""

import pytest
import torch
from torch import nn

from biosig.layers.attention import PackedLengths
from biosig.layers.block import Block, BlockStyle
from biosig.layers.inference import for_inference

STYLES = [BlockStyle(), BlockStyle(norm="layer", mlp="gelu", dropout=0.1)]
LENGTHS = PackedLengths.of([1, 7, 7, 300, 300, 1000, 1200, 2100])


@pytest.mark.parametrize(("dtype", "far"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("style", STYLES, ids=["geglu", "gelu"])
def test_inference_gives_what_the_blocks_give(style, dtype, far):
    torch.manual_seed(0)
    blocks = nn.ModuleList(Block(64, 2, 32, 2.0, style) for _ in range(2)).eval()
    for parameter in blocks.parameters():
        nn.init.normal_(parameter, std=0.1)  # biases and norms that matter
    fast = for_inference(blocks, dtype)
    x = torch.randn(sum(LENGTHS.seqlens), 64)
    expected = x.clone()  # the copy writes over what it is given
    with torch.inference_mode():
        for block, other in zip(blocks, fast, strict=True):
            expected, x = block(expected, LENGTHS), other(x, LENGTHS)
    assert x.dtype == torch.float32
    assert (x - expected).norm() / expected.norm() < far


def test_windows_go_together_until_there_are_many_tokens():
    parts = LENGTHS.parts(2048)
    assert [part.seqlens for part in parts] == [(1, 7, 7, 300, 300, 1000), (1200,), (2100,)]
    assert [part.seqlens for part in PackedLengths.of([5]).parts(3)] == [(5,)]
