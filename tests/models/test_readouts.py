"""Every readout keeps its contract; one more is found without being told, and one that breaks it fails."""

import subprocess
import sys

import pytest
import torch
from contracts.planted import planted
from contracts.readouts import check

from biosig import config
from biosig.downstream.probe.config import ProbeConfig
from biosig.errors import UsageError
from biosig.models.presets import preset
from biosig.models.readouts import READOUTS, Readout, check_pooling


@pytest.mark.parametrize("name", sorted(READOUTS))
def test_every_readout_keeps_its_contract(name):
    check(name)


class Largest(Readout):
    """The largest value of each feature over a window's valid tokens."""

    name = "planted"

    def __call__(self, tokens):
        values, segment = tokens.real
        rows = segment[:, None].expand_as(values)
        lowest = values.new_zeros(tokens.n_segments, values.shape[1])
        return lowest.scatter_reduce(0, rows, values, "amax", include_self=False)


class CountsInvalid(Largest):
    def __call__(self, tokens):
        return tokens.values.new_zeros(tokens.n_segments, 6).index_add(0, tokens.segment, tokens.values)


class MixesWindows(Largest):
    def __call__(self, tokens):
        return super().__call__(tokens) - super().__call__(tokens).mean(0)


class SaysAnotherSize(Largest):
    def n_features(self, embed_dim, n_tokens=0):
        return 2 * embed_dim


class DividesByNothing(Largest):
    def __call__(self, tokens):
        values, segment = tokens.real
        total = values.new_zeros(tokens.n_segments, values.shape[1]).index_add(0, segment, values)
        return total / segment.bincount(minlength=tokens.n_segments)[:, None]


class NoGradient(Largest):
    def __call__(self, tokens):
        return super().__call__(tokens).detach() + 0 * tokens.mean()


class Constant(Largest):
    def __call__(self, tokens):
        return 0 * tokens.mean() + 1


class EndlessSlope(Largest):
    def __call__(self, tokens):
        return (tokens.mean() * 0).sqrt() + tokens.mean()


@pytest.fixture
def largest():
    with planted(READOUTS, Largest) as name:
        yield name


@pytest.mark.usefixtures("largest")
def test_a_readout_more_is_found_by_itself_and_configurations_know_it():
    check("planted")
    target = {"label": "sex", "classes": {"a": ["f"], "b": ["m"]}}
    required = {"shards": "s", "model": "m", "target": target, "windows": {"length": 5.0}}
    assert config.load(ProbeConfig, {**required, "pooling": "planted"}).pooling == "planted"
    with pytest.raises(UsageError, match=r"pooling is .largest., where .*'mean' or .*'planted' or nothing"):
        config.load(ProbeConfig, {**required, "pooling": "largest"})
    with pytest.raises(UsageError, match=r"choose pooling=attention, .*mean, mean\+std, .*or planted"):
        check_pooling(preset("biosig-tiny"), "cls")


@pytest.mark.parametrize(
    "broken", [CountsInvalid, MixesWindows, SaysAnotherSize, DividesByNothing, NoGradient, Constant, EndlessSlope]
)
def test_a_readout_that_breaks_the_contract_fails_it(broken):
    with planted(READOUTS, broken) as name, pytest.raises(AssertionError):
        check(name)


def test_the_spread_of_equal_tokens_is_zero_and_its_gradient_finite():
    from biosig.models.readouts import Segments

    values = torch.ones(3, 2, requires_grad=True)
    out = READOUTS["mean+std"]()(Segments(values, torch.ones(3, dtype=torch.bool), torch.tensor([0, 0, 1]), 2))
    assert torch.equal(out[:, 2:], torch.zeros(2, 2))
    out.sum().backward()
    assert values.grad.isfinite().all()


def test_naming_readouts_needs_no_torch():
    code = (
        "import sys\nfrom biosig.models.readouts import READOUTS\n"
        "assert {'mean', 'cls'} <= set(READOUTS) and READOUTS['mean'].needs is None\n"
        "print({'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
