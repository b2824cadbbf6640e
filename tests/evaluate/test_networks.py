"""EEGNet, ShallowFBCSPNet and tangent space: sizes by the papers, and that each learns a planted difference."""

import builtins

import numpy as np
import pytest
import torch

from biosig.downstream.mixup import draw
from biosig.downstream.objective import Objective
from biosig.downstream.parts import Parts
from biosig.downstream.settings import Stage
from biosig.downstream.training import fit, predict
from biosig.errors import UsageError
from biosig.evaluate.baselines.eegnet import EEGNet
from biosig.evaluate.baselines.shallow import ShallowFBCSPNet
from biosig.evaluate.baselines.tangent import tangent_space_predictions

SFREQ, N_CHANS, N_TIMES = 100.0, 6, 200
TWO = Objective("classes", ("a", "b"))


class _Dense:
    def __init__(self, x):
        self.x = x

    def batch(self, rows, mix=None):
        x = self.x[rows]
        return x if mix is None else mix.weight * x + (1 - mix.weight) * x[mix.partner]

    def draw_mix(self, rows, rng):
        return draw([0] * len(rows), rng)


@pytest.fixture(scope="module")
def planted():
    """Noise, with a 10-Hz rhythm on the second channel in one class and on the fifth in the other."""
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = rng.normal(size=(160, N_CHANS, N_TIMES))
    phase = rng.uniform(0, 2 * np.pi, 160)
    rhythm = 1.5 * np.sin(2 * np.pi * 10 * np.arange(N_TIMES) / SFREQ + phase[:, None])
    x[np.arange(160), np.where(y, 4, 1)] += rhythm
    rows = np.arange(160)
    return x.astype(np.float32), y, Parts(rows[:80], rows[80:120], rows[120:])


@pytest.mark.parametrize("cls", [EEGNet, ShallowFBCSPNet])
def test_a_network_learns_a_rhythm_whose_place_tells_the_class(planted, cls):
    x, y, parts = planted
    torch.manual_seed(0)
    network = cls(N_CHANS, N_TIMES, SFREQ, 2)
    dense = _Dense(torch.from_numpy(x))
    stage = Stage(lr=5e-3, epochs=30, warmup=1, patience=8, dropout=0.1, batch_size=16, mixup=False)
    fit(network, dense, y, TWO, parts, stage, "adamw", [0])
    assert (predict(network, dense, TWO, parts.test, 16).argmax(1) == y[parts.test]).mean() > 0.9


def test_tangent_space_finds_it_too(planted):
    x, y, parts = planted
    scores = tangent_space_predictions(
        x[parts.train], y[parts.train], x[parts.validation], y[parts.validation], x[parts.test], SFREQ
    )
    assert (scores.argmax(1) == y[parts.test]).mean() > 0.9
    np.testing.assert_allclose(scores.sum(1), 1)


def test_eegnet_has_the_papers_layers():
    network = EEGNet(64, 128, 128.0, 4)
    sizes = {name: tuple(p.shape) for name, p in network.named_parameters() if p.ndim == 4}
    assert sizes == {
        "temporal.weight": (8, 1, 1, 65),  # the paper's 64, and a middle
        "spatial.weight": (16, 1, 64, 1),
        "separable.0.weight": (16, 1, 1, 17),
        "separable.1.weight": (16, 16, 1, 1),
    }
    assert network.dense.in_features == 16 * 128 // 32
    with torch.no_grad():
        network.spatial.weight.mul_(100)
        network.dense.weight.mul_(100)
    network.eval()
    scaled = network(torch.randn(3, 64, 128))
    assert scaled.shape == (3, 4)
    with torch.no_grad():
        network.dense.weight.mul_(10)
    x = torch.randn(3, 64, 128)
    before = network(x)
    with torch.no_grad():
        network.dense.weight.mul_(10)
    torch.testing.assert_close(network(x), before)  # longer weights count as long as they may be


def test_shallow_has_the_papers_layers():
    network = ShallowFBCSPNet(22, 1125, 250.0, 4)
    assert network.temporal.kernel_size == (1, 25)
    assert (network.pool.kernel_size, network.pool.stride) == ((1, 75), (1, 15))
    assert network.dense.in_features == 40 * 69
    assert network(torch.randn(2, 22, 1125)).shape == (2, 4)


def test_without_pyriemann_the_extra_is_named(planted, monkeypatch):
    load = builtins.__import__

    def fails(name, *args, **kwargs):
        if name.startswith("pyriemann"):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fails)
    x, y, _ = planted
    with pytest.raises(UsageError, match=r"biosig-fm\[riemann\]"):
        tangent_space_predictions(x, y, x, y, x, SFREQ)
