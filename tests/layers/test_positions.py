"""The position code tells apart what differs, for as long as a night."""

import math
from types import SimpleNamespace

import pytest
import torch

from biosig.layers.pooling import AttentionPool
from biosig.layers.positions import BodyCode, BodyPositions

NAN3 = torch.full((1, 3), math.nan)


@pytest.fixture(scope="module")
def code():
    torch.manual_seed(0)
    code = BodyPositions(64, 3, BodyCode())
    torch.nn.init.normal_(code.unknown_position)
    torch.nn.init.normal_(code.no_reference)
    return code


def columns(position, reference):
    """The columns of a packed batch that a position code reads."""
    modality = torch.zeros(len(position), dtype=torch.long)
    return SimpleNamespace(position=position, reference=reference, modality=modality)


def test_time_does_not_repeat_within_two_hours(code):
    t = torch.arange(0, 7200, 0.4)[:, None]
    distance = (code.time(t) - code.time(t[:1])).norm(dim=1)
    assert distance[1:].min() > 0.2


def test_neighbouring_patches_and_electrodes_differ(code):
    position = torch.tensor([[0.0, 0.0, 0.1, 0.2], [0.0, 0.0, 0.1, 0.6], [0.0, 0.03, 0.1, 0.2]])
    out = code(columns(position, NAN3.expand(3, 3)))
    assert (out[0] - out[1]).norm() > 0.05 * out[0].norm()
    assert (out[0] - out[2]).norm() > 0.05 * out[0].norm()


def test_two_derivations_with_one_midpoint_differ(code):
    a, b, c, d = (torch.tensor([[x, y, 0.1]]) for x, y in ((0.02, 0.0), (-0.02, 0.0), (0.0, 0.02), (0.0, -0.02)))
    t = torch.zeros(1, 1)
    one = code(columns(torch.cat((a, t), 1), b))
    other = code(columns(torch.cat((c, t), 1), d))
    assert (one - other).norm() > 0.05 * one.norm()


def test_unknown_places_are_finite_and_not_the_origin(code):
    t = torch.zeros(1, 1)
    unknown = code(columns(torch.cat((NAN3, t), 1), NAN3))
    origin = code(columns(torch.zeros(1, 4), NAN3))
    referred = code(columns(torch.zeros(1, 4), torch.zeros(1, 3)))
    assert unknown.isfinite().all()
    assert (unknown - origin).norm() > 0.05 * origin.norm()
    assert (referred - origin).norm() > 0.05 * origin.norm()


def test_attention_pooling_is_the_softmax_average_of_each_segment():
    torch.manual_seed(0)
    pool, x = AttentionPool(8), torch.randn(7, 8) * 30
    torch.nn.init.normal_(pool.query)
    segment = torch.tensor([0, 2, 0, 2, 2, 0, 2])
    out = pool(x, segment, 3)
    for s in (0, 2):
        part = x[segment == s]
        expected = (part @ pool.query / 8**0.5).softmax(0) @ part
        torch.testing.assert_close(out[s], expected)
    assert (out[1] == 0).all()


def test_pooling_several_layers_is_pooling_their_tokens_together():
    torch.manual_seed(0)
    pool, layers = AttentionPool(8), [torch.randn(7, 8) * 30 for _ in range(3)]
    torch.nn.init.normal_(pool.query)
    segment = torch.tensor([0, 2, 0, 2, 2, 0, 2])
    joined = pool(torch.cat(layers), segment.repeat(3), 3)
    torch.testing.assert_close(pool(layers, segment, 3), joined)
