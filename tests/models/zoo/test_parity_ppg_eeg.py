"""PaPaGei, LaBraM and CBraMod give what their makers' code gives, to 1e-5 of the largest value."""

import numpy as np
import pytest
from zoo_cases import cases, channels, error, outputs, prepared

ALL = [(model, key) for model in ("papagei", "labram", "cbramod") for key in cases(model)]
NOT_MADE = ("alone", "sorted", "logits", "output")
"""What is compared apart, and what comes after heads of the makers' that have no place in an encoder."""


@pytest.mark.parametrize(("model", "key"), ALL)
def test_every_stage_is_what_was_recorded(model, key):
    case = cases(model)[key]
    found = outputs(case, channels=channels(case))
    names = [name for name in case["shapes"] if name not in NOT_MADE]
    errors = {name: error(found[name], case, name) for name in names}
    assert max(errors.values()) < 1e-5, errors
    assert {name: list(found[name].shape) for name in names} == {name: case["shapes"][name] for name in names}


@pytest.mark.parametrize(("model", "key"), [pair for pair in ALL if pair[1].endswith("/batch")])
def test_a_window_alone_gives_what_it_gives_in_a_batch(model, key):
    case = cases(model)[key]
    x = prepared(case)
    alone = np.concatenate([outputs(case, x[i : i + 1], channels(case))["vector"] for i in range(len(x))])
    together = outputs(case, x, channels(case))["vector"]
    assert error(alone, case, "alone") < 1e-5
    np.testing.assert_allclose(alone, together, atol=1e-6 * np.abs(alone).max())


@pytest.mark.parametrize("model", ["labram", "cbramod"])
def test_channels_are_known_by_name_whatever_their_order(model):
    case = cases(model)["two/shuffled"]
    usual = np.argsort(case["take"])
    usual_channels = [channels(case)[i] for i in usual]
    found = outputs(case, prepared(case)[:, usual], usual_channels)["vector"]
    assert error(found, case, "sorted") < 1e-5
    in_array_order = error(outputs(case, channels=channels(case))["vector"], case, "sorted")
    assert (in_array_order < 1e-5) == (model == "labram")  # CBraMod knows a channel by its place in the array


def test_an_electrode_of_another_name_is_another_one_to_labram():
    new, old = cases("labram")["two/new-names"], cases("labram")["two/ordinary"]
    assert {"T7", "T8", "P7", "P8"} <= set(new["names"])
    x = prepared(new)
    assert error(outputs(old, x, channels(old))["vector"], new, "vector") > 0.1


def test_papageis_pooled_vector_is_the_mean_of_its_tokens_and_not_its_vector():
    case = cases("papagei")["s/ordinary"]
    found = outputs(case)
    np.testing.assert_allclose(found["tokens"].mean(1), found["pooled"], rtol=1e-5)
    assert error(found["pooled"], case, "vector") > 0.1
