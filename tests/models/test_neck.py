"""The neck: standardised by running averages, alike in training and after it."""

import pytest
import torch

from biosig.models.neck import Neck


def batches(n_batches: int, size: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [3 + 2 * torch.randn(size, 24, generator=generator) for _ in range(n_batches)]


@pytest.mark.parametrize("size", [3, 40])
def test_averages_become_mean_and_variance_however_small_the_batches(size):
    neck = Neck(8, 4).train()
    for batch in batches(400, size):
        neck(batch)
    assert (neck.norm.running_mean - 3).abs().mean() < (0.3 if size == 3 else 0.1)
    assert neck.norm.running_var.mean().item() == pytest.approx(4, rel=0.1)


def test_training_and_use_give_the_same_once_the_averages_are_known():
    neck = Neck(8, 4).train()
    for batch in batches(50, 20):
        neck(batch)
    last = batches(1, 20, 1)[0]
    trained = neck(last)
    torch.testing.assert_close(neck.eval()(last), trained)


def test_a_batch_of_one_leaves_the_averages_as_they_are():
    neck = Neck(8, 4).train()
    for batch in batches(5, 20):
        neck(batch)
    before = neck.norm.running_mean.clone()
    assert torch.isfinite(neck(batches(1, 1, 2)[0])).all()
    torch.testing.assert_close(neck.norm.running_mean, before)


def test_gradients_do_not_pass_the_averages():
    neck, x = Neck(8, 4).train(), batches(1, 6)[0].requires_grad_()
    neck(x)[0].sum().backward()
    assert x.grad is not None
    assert x.grad[0].abs().sum() > 0
    assert x.grad[1:].abs().sum() == 0
