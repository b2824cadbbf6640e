"""ECGFounder and Kim's ECG-JEPA give what their makers' code gives, to 1e-5 of the largest value."""

import numpy as np
import pytest
import zoo_cases
from zoo_cases import cases, error, outputs, prepared

from biosig.models.zoo import ENCODERS

ALL = [(model, key) for model in ("ecgfounder", "kim") for key in cases(model)]


@pytest.mark.parametrize(("model", "key"), ALL)
def test_every_stage_is_what_was_recorded(model, key):
    case = cases(model)[key]
    rows = case.get("leads")
    found = outputs(case, channels=rows)
    names = [name for name in case["shapes"] if name not in ("alone", "sorted")]
    errors = {name: error(found[name], case, name) for name in names}
    assert max(errors.values()) < 1e-5
    assert {name: list(found[name].shape) for name in names} == {name: case["shapes"][name] for name in names}
    if "alone" in case["shapes"]:
        x = prepared(case)
        alone = np.concatenate([outputs(case, x[i : i + 1])["vector"] for i in range(len(x))])
        assert error(alone, case, "alone") < 1e-5
        np.testing.assert_allclose(alone, found["vector"], atol=1e-6 * np.abs(alone).max())
    if "sorted" in case["shapes"]:  # given the names, the usual order
        (contract,) = ENCODERS[zoo_cases.FAMILIES[model]]().contract().values()
        order = [case["names"].index(name) for name in contract.ch_names]
        assert error(outputs(case, prepared(case)[:, order])["vector"], case, "sorted") < 1e-5
