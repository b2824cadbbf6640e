"""What every readout promises, whoever registered it."""

from dataclasses import replace

import torch

from biosig.layers.pooling import AttentionPool
from biosig.models.readouts import READOUTS, Segments

EMBED_DIM = 6


def check(name):
    """Finite vectors of the size that it says; invalid tokens count for nothing, windows never for each other."""
    readout = READOUTS[name]()
    assert readout.name == name
    lengths = [4, 4, 4] if readout.one_layout else [4, 3, 1, 2]
    tokens = tokens_of(lengths)
    vectors = readout(tokens)
    n_tokens = lengths[0] if readout.one_layout else 0
    wanted = (len(lengths), readout.n_features(EMBED_DIM, n_tokens))
    assert vectors.shape == wanted, f"vectors {tuple(vectors.shape)}, and n_features says {wanted}"
    assert vectors.dtype == torch.float32
    assert vectors.isfinite().all()
    assert (vectors[1:] != vectors[0]).any(dim=1).all(), "windows of other tokens have the same vector"

    wild = torch.where(tokens.valid[:, None], tokens.values, torch.tensor(1e6))
    assert torch.equal(readout(replace(tokens, values=wild)), vectors), "invalid tokens count"

    for window in range(len(lengths)):
        torch.testing.assert_close(readout(picked(tokens, [window]))[0], vectors[window], rtol=1e-5, atol=1e-6)
    order = list(range(len(lengths)))[::-1]
    torch.testing.assert_close(readout(picked(tokens, order)), vectors[order], rtol=1e-5, atol=1e-6)

    empty = replace(tokens, valid=tokens.valid & (tokens.segment != 1))
    assert readout(empty).isfinite().all(), "a window without valid tokens has no finite vector"

    values, own = tokens.values.clone().requires_grad_(), tokens.own.clone().requires_grad_()
    own_or_none = own if readout.one_per_window else None
    readout(replace(tokens, values=values, own=own_or_none, local=values)).square().sum().backward()
    gradients = [leaf.grad for leaf in (values, own) if leaf.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients)
    if values.grad is not None:
        assert not values.grad[~tokens.valid].any()


def tokens_of(lengths):
    """Windows of so many tokens, the second token of each of the longer ones invalid."""
    generator = torch.Generator().manual_seed(0)
    segment = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    valid = torch.tensor([place != 1 for length in lengths for place in range(length)])
    values = torch.randn(len(segment), EMBED_DIM, generator=generator) * valid[:, None]
    pool = AttentionPool(EMBED_DIM).requires_grad_(False)
    pool.query.copy_(torch.randn(EMBED_DIM, generator=generator))
    own = torch.randn(len(lengths), EMBED_DIM, generator=generator)
    local = torch.randn(len(segment), EMBED_DIM, generator=generator) * valid[:, None]
    return Segments(values, valid, segment, len(lengths), own, pool, local)


def picked(tokens, windows):
    """The given windows, in the given order."""
    rows = torch.cat([(tokens.segment == window).nonzero().squeeze(1) for window in windows])
    segment = torch.cat([torch.full(((tokens.segment == w).sum(),), i) for i, w in enumerate(windows)])
    own, local = tokens.own[windows], tokens.local[rows]
    return Segments(tokens.values[rows], tokens.valid[rows], segment, len(windows), own, tokens.query, local)
