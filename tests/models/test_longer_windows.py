"""Windows beyond the times that a model has learned: only when asked, by interpolation, and kept with the weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import biosig
from biosig.errors import UsageError
from biosig.models.encoder import Encoder
from biosig.models.model import Model
from biosig.models.presets import preset


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    encoder = Encoder(replace(preset("csfm-tiny"), embed_dim=64, num_heads=1, depth=1))
    torch.nn.init.normal_(encoder.positions.time)  # such that times matter
    return Model(encoder, trained=True)


def encode(model, x):
    return model.encode(x, sfreq=100, ch_names=["II"], kind="ecg").pooled


@pytest.mark.filterwarnings("ignore::biosig.models.model.LongWindowWarning")
def test_a_20_s_window_is_read_and_the_folder_keeps_it(model, ecg, tmp_path):
    x = np.tile(ecg.streams[0].physical()[None, 1:2], 2)  # (1, 1, 2000)
    with pytest.raises(UsageError, match=r"with_longer_windows"):
        encode(model, x)
    longer = model.with_longer_windows(20)
    loaded = biosig.load_model(longer.save(tmp_path / "longer"))
    assert torch.equal(encode(loaded, x), encode(longer, x))
    assert loaded.contract["ecg"].window_seconds == 20
    assert "from 100 to 200 patches" in loaded.card
    assert model.config.position.n_patches == len(model.encoder.positions.time) == 100


def test_the_same_length_is_the_same_model(model, ecg):
    same = model.with_longer_windows(10)
    x = ecg.streams[0].physical()[None, 1:2]
    assert same.revision == model.revision
    assert torch.equal(encode(same, x), encode(model, x))


def test_times_lie_between_their_neighbours_by_distance(model):
    learned = model.encoder.positions.time.detach()
    times = model.with_longer_windows(20).encoder.positions.time.detach()
    # The centres of twice as many patches lie a quarter of an old patch before and after its centre.
    torch.testing.assert_close(times[2:-1:2], 0.25 * learned[:-1] + 0.75 * learned[1:])
    torch.testing.assert_close(times[1:-1:2], 0.75 * learned[:-1] + 0.25 * learned[1:])
    assert torch.equal(times[[0, -1]], learned[[0, -1]])


def test_shorter_windows_and_models_that_compute_their_times_need_none(model, tiny):
    with pytest.raises(UsageError, match="use it as it is"):
        model.with_longer_windows(5)
    with pytest.raises(UsageError, match="any length"):
        tiny.with_longer_windows(60)
