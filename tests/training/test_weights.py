"""Copies of what training changes, moving averages and soups."""

import pytest
import torch
from torch import nn

from biosig.errors import UsageError
from biosig.training.weights import MovingAverage, average_state_dicts, load_trainable_state, trainable_state


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def test_what_training_changes_comes_back_and_the_rest_stays(network):
    network[0].requires_grad_(False)
    state = trainable_state(network)
    assert {name.partition(".")[0] for name in state} == {"1", "2"}
    assert "1.running_mean" in state
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(1)
    load_trainable_state(network, state)
    assert all(torch.equal(t, before[n] + (n.startswith("0."))) for n, t in network.state_dict().items())


def test_a_soup_of_equal_weights_is_these_weights_and_of_two_their_mean(network):
    state = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    assert all(torch.equal(average_state_dicts([state] * 3)[name], state[name]) for name in state)
    other = {name: tensor + 1 for name, tensor in state.items()}
    for name, tensor in average_state_dicts([state, other]).items():
        torch.testing.assert_close(tensor, state[name] + 0.5)
    with pytest.raises(UsageError, match="same keys"):
        average_state_dicts([state, {}])


def test_the_moving_average_is_what_is_scored_and_the_steps_go_on_from_the_weights():
    network = nn.Linear(1, 1, bias=False)
    average = MovingAverage(network, 0.5)
    start = network.weight.item()
    for step in (1.0, 2.0):
        with torch.no_grad():
            network.weight.fill_(step)
        average.update(network)
    decays = [2 / 11, 3 / 12]  # below 0.5, as so early in a training
    expected = (start * decays[0] + 1.0 * (1 - decays[0])) * decays[1] + 2.0 * (1 - decays[1])
    with average.in_place_of(network):
        assert network.weight.item() == pytest.approx(expected)
    assert network.weight.item() == 2.0
