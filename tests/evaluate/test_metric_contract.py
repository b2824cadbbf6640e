"""Every registered metric keeps the contract, and a metric that breaks it is found."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from contracts.metrics import check, check_metric

from biosig.evaluate.metrics import METRICS, ROLES, Kind, metrics_for


@pytest.mark.parametrize("name", METRICS)
def test_metric_keeps_the_contract(name):
    check(name)


GOOD = METRICS["auroc"]
BROKEN = {
    "no reference": replace(GOOD, reference=None),
    "no title": replace(GOOD, title=""),
    "wrong direction": replace(GOOD, higher_is_better=False),
    "wrong bounds": replace(GOOD, bounds=(0.0, 0.6)),
    "wrong chance": replace(GOOD, chance=0.0),
    "weights ignored": replace(GOOD, resampled=lambda y, p, w: GOOD.resampled(y, p, np.ones_like(w))),
    "another score": replace(GOOD, resampled=METRICS["auprc"].resampled),
    "another value": replace(GOOD, value=METRICS["auprc"].value),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_metric_fails_the_contract(broken):
    check_metric(GOOD)
    with pytest.raises(AssertionError):
        check_metric(BROKEN[broken])


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_roles_of_a_kind_are_played_by_its_own_metrics(kind):
    roles, own = ROLES[kind], [metric.name for metric in metrics_for(kind)]
    assert {roles.leads, *roles.headline, roles.selects_epoch, roles.selects_probe} <= set(own)
    assert roles.leads in roles.headline
    for name in (roles.selects_epoch, roles.selects_probe):
        assert METRICS[name].higher_is_better
    if kind != "answers":  # no probe answers questions
        assert METRICS[roles.selects_probe].chance is not None
