"""Files of public encoders become folders: every key is accounted for, and nothing in them is executed."""

import argparse
import os
import pickle

import numpy as np
import pytest
import torch
import zoo_cases
from safetensors.torch import save_file
from zoo_cases import HERE, SMALL, cases, prepared, state_of

import biosig
from biosig.cli.main import main
from biosig.errors import DataError
from biosig.models.convert import convert
from biosig.models.zoo import ENCODERS

WRAPPED = {"ecgfounder": "state_dict", "kim": "encoder", "labram": "model"}


def a_file(folder, model, change=lambda state: state, **beside):
    """A file as the makers write it, of which the tensors may be changed."""
    state = change(dict(state_of(cases(model)[SMALL[model]])))
    path = folder / "weights.pth"
    torch.save({WRAPPED[model]: state, **beside} if model in WRAPPED else state, path)
    return path


def live_key(model):
    """A matrix that the network needs."""
    state = state_of(cases(model)[SMALL[model]])
    family = ENCODERS[zoo_cases.FAMILIES[model]]
    names = family.of(state, "here").keys(state).names
    return next(key for key in reversed(names) if state[key].ndim > 1 and ".1." in key)


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize("model", HERE)
def test_a_converted_file_gives_what_the_network_gives(tmp_path, model):
    path = a_file(tmp_path, model)
    with pytest.raises(SystemExit, match="0"):
        main(["convert", str(path), "--out", str(tmp_path / "out")])
    loaded = biosig.load_model(tmp_path / "out")
    again = biosig.load_model(loaded.save(tmp_path / "again"))
    assert biosig.load_model(path).revision == loaded.revision
    assert loaded.trained
    assert loaded.revision == again.revision
    assert ENCODERS[zoo_cases.FAMILIES[model]].about.licence in loaded.card
    case = cases(model)[SMALL[model]]
    x = torch.from_numpy(prepared(case))
    with torch.no_grad():
        _, vector = loaded.encoder.module(x, zoo_cases.channels(case))
    assert zoo_cases.error(vector, case, "vector") < 1e-5
    assert loaded.with_random_weights(1).revision != loaded.revision


@pytest.mark.parametrize("prefix", ["module.", "encoder."])
@pytest.mark.parametrize("model", HERE)
def test_a_prefix_of_all_keys_is_taken(tmp_path, model, prefix):
    path = a_file(tmp_path, model, lambda state: {prefix + key: value for key, value in state.items()})
    assert convert(path).model().revision == convert(a_file(tmp_path, model)).model().revision


@pytest.mark.parametrize("model", HERE)
def test_every_wrong_key_is_named(tmp_path, model):
    key = live_key(model)
    wrong = {
        f"missing: {key}": lambda s: without(s, key),
        "left over: surplus.weight": lambda s: s | {"surplus.weight": torch.zeros(2)},
        f"left over: {key}x": lambda s: without(s, key) | {key + "x": s[key]},
        f"of another shape: {key}": lambda s: s | {key: s[key][:-1]},
        f"not floating-point: {key}": lambda s: s | {key: s[key].long()},
        "with NaN or infinite values": lambda s: s | {key: s[key] * np.nan},
    }
    for sentence, change in wrong.items():
        with pytest.raises(DataError, match="do not fit") as refused:
            convert(a_file(tmp_path, model, change))
        assert sentence in str(refused.value)


@pytest.mark.parametrize("model", HERE)
def test_a_tensor_that_nothing_reads_is_named_where_it_lacks(tmp_path, model):
    state = state_of(cases(model)[SMALL[model]])
    family = ENCODERS[zoo_cases.FAMILIES[model]]
    dropped = [key for key in family.of(state, "here").keys(state).dropped if key in state]
    if not dropped:
        pytest.skip("nothing is dropped")
    assert set(dropped) == set(convert(a_file(tmp_path, model)).left_out)
    with pytest.raises(DataError, match="missing, though nothing is read from them"):
        convert(a_file(tmp_path, model, lambda s: without(s, dropped[0])))


class Planted:
    """An object whose unpickling makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_options_of_a_training_script_are_read_and_no_other_class(tmp_path):
    left_out = convert(a_file(tmp_path, "kim", args=argparse.Namespace(lr=1.0), epoch=3)).left_out
    assert left_out["args"] == left_out["epoch"] == "entries that are not weights"
    path = a_file(tmp_path, "kim", args=Planted(str(tmp_path / "planted")))
    with pytest.raises(DataError, match=r"posix.mkdir.*nothing was read"):
        convert(path)
    path.write_bytes(pickle.dumps(Planted(str(tmp_path / "planted"))))
    with pytest.raises(DataError):
        convert(path)
    assert not (tmp_path / "planted").exists()


def test_weights_of_nobody_known_are_refused_with_the_families(tmp_path):
    save_file({"some.weight": torch.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(DataError, match=r"no model that is known here \(REVE, CSFM, .*ECGFounder.*some.weight"):
        convert(tmp_path / "weights.safetensors")


def test_norms_that_were_in_use_are_told_in_the_card(tmp_path):
    assert "hold what no fresh norm does" in convert(a_file(tmp_path, "ecgfounder")).card
