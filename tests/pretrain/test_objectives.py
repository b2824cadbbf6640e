"""What the terms that rebuild keep to beside the contract of all terms, and the sizes that REVE's published."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from biosig.batches.contract import InputContract, prepare
from biosig.batches.packed import pack
from biosig.layers.block import BlockStyle
from biosig.layers.reve_positions import ReveCode
from biosig.layers.text import TextConfig
from biosig.models.encoder import Encoder, EncoderConfig
from biosig.models.presets import preset
from biosig.pretrain.masking.blocks import BlockMasking
from biosig.pretrain.masking.position_noise import with_position_noise
from biosig.pretrain.masking.reve import ReveMasking
from biosig.pretrain.objectives.configs.csfm import CsfmConfig
from biosig.pretrain.objectives.configs.decoder import DecoderConfig
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from biosig.pretrain.objectives.configs.reve import ReveConfig
from biosig.pretrain.objectives.objective import Objective
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
    "reconstruction": (ReconstructionConfig(decoder=DecoderConfig(32, 1, 2)), preset("biosig-tiny")),
    "reve, as wide": (ReveConfig(decoder=DecoderConfig(64, 2, 2)), SMALL_REVE),
    "reve, narrower": (ReveConfig(decoder=DecoderConfig(32, 1, 1)), SMALL_REVE),
    "reve, of every modality": (ReveConfig(decoder=DecoderConfig(32, 1, 2)), preset("biosig-tiny")),
    "csfm": (CsfmConfig(decoder=DecoderConfig(32, 1, 2)), SMALL_CSFM),
}


@pytest.fixture(params=OBJECTIVES)
def objective(request):
    term, encoder = OBJECTIVES[request.param]
    return Objective(Encoder(encoder), [term])


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


def test_each_modality_is_logged_beside_the_error_of_its_mean(objective, batch, mask):
    parts = objective(objective.views(batch, mask))
    present = {f"{name}_{m}" for m in batch.patches for name in ("loss", "mean_predictor")}
    assert parts.keys() == {"loss", "loss_global", *present, *(["loss_text"] if objective.encoder.text else [])}


def test_the_loss_is_what_the_reconstruction_misses(objective, batch, mask):
    (term,) = objective.terms
    term.config = replace(term.config, global_weight=0.0, text_weight=0.0)
    rebuilt, errors = objective.reconstruct(batch, mask), []
    for modality, patches in batch.patches.items():
        differs = term.distance(rebuilt[modality] - patches).mean(dim=1)
        of = batch.modality == {"ecg": 0, "ppg": 1, "eeg": 2}[modality]
        assert not differs[~mask[of]].any()  # what is visible stays as it was
        errors.append(differs[mask[of]])
    loss = objective(objective.views(batch, mask))["loss"].item()
    assert loss == pytest.approx(torch.cat(errors).mean().item(), rel=1e-5)


def test_the_loss_from_the_pooled_token_falls_too(objective, batch, mask):
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3)
    losses = []
    for _ in range(30):
        parts = objective(objective.views(batch, mask))
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
        losses.append(parts["loss_global"].item())
    assert losses[-1] < losses[0]


def test_reve_has_the_published_sizes():
    published = {"reve-small": 26_789_776, "reve-base": 83_311_504}
    for name, size in published.items():
        with torch.device("meta"):
            objective = Objective(Encoder(preset(name)), [ReveConfig(decoder=DecoderConfig(512, 4, 8))])
        assert sum(parameter.numel() for parameter in objective.parameters()) == size


def test_reve_large_learns_with_the_published_decoder(eeg):
    """1216 wide, decoder 512: the published code adds a code of 512 to a pooled token of 1216 and fails."""
    large = Encoder(replace(preset("reve-large"), depth=1))
    objective = Objective(large, [ReveConfig(decoder=DecoderConfig(512, 4, 8))])
    contract = large.config.contract
    batch = pack([prepare(eeg.crop(0, 2), contract)], contract)
    objective(objective.views(batch, ReveMasking()(batch, np.random.default_rng(0))))["loss"].backward()
    assert all(parameter.grad is not None for parameter in objective.parameters())


def test_the_pooled_token_reads_every_layer(eeg):
    """A term on every layer: moving the embedding output moves what is rebuilt from the pooled token."""
    objective = Objective(Encoder(SMALL_REVE), [ReveConfig(decoder=DecoderConfig(64, 1, 2), global_weight=1.0)])
    batch = pack([prepare(eeg.crop(0, 4), CONTRACT)], CONTRACT)
    mask = ReveMasking()(batch, np.random.default_rng(0))
    views = objective.views(batch, mask)
    layers = views.visible().layers
    for layer in layers:
        layer.retain_grad()
    _, from_pool = objective.terms[0].predict(views)
    from_pool["eeg"].abs().mean().backward()
    assert len(layers) == SMALL_REVE.depth + 1
    assert all(len(layer) == int((~mask).sum()) and layer.grad.abs().max() > 0 for layer in layers)


def test_two_terms_are_weighted_and_logged_by_their_names(eeg):
    batch = pack([prepare(eeg.crop(0, 4), CONTRACT)], CONTRACT)
    terms = [ReveConfig(weight=0.5, decoder=DecoderConfig(32, 1, 2)), ReconstructionConfig(weight=2.0)]
    objective = Objective(Encoder(SMALL_REVE), terms)
    logged = objective(objective.views(batch, ReveMasking()(batch, np.random.default_rng(0))))
    assert {"reve/loss", "reve/loss_eeg", "reconstruction/loss", "reconstruction/loss_global"} < logged.keys()
    expected = 0.5 * logged["reve/loss"] + 2.0 * logged["reconstruction/loss"]
    assert logged["loss"].item() == pytest.approx(expected.item(), rel=1e-6)
    assert Objective(Encoder(SMALL_REVE), [ReveConfig(), ReveConfig()]).names == ["reve_1", "reve_2"]


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
    window = replace(eeg, streams=[replace(stream, channels=channels)])
    batch = pack([tiny.prepare(window, on_unknown="keep")], tiny.contract)
    assert batch.position.isnan().any()
    noisy = with_position_noise(batch, 0.01, np.random.default_rng(0))
    assert torch.equal(noisy.position.isnan(), batch.position.isnan())
