"""Memory that is used again, and never while somebody looks at it."""

import gc

import numpy as np
import pytest
import torch

from biosig.batches import buffer_pool as module
from biosig.batches.buffer_pool import recycled


@pytest.fixture(autouse=True)
def no_memory_kept(monkeypatch):
    monkeypatch.setattr(module, "_free", {})


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_comes_back_when_the_last_view_is_gone():
    first = recycled((300, 100))
    place = address(first)
    tensor = torch.from_numpy(first[:20].reshape(40, 50))[3:]
    tensor.fill_(7.0)
    del first
    gc.collect()
    second = recycled((290, 100))
    second[...] = 1.0
    assert address(second) != place
    assert (tensor == 7.0).all()
    del tensor
    gc.collect()
    assert address(recycled((256, 100))) == place


def test_arrays_are_writeable_and_of_the_shape_asked_for():
    for dtype in (np.float32, bool):
        for shape in ((0, 100), (3, 5), (2048, 1024)):
            array = recycled(shape, dtype)
            array[...] = 1
            assert array.shape == shape
            assert array.dtype == dtype


def test_no_more_than_a_bounded_amount_is_kept(monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 3 * 2**20)
    held = [recycled((2**18,)) for _ in range(6)]
    del held
    gc.collect()
    assert sum(len(kept) for kept in module._free.values()) == 3
