"""The contract of a masking: what holds of each in the registry `biosig.pretrain.masking.MASKINGS`."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from biosig import config as configuration
from biosig.batches.contract import PreparedStream, prepare
from biosig.batches.packed import PackedBatch, pack
from biosig.errors import UsageError
from biosig.models.presets import preset
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.loop import pretrain
from biosig.pretrain.masking import MASKINGS, Masking
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from contracts.pretraining import FUSED, recordings, small_run

WORDS = [[5, 6, 7, 8, 9], [4], [1, 2], [3]]
CONTRACTS = ("biosig-tiny", "csfm-tiny", "reve-small", FUSED)


def windows(name: str) -> list[list[PreparedStream]]:
    """Windows of all modalities that a preset knows: twelve leads with a gap, a monitor, an electrode cap."""
    contract = preset(name).contract
    made = [prepare(recording, contract) for recording in recordings()]
    return [window for window in made if any(stream.valid.any() for stream in window)]


def packed(name: str, some: list[list[PreparedStream]]) -> PackedBatch:
    """Windows with words where the preset reads them."""
    words = [WORDS[number] if number < len(WORDS) else () for number in range(len(some))]
    return pack(some, preset(name).contract, words if preset(name).text else None)


def draw(masking: Masking, batch: PackedBatch, seed: int) -> Tensor:
    """One mask, of which shape, type and validity are checked."""
    before = batch.position.clone()
    mask = masking(batch, np.random.default_rng(seed))
    assert mask.dtype == torch.bool, f"a mask is of bool, not {mask.dtype}"
    assert mask.shape == batch.valid.shape, f"a mask has the shape {tuple(batch.valid.shape)}, not {tuple(mask.shape)}"
    assert mask.device.type == "cpu"
    assert not (mask & ~batch.valid).any(), "a token that is not valid is hidden"
    assert torch.equal(batch.position.nan_to_num(), before.nan_to_num()), "the batch is changed"
    return mask


def check_share(masking: Masking) -> None:
    """Of each window some signal is hidden and some is not; `mask_ratio`, where there is one, is hit in the mean."""
    for name in CONTRACTS:
        batch = packed(name, windows(name))
        signal = batch.valid & (batch.modality != 3)
        shares = []
        for seed in range(40):
            mask = draw(masking, batch, seed)
            for window in range(batch.n_windows):
                of = signal & (batch.window == window)
                hidden = int(mask[of].sum())
                assert hidden > 0, f"nothing of window {window} is hidden"
                assert hidden < int(of.sum()), f"nothing of window {window} is visible"
            shares.append(float(mask[signal].float().mean()))
        wanted = getattr(masking, "mask_ratio", None)
        if wanted is not None:
            assert np.mean(shares) == pytest.approx(wanted, abs=0.03), f"{name}: {np.mean(shares):.3f}, not {wanted}"


def check_determinism(masking: Masking) -> None:
    """The same seed gives the same mask, whatever else draws; another seed another one."""
    for name in CONTRACTS:
        batch = packed(name, windows(name))
        one = draw(masking, batch, 3)
        torch.rand(5), np.random.default_rng().random(5)
        assert torch.equal(one, draw(masking, batch, 3)), "the same seed gives another mask"
        assert any(not torch.equal(one, draw(masking, batch, seed)) for seed in range(4, 9)), "no seed changes the mask"


def check_batch_is_alone(masking: Masking) -> None:
    """A window's share does not depend on its batch, and the first window's mask is the one that it gets alone."""
    for name in CONTRACTS:
        some = windows(name)
        batch, alone = packed(name, some), packed(name, some[:1])
        rows = (batch.window == 0) & (batch.modality != 3)
        together, by_itself = (
            torch.stack([draw(masking, b, seed)[r] for seed in range(60)]).float().mean()
            for b, r in ((batch, rows), (alone, alone.modality != 3))
        )
        assert together.item() == pytest.approx(by_itself.item(), abs=0.05), "a window's share depends on its batch"


def check_invalid_samples(masking: Masking) -> None:
    """What samples are does not matter, only where they are: values do not change a mask."""
    batch = packed(CONTRACTS[0], windows(CONTRACTS[0]))
    other = replace(batch, patches={m: x + 1 for m, x in batch.patches.items()})
    assert torch.equal(draw(masking, batch, 0), draw(masking, other, 0)), "samples change the mask"


def check_keys(masking: Masking) -> None:
    """A configuration names it, reads back what it writes, and refuses an unknown key with the known ones."""
    values = {"out": "runs/a", "sources": [{"shards": "shards/a"}], "masking": {"name": masking.name}}
    run = configuration.load(PretrainConfig, values)
    assert run.masking == type(masking)()
    assert configuration.load(PretrainConfig, configuration.to_dict(run)) == run
    known = fields(masking)[0].name if fields(masking) else ""
    with pytest.raises(UsageError, match=rf"no_such_key.*known keys are .*{known}"):
        configuration.load(PretrainConfig, values | {"masking": {"name": masking.name, "no_such_key": 1}})


CLAUSES = [
    check_keys,
    check_share,
    check_determinism,
    check_batch_is_alone,
    check_invalid_samples,
]


def check_masking(masking: Masking) -> None:
    """Hold a masking to all clauses. Raises an AssertionError that says what it breaks."""
    for clause in CLAUSES:
        clause(masking)


def check(name: str, folder: Path = Path("contract")) -> None:
    """Hold the registered masking of a name to all clauses, and pretrain with it."""
    masking = MASKINGS[name]()
    check_masking(masking)
    run = replace(small_run(folder, ReconstructionConfig()), masking=masking, steps=1)
    assert f"The masking is `{name}`" in (pretrain(run) / "README.md").read_text()
