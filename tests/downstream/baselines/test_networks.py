"""EEGNet, ShallowFBCSPNet and tangent space: sizes by the papers, and that each learns a planted difference."""

import builtins

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from biosig.downstream.baselines.models.ecg_network import ECGNetwork
from biosig.downstream.baselines.models.eeg_network import SITES, site_weights
from biosig.downstream.baselines.models.eegnet import EEGNet
from biosig.downstream.baselines.models.ppg_network import PPGNetwork
from biosig.downstream.baselines.models.shallow import ShallowFBCSPNet
from biosig.downstream.baselines.models.signal_batch import Augmentation, SignalBatch
from biosig.downstream.baselines.models.tangent import tangent_space_predictions
from biosig.downstream.baselines.models.token_layers import LONGEST, Trunk, pooled
from biosig.downstream.data.mixup import draw
from biosig.downstream.data.splits import Split
from biosig.downstream.finetune.fit import fit, predict
from biosig.downstream.finetune.losses import TaskLoss
from biosig.electrodes.locate import locate
from biosig.errors import UsageError
from biosig.training.config import TrainingStage

SFREQ, N_CHANS, N_TIMES = 100.0, 6, 200
TWO = TaskLoss("classes", ("a", "b"))


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
    return x.astype(np.float32), y, Split(rows[:80], rows[80:120], rows[120:])


@pytest.mark.parametrize("cls", [EEGNet, ShallowFBCSPNet])
def test_a_network_learns_a_rhythm_whose_place_tells_the_class(planted, cls):
    x, y, parts = planted
    torch.manual_seed(0)
    network = cls(N_CHANS, N_TIMES, SFREQ, 2)
    dense = _Dense(torch.from_numpy(x))
    stage = TrainingStage(lr=5e-3, epochs=30, warmup=1, patience=8, dropout=0.1, batch_size=16, mixup=False)
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


@pytest.mark.parametrize(("network", "n_chans"), [(ECGNetwork(3, 2), 3), (PPGNetwork(1, 2), 1)])
def test_what_a_shorter_window_is_filled_up_with_weighs_nothing(network, n_chans):
    x, present, length = torch.randn(2, n_chans, 320), torch.ones(2, n_chans), torch.full((2,), 320)
    alone = SignalBatch(x, present, torch.ones(2, 320), length)
    filled = SignalBatch(F.pad(x, (0, 200)), present, F.pad(torch.ones(2, 320), (0, 200)), length)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(alone), network(filled))


def test_tokens_of_a_long_window_attend_to_those_of_their_piece():
    trunk = Trunk(32, 1, 1).eval()
    x, real = torch.randn(2, LONGEST + 100, 32), torch.ones(2, LONGEST + 100, dtype=torch.bool)
    with torch.no_grad():
        whole, first = trunk(x, real), trunk(x[:, :LONGEST], real[:, :LONGEST])
    assert whole.shape == x.shape
    torch.testing.assert_close(whole[:, :LONGEST], first)
    assert not torch.allclose(trunk(x.flip(1), real).flip(1), whole)


def test_a_token_without_a_real_value_is_seen_by_no_other():
    trunk = Trunk(32, 2, 2).eval()
    x, real = torch.randn(1, 20, 32), torch.arange(20)[None] != 7
    other = x.clone()
    other[:, 7] = 9.0
    with torch.no_grad():
        torch.testing.assert_close(trunk(x, real)[real], trunk(other, real)[real])
        torch.testing.assert_close(pooled(x, real), pooled(other, real))
    assert torch.isfinite(pooled(x, torch.zeros_like(real))).all()


def test_augmentation_changes_windows_in_training_only():
    batch = SignalBatch(torch.randn(64, 12, 300), torch.ones(64, 12), torch.ones(64, 300), torch.full((64,), 300))
    augment = Augmentation(crop=200, gain=0.1, noise=0.1, missing=0.5)
    changed = augment(batch)
    assert changed.values.shape == (64, 12, 200)
    kept = changed.present.sum(dim=1)
    assert 0.3 < (kept < 12).float().mean() < 0.7
    assert kept.min() >= 1
    assert kept[kept < 12].max() <= 9
    assert augment.eval()(batch) is batch


def test_a_site_is_the_average_of_the_channels_near_it():
    positions = np.array([locate(name, "eeg").position for name in ("C3", "C4", "Oz")], np.float32)
    weights, nearness = site_weights(positions)
    at = dict(zip(SITES, range(len(SITES)), strict=True))
    assert weights[at["C3"]].argmax() == 0
    assert weights[at["C3"]].max() > 0.9
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert nearness[at["Oz"]] == pytest.approx(1)
    assert nearness[at["AF7"]] < 0.1
    assert site_weights(positions[:0])[1].tolist() == [0.0] * len(SITES)
