"""StableAdamW against its formula, and which parameters decay and learn how fast."""

import numpy as np
import pytest
import torch
from torch import nn

from biosig.downstream.finetune.classifier import Classifier
from biosig.downstream.finetune.losses import TaskLoss
from biosig.training.config import OptimizerConfig
from biosig.training.optimizer import lr_factors, make_optimizer, set_lr
from biosig.training.stable_adamw import StableAdamW


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


def test_frozen_parameters_are_left_to_nobody():
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    module[0].requires_grad_(False)
    optimizer = make_optimizer(module, OptimizerConfig())
    assert {id(p) for group in optimizer.param_groups for p in group["params"]} == {
        id(p) for p in module[1].parameters()
    }


def test_layers_far_from_the_head_learn_slower(narrow_csfm):
    classifier = Classifier(narrow_csfm.encoder, TaskLoss("classes", ("a", "b")), "cls")
    of = lr_factors(classifier, 0.5)
    assert of.keys() == dict(classifier.named_parameters()).keys()
    assert of["head.2.weight"] == of["encoder.norm.weight"] == 1
    assert (of["encoder.blocks.5.mlp_norm.weight"], of["encoder.blocks.0.mlp_norm.weight"]) == (0.5, 0.5**6)
    assert of["encoder.cls"] == 0.5**7
    assert set(lr_factors(nn.Linear(2, 2), 0.5).values()) == {1.0}
    optimizer = make_optimizer(classifier, OptimizerConfig(lr=1.0), layer_decay=0.5)
    set_lr(optimizer, 0.1)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {name: rates[id(p)] for name, p in classifier.named_parameters()} == {n: 0.1 * of[n] for n in of}
