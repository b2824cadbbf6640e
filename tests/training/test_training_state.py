"""The state of a training run: what is written comes back whole, that of 0.1.0 too, and nothing else is taken."""

import copy
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from biosig.errors import DataError, UnreadableError
from biosig.training.config import OptimizerConfig, TrainingStage
from biosig.training.optimizer import make_optimizer, make_plateau
from biosig.training.state import Score, TrainingState
from biosig.training.weights import MovingAverage

OLD = Path(__file__).parent / "0.1.0"


def _network():
    return nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))


def _state(config=None):
    network = _network()
    optimizer = make_optimizer(network, config or OptimizerConfig())
    return TrainingState(network, optimizer, make_plateau(optimizer), MovingAverage(network, 0.9))


def _steps(state, n):
    for number in range(n):
        x = torch.sin(torch.arange(40.0).reshape(8, 5) + number)
        state.optimizer.zero_grad()
        state.network(x).square().mean().backward()
        state.optimizer.step()
        state.average.update(state.network)
        state.step += 1


def _content(state):
    own = copy.deepcopy(state.network.state_dict())
    own |= {f"average {name}": tensor for name, tensor in state.average.values.items()}
    own |= {f"best {name}": tensor for name, tensor in state.best_weights.items()}
    for name, parameter in state.network.named_parameters():
        own |= {f"{name} {key}": value for key, value in state.optimizer.state[parameter].items()}
    return own


@pytest.mark.parametrize("name", ["adamw", "stable_adamw"])
@settings(max_examples=25, deadline=None)
@given(
    counters=st.tuples(st.integers(0, 10**9), st.integers(0, 1000), st.integers(0, 1000)),
    best=st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)),
    seed=st.integers(0, 9),
)
def test_what_is_written_comes_back(tmp_path_factory, name, counters, best, seed):
    torch.manual_seed(seed)
    path = tmp_path_factory.mktemp("state") / "state.safetensors"
    state, other = _state(OptimizerConfig(name)), _state(OptimizerConfig(name))
    _steps(state, 1 + seed % 3)
    state.plateau.step(0.3)
    state.optimizer.param_groups[0]["lr"] = 0.123
    state.step, state.epoch, state.waited = counters
    state.best, state.best_weights = Score(*best), copy.deepcopy(dict(state.network.state_dict()))
    state.save(path)
    other.load(path)
    mine, others = _content(state), _content(other)
    assert mine.keys() == others.keys()
    assert all(torch.equal(tensor, others[key]) for key, tensor in mine.items())
    assert (other.step, other.epoch, other.waited, other.best) == (*counters, Score(*best))
    assert other.average.n_steps == state.average.n_steps
    assert other.plateau.state_dict() == state.plateau.state_dict()
    assert [g["lr"] for g in other.optimizer.param_groups] == [g["lr"] for g in state.optimizer.param_groups]


@pytest.mark.parametrize("whole", [False, True])
def test_frozen_parameters_are_kept_where_the_network_is_kept_whole(tmp_path, whole):
    networks = [nn.ModuleDict({"student": _network(), "teacher": _network().requires_grad_(False)}) for _ in range(2)]
    states = [TrainingState(n, make_optimizer(n, OptimizerConfig()), whole=whole) for n in networks]
    states[0].save(tmp_path / "state.safetensors")
    states[1].load(tmp_path / "state.safetensors")
    one, other = (network.state_dict() for network in networks)
    equal = {name for name, tensor in one.items() if torch.equal(tensor, other[name])}
    assert ("teacher.0.weight" in equal) == whole
    assert equal >= {name for name in one if name.startswith("student.") or whole}
    states[1].whole = not whole
    with pytest.raises(DataError, match=r"(missing|left over): network\.teacher"):
        states[1].load(tmp_path / "state.safetensors")


def test_a_network_whose_names_have_changed_goes_on_from_a_pretraining_of_0_1_0():
    network = nn.ModuleDict({"body": _network()})
    state = TrainingState(network, make_optimizer(network, OptimizerConfig()), whole=True)
    state.load(OLD / "training.safetensors", lambda old: {f"body.{name}": tensor for name, tensor in old.items()})
    written = load_file(OLD / "training.safetensors")
    for name, tensor in network["body"].state_dict().items():
        assert torch.equal(tensor, written[f"objective.{name}"])
    moments = state.optimizer.state[network["body"][3].weight]
    assert torch.equal(moments["exp_avg"], written["optimizer.1.exp_avg"])


def test_damage_and_other_networks_are_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    state = _state()
    _steps(state, 1)
    state.save(path)
    whole = path.read_bytes()
    other = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 2))
    with pytest.raises(DataError, match=r"left over: .*network\.1.*of another shape: network\.0"):
        TrainingState(other, make_optimizer(other, OptimizerConfig())).load(path)
    for content in (b"damaged", whole[:-5], b"", whole.replace(b'"training"', b'"trashing"')):
        path.write_bytes(content)
        with pytest.raises(UnreadableError, match="delete it to train from the start again"):
            state.load(path)


@pytest.mark.parametrize("kind", ["training", "fit"])
def test_states_of_0_1_0_are_read(kind):
    path, fit = OLD / f"{kind}.safetensors", kind == "fit"
    written = load_file(path)
    state = _state(TrainingStage(1e-2, 5, 1, ema=0.9).optimizer("adamw") if fit else None)
    if not fit:
        state.plateau = state.average = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state.load(path)
    for name, tensor in state.network.state_dict().items():
        assert torch.equal(tensor, written[f"{'now' if fit else 'objective'}.{name}"])
    # Numbers of the parameters: in their order; of a pretraining those that decay, which are matrices, come first.
    order = ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"]
    if not fit:
        order = ["0.weight", "3.weight", "0.bias", "1.weight", "1.bias", "3.bias"]
    parameters = dict(state.network.named_parameters())
    for number, name in enumerate(order):
        for key, value in state.optimizer.state[parameters[name]].items():
            assert torch.equal(value, written[f"{'optimiser' if fit else 'optimizer'}.{number}.{key}"])
    assert sum(len(moments) for moments in state.optimizer.state.values()) == 6 * 3
    if fit:
        assert (state.epoch, state.average.n_steps) == (2, 8)
        assert state.best[:2] == (0.5, pytest.approx(-0.829, abs=1e-3))
        assert all(torch.equal(t, written[f"best.{name}"]) for name, t in state.best_weights.items())
        assert all(torch.equal(t, written[f"average.{name}"]) for name, t in state.average.values.items())
    else:
        assert (state.step, state.epoch) == (3, 0)
