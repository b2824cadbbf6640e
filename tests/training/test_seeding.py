"""Random numbers are a function of their key, and the caller's go on."""

import numpy as np
import torch

from biosig.training.seeding import epoch_random, seeded


def test_numbers_depend_on_the_key_alone_and_the_callers_go_on():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    drawn = []
    for key in ([1, 2], (1, 2), [1, 3], 7, 7):
        with seeded(key):
            drawn.append(torch.rand(4))
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[3], drawn[4])
    torch.manual_seed(7)
    assert torch.equal(drawn[3], torch.rand(4))


def test_each_epoch_has_its_own():
    def draw(epoch):
        with epoch_random([5], epoch, torch.device("cpu")) as rng:
            return np.append(rng.random(3), torch.rand(3))

    assert (draw(0) == draw(0)).all()
    assert (draw(0) != draw(1)).all()
