"""StableAdamW against its formula, and the learning rate at every step."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from biosig.errors import UsageError
from biosig.pretrain.optimizer import learning_rate, make_optimizer
from biosig.pretrain.optimizer_config import OptimizerConfig
from biosig.stable_adamw import StableAdamW


def test_stable_adamw_takes_the_steps_of_its_formula():
    """Written out with moments that are corrected for the start afterwards, as in Adam's paper."""
    rng = np.random.default_rng(0)
    lr, beta1, beta2, eps, decay = 0.01, 0.9, 0.95, 1e-9, 0.1
    x = rng.standard_normal((3, 4))
    parameter = nn.Parameter(torch.tensor(x))
    optimizer = StableAdamW([parameter], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=decay)
    m, v, clipped = 0.0, 0.0, 0
    for step in range(1, 40):
        g = rng.standard_normal(x.shape) * (100 if step == 20 else 1)
        parameter.grad = torch.tensor(g)
        optimizer.step()
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
        rms = np.sqrt(np.mean(g**2 / np.maximum(v_hat, eps**2)))
        clipped += rms > 3
        rate = lr / max(1, rms)
        x = x * (1 - rate * decay) - rate * m_hat / (np.sqrt(v_hat) + eps)
        assert parameter.detach().numpy() == pytest.approx(x, rel=1e-9)
    assert clipped == 1


def test_where_gradients_are_steady_it_is_adamw():
    ours, theirs = (nn.Parameter(torch.linspace(-1, 1, 10)) for _ in range(2))
    settings = {"lr": 0.01, "betas": (0.9, 0.95), "eps": 1e-9, "weight_decay": 0.1}
    one, other = StableAdamW([ours], **settings), torch.optim.AdamW([theirs], **settings)
    for _ in range(50):
        for parameter, optimizer in ((ours, one), (theirs, other)):
            parameter.grad = torch.full((10,), 0.3)
            optimizer.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_its_state_is_tensors_and_goes_on_where_it_stopped():
    def steps(optimizer, parameter, first, last):
        for step in range(first, last):
            parameter.grad = torch.sin(torch.arange(5.0) + step)
            optimizer.step()

    whole, half = (nn.Parameter(torch.ones(5)) for _ in range(2))
    one, other = StableAdamW([whole]), StableAdamW([half])
    steps(one, whole, 0, 10)
    steps(other, half, 0, 5)
    state = other.state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state["state"][0].values())
    resumed = StableAdamW([half])
    resumed.load_state_dict(state)
    steps(resumed, half, 5, 10)
    assert torch.equal(whole, half)


@pytest.mark.parametrize("name", ["adamw", "stable_adamw"])
def test_decay_leaves_vectors_alone_unless_it_is_for_all(name):
    module = nn.Sequential(nn.Embedding(4, 3), nn.LayerNorm(3), nn.Linear(3, 2))
    by_default, for_all = (
        make_optimizer(module, OptimizerConfig(name=name, weight_decay=0.1, decay_all=everything))
        for everything in (False, True)
    )
    decayed = [parameter for group in by_default.param_groups if group["weight_decay"] for parameter in group["params"]]
    assert [parameter.shape for parameter in decayed] == [(2, 3)]
    assert len(for_all.param_groups[0]["params"]) == len(list(module.parameters()))


def rates(steps=100, **settings):
    return [learning_rate(step, steps, OptimizerConfig(lr=1.0, **settings)) for step in range(1, steps + 1)]


def test_warm_up_and_half_a_cosine():
    one = rates()
    assert one[0] == pytest.approx(0.1)
    assert max(one) == one[9] == 1.0
    assert one[-1] == pytest.approx(0.01)
    assert all(a >= b for a, b in itertools.pairwise(one[9:]))


def test_a_trapezoid_rises_stays_and_falls():
    one = rates(schedule="trapezoid")
    assert one[:10] == pytest.approx(np.linspace(0.1, 1, 10))
    assert one[9:90] == [1.0] * 81
    assert one[89:] == pytest.approx(np.linspace(1, 0.01, 11))


@pytest.mark.parametrize("steps", [100, 103])
def test_cycles_all_end_within_the_run(steps):
    one = np.array(rates(steps, schedule="trapezoid", cycles=4))
    assert np.flatnonzero(np.isclose(one, 0.01)).size == 4
    assert one[-1] == pytest.approx(0.01)
    assert (one == 1.0).sum() > 0.7 * steps
    assert one.min() == pytest.approx(0.01)


def test_a_run_of_one_step_has_a_rate():
    assert rates(1) == [1.0]
    assert rates(1, schedule="trapezoid", cycles=3) == [1.0]


def test_impossible_schedules_are_refused():
    with pytest.raises(UsageError, match=r"warmup is 0\.7; it is a share of the steps, from 0 to 0.5"):
        OptimizerConfig(warmup=0.7)
    with pytest.raises(UsageError, match="cycles is 0; it must be at least 1"):
        OptimizerConfig(cycles=0)
