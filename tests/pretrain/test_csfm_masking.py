"""CSFM's masks: exactly three quarters of each window, in whole channels and whole spans of time; half of the words."""

import numpy as np
import pytest
import torch

from biosig.batches.contract import prepare
from biosig.batches.packed import pack
from biosig.errors import UsageError
from biosig.models.presets import preset
from biosig.pretrain.masking.blocks import BlockMasking
from biosig.pretrain.masking.csfm import CsfmMasking
from biosig.recording import Recording

CONTRACT = preset("csfm-tiny").contract
WORDS = [[5, 6, 7, 8, 9], [], [4], [1, 2]]


@pytest.fixture(scope="module")
def batch(ecg, bedside):
    """Twelve leads with a report; II, aVR and PPG (and a "V" of no known lead); one lead; PPG alone."""
    bed = prepare(bedside.crop(0, 10), CONTRACT)
    one = prepare(Recording("one", [ecg.streams[0].pick([1])]), CONTRACT)
    return pack([prepare(ecg, CONTRACT), bed, one, [p for p in bed if p.modality == "ppg"]], CONTRACT, WORDS)


def masks(batch, n=40, masking=None):
    return [(masking or CsfmMasking())(batch, np.random.default_rng(seed)) for seed in range(n)]


def test_exactly_the_asked_share_of_each_window_and_text(batch):
    signal = batch.valid & (batch.modality != 3)
    for mask in masks(batch, 5):
        assert not (mask & ~batch.valid).any()
        for window in range(4):
            of = signal & (batch.window == window)
            assert int(mask[of].sum()) == round(0.75 * int(of.sum()))
            of_text = (batch.modality == 3) & (batch.window == window)
            assert int(mask[of_text].sum()) == round(0.5 * len(WORDS[window]))


def test_whole_channels_and_whole_spans(batch):
    of = (batch.window == 0) & (batch.modality == 0)
    n_whole, columns = [], []
    for mask in masks(batch):
        grid = mask[of].view(12, 100)  # (C, H)
        whole = grid.all(dim=1)
        n_whole.append(int(whole.sum()))
        others = grid[~whole].float().mean(dim=0)  # (H,)
        columns.append(((others == 0) | (others == 1)).float().mean())
        runs = torch.unique_consecutive((others == 1).long(), return_counts=True)
        assert int(whole.sum()) == 9 or runs[1][runs[0] == 1].max() >= 5  # 0.5 s of 0.1-s patches
    assert set(n_whole) == {0, 9}
    assert np.mean(columns) > 0.95  # all but the span that was cut to the share


def test_a_single_channel_is_never_hidden_whole(batch):
    for mask in masks(batch, 10):
        for window in (2, 3):
            of = (batch.window == window) & (batch.modality != 3)
            assert 0 < int(mask[of].sum()) < int(of.sum())


def test_every_word_is_hidden_sometimes(batch):
    share = torch.stack([m[(batch.modality == 3) & (batch.window == 0)].float() for m in masks(batch, 100)]).mean(0)
    assert share.min() > 0.2
    assert share.max() < 0.7


def test_modality_dropout_hides_a_modality_whole_and_never_all(batch):
    signal, ppg, text = (batch.modality == m for m in (0, 1, 3))
    seen = {"ecg": 0, "ppg": 0, "text": 0}
    for mask in masks(batch, 60, BlockMasking(modality_dropout=0.5)):
        for window in range(4):
            of = batch.valid & (batch.window == window)
            assert not mask[of].all()
            for name, modality in (("ecg", signal), ("ppg", ppg), ("text", text)):
                part = of & modality
                seen[name] += int(part.any() and mask[part].all())
    assert all(count > 20 for count in seen.values())


@pytest.mark.parametrize(("key", "value"), [("mask_ratio", 1.0), ("text_ratio", 0.0), ("span_seconds", 0.0)])
def test_what_is_no_share_is_refused(key, value):
    with pytest.raises(UsageError, match=key):
        CsfmMasking(**{key: value})
