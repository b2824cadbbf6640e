"""Files of weights as other projects write them: tensors are read, and nothing in them is run."""

import argparse
import os
import pickle
from decimal import Decimal

import pytest
import torch

from biosig.errors import UnreadableError
from biosig.models.read_weights import read_foreign

TENSORS = {"a.weight": torch.arange(4.0)}


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def written(request, tmp_path):
    def write(content):
        path = tmp_path / "weights.pth"
        torch.save(content, path, _use_new_zipfile_serialization=request.param)
        return path

    return write


def test_the_options_of_a_training_script_may_lie_beside_the_tensors(written):
    options = argparse.Namespace(model="base", lr=5e-4, betas=[0.9, 0.98], resume="")
    found = read_foreign(written({"model": TENSORS, "args": options, "epoch": 49}))
    assert found.beside == ("args", "epoch")
    assert torch.equal(found.state["a.weight"], TENSORS["a.weight"])


@pytest.mark.parametrize("wrap", [lambda bad: bad, lambda bad: argparse.Namespace(out=bad)], ids=["bare", "in options"])
def test_planted_code_is_named_and_not_run(written, tmp_path, wrap):
    planted = tmp_path / "planted"
    path = written({"model": TENSORS, "args": wrap(Planted(planted))})
    with pytest.raises(UnreadableError, match=r"holds an object of the class posix\.mkdir beside its tensors"):
        read_foreign(path)
    assert not planted.exists()
    torch.load(path, weights_only=False)  # the plant works where somebody lets it
    assert planted.exists()


def test_any_other_class_is_refused_by_its_name(written):
    with pytest.raises(UnreadableError, match=r"holds an object of the class decimal\.Decimal beside its tensors"):
        read_foreign(written({"model": TENSORS, "lr": Decimal("0.1")}))


def test_allowing_a_class_here_allows_it_nowhere_else(written):
    path = written({"model": TENSORS, "args": argparse.Namespace(lr=1.0)})
    read_foreign(path)
    with pytest.raises(pickle.UnpicklingError, match=r"argparse\.Namespace"):
        torch.load(path, weights_only=True)


def test_a_bare_pickle_is_refused_without_advice_to_run_it(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Planted(tmp_path / "planted"), protocol=4))
    with pytest.raises(UnreadableError, match="damaged, or a pickle of another kind") as refused:
        read_foreign(path)
    assert "weights_only" not in str(refused.value)
    assert not (tmp_path / "planted").exists()
