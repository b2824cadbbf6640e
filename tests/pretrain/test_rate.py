"""The term that teaches pulse rates: its own mathematics, what it leaves out, and that an encoder learns to count."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import biosig
from biosig.batches.packed import pack
from biosig.electrodes import make_channel
from biosig.errors import UsageError
from biosig.models.build import make_encoder
from biosig.models.fused.config import FusedConfig
from biosig.models.fused.rates import log_rates
from biosig.models.model import Model
from biosig.models.presets import preset
from biosig.pretrain.objectives.base import check_needs
from biosig.pretrain.objectives.configs.rate import RateConfig
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.objectives.rate import rate_distribution
from biosig.pretrain.targets import Targets
from biosig.recording import Recording, Stream

NONE = Targets({"rate": ("ppg.rate",)}, {"rate": np.zeros((0, 1), np.float32)})


def pulse(rate, rng, seconds=6.0):
    phase = np.arange(round(seconds * 64)) / 64 * rate / 60 + rng.random()
    wave = sum(a * np.cos(2 * np.pi * (k + 1) * phase + rng.uniform(0, 6)) for k, a in enumerate((1.0, 0.6, 0.3)))
    one = np.ones(1)
    x = (wave + 0.2 * rng.normal(size=len(wave))).astype(np.float32)[None]
    return Recording("a", [Stream(64.0, (make_channel("PLETH", "NU", "ppg"),), x, one, 0 * one)])


def batch_of(model, rates, seed=0):
    rng = np.random.default_rng(seed)
    packed = pack([model.prepare(pulse(rate, rng)) for rate in rates], model.contract)
    return replace(packed, extras={"rate": torch.tensor(rates, dtype=torch.float32)[:, None]})


@pytest.fixture
def model():
    config = replace(preset("biosig-fused-tiny"), embed_dim=64, depth=3, head_dim=16, fused=FusedConfig(stem_dim=48))
    torch.manual_seed(0)
    return Model(make_encoder(config), trained=False)


def objective_of(model, **keys):
    torch.manual_seed(0)
    return Objective(model.encoder, (RateConfig(**keys),), targets=NONE)


def look(objective, batch):
    return objective.views(batch, torch.zeros(batch.n_tokens, dtype=torch.bool))


def test_the_wanted_distribution_by_hand():
    grid = log_rates()
    shares = rate_distribution(grid[[50]], 1.2)[0]
    assert shares.sum() == pytest.approx(1)
    assert shares[51] / shares[50] == pytest.approx(math.exp(-0.5 / 1.2**2), rel=1e-3)
    assert (shares * grid).sum() == pytest.approx(grid[50].item(), abs=1e-4)


def test_the_loss_by_hand(model):
    """Of logits that are the wanted distribution the cross-entropy is nothing; of level ones what separates the two."""
    batch = batch_of(model, [60.0, 90.0])
    objective = objective_of(model)
    wanted = rate_distribution((torch.tensor([60.0, 90.0]) / 60).log(), 1.2)
    model.encoder.rate_logits = lambda _: (wanted + 1e-12).log()
    exact = {name: value.item() for name, value in objective(look(objective, batch)).items()}
    assert exact["cross_entropy"] == pytest.approx(0, abs=1e-4)
    assert exact["beats_per_minute"] == pytest.approx(0, abs=0.2)
    assert exact["loss"] == pytest.approx(2 * exact["huber"], abs=1e-3)
    model.encoder.rate_logits = lambda _: torch.zeros(2, 120)
    level = objective(look(objective, batch))
    entropy = -(wanted * (wanted + 1e-30).log()).sum(1).mean()
    assert level["cross_entropy"] == pytest.approx(math.log(120) - entropy.item(), rel=1e-4)


def test_windows_without_a_known_rate_teach_nothing(model):
    objective = objective_of(model).eval()
    batch = batch_of(model, [60.0, 90.0])
    both = objective(look(objective, batch))["loss"]
    alone = objective(look(objective, batch_of(model, [60.0])))["loss"]
    for unknown in (math.nan, 300.0, 5.0):  # also of no rate of the grid
        labelled = replace(batch, extras={"rate": torch.tensor([[60.0], [unknown]])})
        assert objective(look(objective, labelled))["loss"].item() == pytest.approx(alone.item(), rel=1e-5)
    nothing = replace(batch, extras={"rate": torch.full((2, 1), torch.nan)})
    loss = objective(look(objective, nothing))["loss"]
    assert loss == 0
    loss.backward()
    assert both != alone


def test_an_encoder_learns_to_count_pulses_that_it_has_not_seen(model):
    objective = objective_of(model).train()
    optimizer = torch.optim.AdamW(objective.parameters(), lr=2e-3)
    rng = np.random.default_rng(0)
    for step in range(25):
        batch = batch_of(model, np.exp(rng.uniform(math.log(45), math.log(160), 16)).tolist(), seed=1 + step)
        optimizer.zero_grad()
        objective(look(objective, batch))["loss"].backward()
        optimizer.step()
    rates = [52.0, 66.0, 80.0, 95.0, 110.0, 125.0, 140.0]
    with torch.no_grad():
        found = model.encoder.eval().heart_rate(batch_of(model, rates, seed=0))
    assert (found - torch.tensor(rates)).abs().median() < 3


def test_presets_without_such_a_distribution_are_refused_by_name(tiny):
    with pytest.raises(UsageError, match=r"rate needs a distribution over pulse rates, which 'biosig-tiny' has not"):
        check_needs(RateConfig(), tiny.config)
    with pytest.raises(UsageError, match="delta of the objective rate is 0"):
        RateConfig(delta=0.0)


def test_the_rate_is_a_named_head_that_is_kept_with_the_weights(model, bedside, tmp_path):
    with torch.no_grad():
        model.encoder.stems["ppg"].rates.usual[60] = 30.0  # what random weights are sure of
    (head,) = objective_of(model).terms[0].named_heads()
    Model(model.encoder, trained=False, heads=[head]).save(tmp_path / "model")
    kept = biosig.load_model(tmp_path / "model")
    table = biosig.embed(kept, bedside.crop(5, 10), heads=True)
    found = dict(zip(table["modality"].to_pylist(), table["head.ppg.heart_rate"].to_pylist(), strict=True))
    assert found["ppg"] == pytest.approx(60 * log_rates()[60].exp().item(), rel=1e-3)
    assert found["ecg"] is None
