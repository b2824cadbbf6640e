"""The backends agree, and no token sees another window."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig.layers.attention import PackedLengths, packed_attention


def qkv(n, seed=0):
    return torch.randn(3, n, 4, 32, generator=torch.Generator().manual_seed(seed)).unbind()


def reference(q, k, v, seqlens):
    """One softmax over the whole row with a block-diagonal mask: the definition, quadratic and slow."""
    window = torch.repeat_interleave(torch.arange(len(seqlens)), torch.tensor(seqlens))
    apart = (window[:, None] != window[None]).float() * -1e9
    scores = torch.einsum("nhk,mhk->hnm", q, k) * q.shape[-1] ** -0.5 + apart
    return torch.einsum("hnm,mhk->nhk", scores.softmax(-1), v)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 5))
@pytest.mark.parametrize("backend", ["sdpa", "matmul"])
def test_backends_agree_with_the_definition(backend, seqlens, seed):
    q, k, v = qkv(sum(seqlens), seed)
    expected = reference(q, k, v, seqlens)
    out = packed_attention(q, k, v, PackedLengths.of(seqlens), backend)
    assert (out - expected).abs().max() / expected.abs().max() < 1e-5


@pytest.mark.parametrize("length", [40, 700])
def test_bfloat16_agrees_with_the_definition_within_its_digits(length):
    q, k, v = qkv(2 * length)
    expected = reference(q, k, v, [length, length])
    inputs = [x.bfloat16().requires_grad_() for x in (q, k, v)]
    lengths = PackedLengths.of([length, length])
    trained = packed_attention(*inputs, lengths)
    trained.float().square().sum().backward()
    with torch.inference_mode():
        embedded = packed_attention(*inputs, lengths)
    for out in (trained, embedded):
        assert (out - expected).norm() / expected.norm() < 1e-2


def test_the_mask_given_to_xformers_is_the_same_block_diagonal():
    pytest.importorskip("xformers")
    seqlens = [3, 3, 7, 1]
    mask = PackedLengths.of(seqlens).xformers_mask(torch.device("cpu"))
    window = torch.repeat_interleave(torch.arange(4), torch.tensor(seqlens))
    assert torch.equal(mask.materialize((14, 14)) == 0, window[:, None] == window[None])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="xformers' kernels need CUDA")
def test_xformers_agrees_on_cuda():
    seqlens = [300, 475, 475, 25]
    q, k, v = (x.cuda() for x in qkv(sum(seqlens)))
    lengths = PackedLengths.of(seqlens)
    expected = packed_attention(q, k, v, lengths, "matmul")
    assert (packed_attention(q, k, v, lengths, "xformers") - expected).abs().max() / expected.abs().max() < 1e-5


def test_equal_neighbours_share_a_call_and_empty_windows_need_none():
    assert PackedLengths.of([5, 5, 0, 5, 2]).runs == ((3, 5), (1, 2))
    q, k, v = qkv(0)
    assert packed_attention(q, k, v, PackedLengths.of([0, 0]), "sdpa").shape == (0, 4, 32)


def test_an_unknown_backend_is_named():
    q, k, v = qkv(4)
    with pytest.raises(ValueError, match="no attention backend 'flash'; choose one of auto"):
        packed_attention(q, k, v, PackedLengths.of([4]), "flash")
