"""The distribution over pulse rates in the PPG's stem: its own mathematics, and what it may not see."""

import math
from dataclasses import replace

import pytest
import torch

import biosig
from biosig.batches.packed import MODALITY_IDS, pack
from biosig.models.fused.rates import CHANNELS, RateSpectrum, log_rates, own_log_rate

GRID = log_rates()


@pytest.fixture(scope="module")
def fused():
    model = biosig.build_model("biosig-fused-tiny", seed=0)
    model._warned = True
    return model


@pytest.fixture(scope="module")
def spectrum():
    torch.manual_seed(0)
    return RateSpectrum(8, 16.0, 4)


def test_the_grid_is_one_of_equal_ratios_from_28_to_230_a_minute():
    rates = 60 * GRID.exp()
    torch.testing.assert_close(rates[[0, -1]], torch.tensor([28.0, 230.0]))
    torch.testing.assert_close(rates[1:] / rates[:-1], (rates[1] / rates[0]).expand(119))


def test_the_own_rate_is_an_expectation_around_the_mode_and_not_between_two_modes():
    share = torch.full((1, 120), 1e-9)
    share[0, 40], share[0, 41], share[0, 100] = 0.4, 0.2, 0.35
    expected = (0.4 * GRID[40] + 0.2 * GRID[41]) / 0.6
    torch.testing.assert_close(own_log_rate(share.log())[0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rate", [40.0, 72.0, 150.0])
def test_spectra_peak_at_the_rate_of_what_is_given(spectrum, rate):
    t = torch.arange(160) / 16
    wave = torch.sin(2 * math.pi * rate / 60 * t).expand(1, CHANNELS, -1)
    power = spectrum._spectra(wave, torch.ones(1, 1, 1))
    assert power.shape == (1, 2 * CHANNELS, 120)
    for row in (0, CHANNELS):  # with and without a window
        assert abs(60 * GRID[power[0, row].argmax()].exp() / rate - 1) < 0.02


def test_moments_without_belief_weigh_nothing(spectrum):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, CHANNELS, 96, generator=generator)
    belief = torch.ones(2, 1, 96)
    belief[:, :, 30:50] = 0
    wild = torch.where(belief > 0, x, 99.0)
    assert torch.equal(spectrum._spectra(x, belief), spectrum._spectra(wild, belief))
    assert not torch.equal(spectrum._spectra(x, belief), spectrum._spectra(x, torch.ones(2, 1, 1)))


def test_the_rate_of_a_window_is_written_into_each_of_its_tokens(fused, bedside):
    ppg = [p for p in fused.prepare(bedside.crop(5, 10)) if p.modality == "ppg"]
    batch = pack([ppg], fused.contract)
    stem = fused.encoder.stems["ppg"]
    before = fused.encode_batch(batch, 0)
    kept = stem.rates.write.bias.detach().clone()
    with torch.no_grad():
        stem.rates.write.bias += torch.randn(128)
        changed = (fused.encode_batch(batch, 0) - before).abs().amax(dim=1)
        causal = [fused.encoder.embed(batch, causal=True)[0]]
        stem.rates.write.bias.copy_(kept)
        causal.append(fused.encoder.embed(batch, causal=True)[0])
    assert (changed > 1e-2).all()
    assert torch.equal(*causal)  # a causal pass is told none: it is that of the whole window


def test_windows_without_ppg_have_no_rate_and_others_the_same_alone_and_packed(fused, bedside, ecg):
    windows = [fused.prepare(r) for r in (ecg, bedside.crop(5, 10), bedside.crop(8, 6))]
    with torch.no_grad():
        rate = fused.encoder.heart_rate(pack(windows, fused.contract))
        alone = fused.encoder.heart_rate(pack(windows[1:2], fused.contract))
    assert rate.isnan().tolist() == [True, False, False]
    assert ((rate[1:] > 28) & (rate[1:] < 230)).all()
    torch.testing.assert_close(rate[1:2], alone, rtol=1e-5, atol=0)


def test_hidden_samples_do_not_reach_the_rate(fused, bedside):
    batch = pack([fused.prepare(bedside.crop(5, 10))], fused.contract)
    of_ppg = batch.modality == MODALITY_IDS["ppg"]
    hidden = of_ppg & (batch.patch_index % 3 == 0)
    samples = batch.patches["ppg"].clone()
    samples[hidden[of_ppg]] = 9.0
    other = replace(batch, patches={**batch.patches, "ppg": samples})
    with torch.no_grad():
        tokens = [fused.encoder.embed(b, hidden)[0] for b in (batch, other)]
        assert torch.equal(*tokens)
        assert not torch.equal(fused.encoder.rate_logits(batch), fused.encoder.rate_logits(other))
