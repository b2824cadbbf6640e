"""Masks land where they are meant to, and hide exactly the asked share."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from biosig.batches.packed import pack
from biosig.pretrain.masking.blocks import BlockMasking


@pytest.fixture(scope="module")
def batch(tiny, ecg, eeg, bedside):
    gap = replace(ecg, streams=[replace(ecg.streams[0], invalid=np.array([[3, 100, 400], [7, 0, 1000]]))])
    windows = [tiny.prepare(r) for r in (ecg, eeg.crop(0, 10), bedside.crop(5, 10), gap)]
    return pack(windows, tiny.contract)


@pytest.mark.parametrize("ratio", [0.25, 0.55, 0.8])
def test_the_asked_share_of_valid_tokens_is_hidden_in_each_window_and_modality(batch, ratio):
    mask = BlockMasking(mask_ratio=ratio)(batch, np.random.default_rng(0))
    assert not (mask & ~batch.valid).any()
    for window in range(batch.n_windows):
        for modality in batch.modality[batch.window == window].unique():
            part = (batch.window == window) & (batch.modality == modality) & batch.valid
            assert int((mask & part).sum()) == round(ratio * int(part.sum()))


def test_hidden_tokens_form_blocks_in_time(batch):
    hidden_before_hidden = []
    eeg = (batch.window == 1) & (batch.modality == 2)
    for seed in range(50):
        mask = BlockMasking()(batch, np.random.default_rng(seed))
        grid = mask[eeg].view(-1, 25)  # (C, H)
        hidden_before_hidden.append(grid[:, :-1][grid[:, 1:]].float().mean())
    assert torch.stack(hidden_before_hidden).mean() > 0.7  # 0.55 for single tokens drawn at random


def test_every_token_is_hidden_sometimes_and_no_channel_more_than_another(batch):
    ecg = batch.window == 0
    share = torch.stack([BlockMasking()(batch, np.random.default_rng(s))[ecg].float() for s in range(300)]).mean(0)
    assert share.min() > 0.3
    assert share.max() < 0.8
    by_channel = share.view(12, 25).mean(1)
    assert (by_channel - 0.55).abs().max() < 0.1


def test_channels_of_two_rates_are_two_channels(tiny, ecg):
    slow = replace(ecg.streams[0].pick([6, 7]), sfreq=50.0)
    batch = pack([tiny.prepare(replace(ecg, streams=[ecg.streams[0].pick([0, 1, 2]), slow]))], tiny.contract)
    assert batch.channel_index.unique_consecutive().tolist() == [0, 1, 2, 3, 4]


def test_the_same_seed_gives_the_same_mask(batch):
    draw = [BlockMasking()(batch, np.random.default_rng([3, s])) for s in (1, 1, 2)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])


def test_a_ratio_of_one_is_refused():
    with pytest.raises(ValueError, match="mask_ratio is 1; it must lie between 0 and 1"):
        BlockMasking(mask_ratio=1.0)
