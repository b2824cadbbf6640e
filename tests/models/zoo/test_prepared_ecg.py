"""Preparation by steps gives what the makers' own functions made of raw records."""

import json

import numpy as np
import pytest
import torch
import zoo_cases
import zoo_seeded as seeded
from zoo_cases import archive, difference, preparations

from biosig.batches.steps import Signal, run_steps
from biosig.batches.steps.crop import Crop
from biosig.batches.steps.resample import Resample
from biosig.batches.steps.scale import Scale
from biosig.models.zoo.ecgfounder import ECGFounder
from biosig.models.zoo.kim import LEADS as EIGHT
from biosig.models.zoo.kim import KimJEPA
from biosig.signal import bridge_gaps


def a_record(case):
    """The raw record of a case (C, T), NaN where it has none."""
    x = seeded.signal(**case["raw"])[0].astype(np.float64) * case.get("gain", 1) + case.get("offset", 0)
    for channel, sample in case.get("nan", []):
        x[channel, sample] = np.nan
    return x


def after(x, sfreq, steps):
    return run_steps(Signal(bridge_gaps(x), np.isfinite(x), sfreq), steps)


def relative_error(found, model, name, array="output"):
    return difference(found, archive(model)[f"prep/{model}/{name}/{array}"], 4000)


def vector_of(case, model, x):
    """What the network of a preparation gives for its output (C, T)."""
    shapes = json.loads(str(archive(model)["shapes"]))
    if f"{model}/{case['net']}" not in shapes:
        pytest.skip("the net of this case is not at hand")
    _, net = zoo_cases.network({"model": model, "table": "sincos" if model == "kim" else "seeded", **case})
    with torch.no_grad():
        return net(torch.from_numpy(x[None].astype(np.float32)), list(range(len(x))))[1]


@pytest.mark.parametrize("name", [name for name in preparations("ecgfounder") if name != "stretched"])
def test_ecgfounder_cleans_in_its_makers_order(name):
    case = preparations("ecgfounder")[name]
    sizes = ECGFounder(n_chans=1 if name == "filtered-one" else 12)
    (contract,) = sizes.contract().values()
    order = [case["order"].index(lead) for lead in contract.ch_names]
    found = after(a_record(case)[order], 500.0, contract.steps)
    assert found.valid.all()
    assert relative_error(found.values, "ecgfounder", name) < 1e-5
    assert relative_error(vector_of(case, "ecgfounder", found.values), "ecgfounder", name, "vector") < 1e-4


def test_a_stretched_record_is_one_that_is_resampled_between_its_ends():
    steps = (Scale("zscore", over="joint", eps=1e-8), Resample(5000 / 9, "linear"))
    found = after(a_record(preparations("ecgfounder")["stretched"]), 250.0, steps)
    assert relative_error(found.values, "ecgfounder", "stretched") < 1e-5


def test_kim_resamples_by_fourier_and_takes_eight_leads():
    case = preparations("kim")["resampled"]
    rows = [case["order"].index(lead) for lead in EIGHT]
    steps = (Resample(500.0), Crop(10.0), Resample(250.0))
    found = after(a_record(case)[rows], 1000.0, steps)
    assert relative_error(found.values, "kim", "resampled") < 1e-5
    assert relative_error(vector_of(case, "kim", found.values), "kim", "resampled", "vector") < 1e-4
    # The contract resamples once: the same, where the record ends as it begins.
    (contract,) = KimJEPA().contract().values()
    once = after(a_record(case)[rows][:, :10000], 1000.0, contract.steps)
    assert np.corrcoef(once.values[:, 100:-100].ravel(), found.values[:, 100:-100].ravel())[0, 1] > 0.9999


def test_code_15_is_squeezed_as_its_makers_did():
    rows = [preparations("kim")["squeezed"]["order"].index(lead) for lead in EIGHT]
    found = after(a_record(preparations("kim")["squeezed"])[rows], 400.0, (Resample(2500 / 4096 * 400),))
    assert relative_error(found.values, "kim", "squeezed") < 1e-5
