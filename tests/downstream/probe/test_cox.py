import math

import numpy as np
import pytest
import torch

from biosig.downstream.probe.cox import cox_loss, cox_regression
from biosig.errors import DataError


def cohort(n=60, seed=0, ties=True):
    rng = np.random.default_rng(seed)
    time = rng.exponential(5.0, n)
    return rng.normal(size=n), np.ceil(time) if ties else time, rng.random(n) < 0.6


def by_hand(risk, time, event):
    terms = [
        risk[i] - math.log(sum(math.exp(risk[j]) for j in range(len(time)) if time[j] >= time[i]))
        for i in range(len(time))
        if event[i]
    ]
    return -sum(terms) / len(terms)


@pytest.mark.parametrize("ties", [False, True])
def test_loss_is_the_partial_likelihood_written_out(ties):
    risk, time, event = cohort(ties=ties)
    loss = cox_loss(*(torch.tensor(a) for a in (risk, time, event)))
    assert float(loss) == pytest.approx(by_hand(risk, time, event), rel=1e-12)


def test_loss_knows_no_order_and_no_common_offset():
    risk, time, event = (torch.tensor(a) for a in cohort())
    loss, mixed = cox_loss(risk, time, event), torch.randperm(len(risk))
    torch.testing.assert_close(cox_loss(risk[mixed] + 100, time[mixed], event[mixed]), loss)


def test_gradient_is_right_and_no_event_gives_none():
    risk, time, event = (torch.tensor(a) for a in cohort(12))
    assert torch.autograd.gradcheck(lambda r: cox_loss(r, time, event), risk.requires_grad_())
    cox_loss(risk, time, torch.zeros_like(event)).backward()
    assert (risk.grad == 0).all()


def test_large_risks_stay_finite():
    risk = torch.tensor([900.0, -900.0, 0.0], requires_grad=True)
    loss = cox_loss(risk, torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1, 1, 0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(risk.grad).all()


def test_regression_finds_the_hazard_ratio_that_made_the_data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(4000, 2))
    time = rng.exponential(np.exp(-(X @ [0.8, -0.5])))
    censored = rng.exponential(2.0, len(X))
    found = cox_regression(X, np.minimum(time, censored), time <= censored, penalty=0.0)
    np.testing.assert_allclose(found, [0.8, -0.5], atol=0.06)


def test_regression_without_events_is_refused():
    with pytest.raises(DataError, match="None of 3 rows has an event"):
        cox_regression(np.ones((3, 1)), np.ones(3), np.zeros(3))
