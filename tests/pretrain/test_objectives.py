"""What every objective keeps to, and the sizes that REVE's published."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim import AdamW

from biosig.batches.contract import InputContract, prepare
from biosig.batches.packed import pack
from biosig.layers.block import BlockStyle
from biosig.layers.reve_positions import ReveCode
from biosig.layers.text import TextConfig
from biosig.models.encoder import Encoder, EncoderConfig
from biosig.models.presets import preset
from biosig.pretrain.csfm_reconstruction import CsfmReconstruction
from biosig.pretrain.decoder_config import DecoderConfig
from biosig.pretrain.masking import BlockMasking
from biosig.pretrain.position_noise import with_position_noise
from biosig.pretrain.reconstruction import MaskedReconstruction
from biosig.pretrain.reve_masking import ReveMasking
from biosig.pretrain.reve_reconstruction import ReveReconstruction
from biosig.recording import UNKNOWN

# As published, but small: 32 Hz, width 64, two blocks.
CONTRACT = {"eeg": InputContract(32.0, 1.0, 0.9, "uV", normalisation="zscore", clip=15.0, frame="mri")}
SMALL_REVE = EncoderConfig(
    64, 2, 2, 32, CONTRACT, position=ReveCode(n_frequencies=3), final_norm=False, initialisation="megatron"
)
SMALL_CSFM = replace(
    preset("csfm-tiny"),
    embed_dim=64,
    depth=2,
    num_heads=2,
    head_dim=32,
    text=TextConfig(50, 8),
    block=BlockStyle("layer", "gelu", dropout=0.0),
)
OBJECTIVES = {
    "reconstruction": (MaskedReconstruction, preset("biosig-tiny"), DecoderConfig(32, 1, 2)),
    "reve, as wide": (ReveReconstruction, SMALL_REVE, DecoderConfig(64, 2, 2)),
    "reve, narrower": (ReveReconstruction, SMALL_REVE, DecoderConfig(32, 1, 1)),
    "reve, of every modality": (ReveReconstruction, preset("biosig-tiny"), DecoderConfig(32, 1, 2)),
    "csfm": (CsfmReconstruction, SMALL_CSFM, DecoderConfig(32, 1, 2)),
}


@pytest.fixture(params=OBJECTIVES)
def objective(request):
    cls, encoder, decoder = OBJECTIVES[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return cls(Encoder(encoder), decoder, global_weight=0.1)


@pytest.fixture
def batch(objective, ecg, eeg, bedside):
    """Windows of several lengths and montages: 19 electrodes and 5; ECG, PPG and text where the model knows them."""
    few = eeg.crop(10, 2)
    few = replace(few, streams=[few.streams[0].pick([0, 4, 8, 12, 16])])
    gap = replace(few, streams=[replace(few.streams[0], invalid=np.array([[1, 0, 150]]))])
    recordings = [eeg.crop(0, 4), few, gap]
    contract = objective.encoder.config.contract
    if "eeg" not in contract:
        holed = replace(ecg.streams[0], invalid=np.array([[3, 100, 400]]))
        recordings = [ecg.crop(0, 2), bedside.crop(5, 4), replace(ecg, streams=[holed]).crop(0, 2)]
    elif "ecg" in contract:
        first, *others = few.streams[0].channels
        nowhere = replace(few.streams[0], channels=(replace(first, name="X", position=UNKNOWN), *others))
        recordings += [ecg.crop(0, 2), bedside.crop(5, 4), replace(few, streams=[nowhere])]
    text = [[3, 14, 15, 9], [2, 6], *([()] * (len(recordings) - 2))] if objective.encoder.text else None
    return pack([prepare(r, contract) for r in recordings], contract, text)


@pytest.fixture
def mask(batch):
    return BlockMasking()(batch, np.random.default_rng(0))


def test_the_loss_is_finite_and_falls(objective, batch, mask):
    optimizer = AdamW(objective.parameters(), lr=1e-3)
    losses = []
    for _ in range(30):
        parts = objective(batch, mask)
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
        losses.append({key: value.item() for key, value in parts.items()})
    assert np.isfinite([list(step.values()) for step in losses]).all()
    present = {f"{name}_{m}" for m in batch.patches for name in ("loss", "mean_predictor")}
    assert losses[0].keys() == {"loss", "loss_global", *present, *(["loss_text"] if objective.encoder.text else [])}
    assert losses[-1]["loss"] < 0.95 * losses[0]["loss"]
    assert losses[-1]["loss_global"] < losses[0]["loss_global"]


def test_the_loss_is_what_the_reconstruction_misses(objective, batch, mask):
    objective.global_weight = objective.text_weight = 0.0
    rebuilt, errors = objective.reconstruct(batch, mask), []
    for modality, patches in batch.patches.items():
        differs = objective.distance(rebuilt[modality] - patches).mean(dim=1)
        of = batch.modality == {"ecg": 0, "ppg": 1, "eeg": 2}[modality]
        assert not differs[~mask[of]].any()  # what is visible stays as it was
        errors.append(differs[mask[of]])
    assert objective(batch, mask)["loss"].item() == pytest.approx(torch.cat(errors).mean().item(), rel=1e-5)


def test_no_hidden_and_no_invalid_sample_is_seen(objective, batch, mask):
    unseen = mask | ~batch.valid
    changed = {}
    for number, modality in enumerate(("ecg", "ppg", "eeg")):
        if modality in batch.patches:
            rows = unseen[batch.modality == number]
            changed[modality] = torch.where(rows[:, None], 99.0, batch.patches[modality])
    words = torch.where(mask[batch.modality == 3], 7, batch.text_ids)
    other_batch = replace(batch, patches=changed, text_ids=words)
    assert len(words) == 0 or not torch.equal(words, batch.text_ids)
    one, other = objective.predict(batch, mask), objective.predict(other_batch, mask)
    for before, after in zip(one, other, strict=True):
        assert all(torch.equal(before[m], after[m]) for m in before)


def test_windows_do_not_see_each_other(objective, batch, mask):
    first, number = batch.window == 0, int(batch.modality[0])
    name, of = {0: "ecg", 2: "eeg"}[number], first[batch.modality == number]
    moved = {m: p + 1.0 for m, p in batch.patches.items()}
    moved[name] = torch.where(of[:, None], batch.patches[name], moved[name])
    one, other = objective.reconstruct(batch, mask), objective.reconstruct(replace(batch, patches=moved), mask)
    assert torch.allclose(one[name][of], other[name][of], atol=1e-5)


def test_the_gradient_reaches_every_parameter(objective, batch, mask):
    objective(batch, mask)["loss"].backward()
    without = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not without


def test_reve_has_the_published_sizes():
    published = {"reve-small": 26_789_776, "reve-base": 83_311_504}
    for name, size in published.items():
        with torch.device("meta"):
            objective = ReveReconstruction(Encoder(preset(name)), DecoderConfig(512, 4, 8))
        assert sum(parameter.numel() for parameter in objective.parameters()) == size


def test_reve_large_learns_with_the_published_decoder(eeg):
    """1216 wide, decoder 512: the published code adds a code of 512 to a pooled token of 1216 and fails."""
    large = Encoder(replace(preset("reve-large"), depth=1))
    objective = ReveReconstruction(large, DecoderConfig(512, 4, 8))
    contract = large.config.contract
    batch = pack([prepare(eeg.crop(0, 2), contract)], contract)
    objective(batch, ReveMasking()(batch, np.random.default_rng(0)))["loss"].backward()
    assert all(parameter.grad is not None for parameter in objective.parameters())


def test_the_pooled_token_reads_every_layer(eeg):
    encoder = Encoder(SMALL_REVE)
    objective = ReveReconstruction(encoder, DecoderConfig(64, 1, 2), global_weight=1.0)
    batch = pack([prepare(eeg.crop(0, 4), CONTRACT)], CONTRACT)
    mask = ReveMasking()(batch, np.random.default_rng(0))
    seen = []
    pool = encoder.pool.forward
    encoder.pool.forward = lambda x, segment, n: seen.append((x, segment)) or pool(x, segment, n)
    objective(batch, mask)
    layers, segment = seen[0]
    assert len(layers) == SMALL_REVE.depth + 1
    assert all(len(x) == len(segment) == int((~mask).sum()) for x in layers)
    tokens, _ = encoder.embed(batch)
    assert torch.equal(layers[0], tokens[~mask])


def test_position_noise_moves_channels_and_not_the_callers_batch(tiny, ecg, eeg):
    batch = pack([tiny.prepare(r) for r in (ecg, eeg.crop(0, 10), eeg.crop(20, 2))], tiny.contract)
    before = batch.position.clone()
    noisy = with_position_noise(batch, 0.0025, np.random.default_rng(0))
    assert torch.equal(batch.position, before)
    moved = (noisy.position - before)[:, :3]  # (N, 3)
    assert torch.equal(noisy.position[:, 3], before[:, 3])
    channel = batch.window * 100 + batch.channel_index
    of_channels = torch.stack([moved[channel == c][0] for c in channel.unique()])
    assert len(of_channels) == 12 + 19 + 19
    assert torch.equal(moved[channel == 105], moved[channel == 105][:1].expand(25, 3))  # alike in all its patches
    assert of_channels.std() == pytest.approx(0.0025, rel=0.1)
    assert not torch.equal(of_channels[12:31], of_channels[31:])  # one draw for each window
    assert with_position_noise(batch, 0.0, np.random.default_rng(0)) is batch


def test_position_noise_leaves_unknown_positions_unknown(tiny, eeg):
    stream = eeg.crop(0, 2).streams[0]
    channels = (replace(stream.channels[0], position=UNKNOWN), *stream.channels[1:])
    batch = pack([tiny.prepare(replace(eeg, streams=[replace(stream, channels=channels)]))], tiny.contract)
    noisy = with_position_noise(batch, 0.01, np.random.default_rng(0))
    assert torch.equal(noisy.position.isnan(), batch.position.isnan())
