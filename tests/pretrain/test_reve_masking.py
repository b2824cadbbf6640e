"""REVE's masks land on the channels and times that they are meant for, and hide the asked share."""

import mne
import numpy as np
import pytest
import torch

from biosig.batches.contract import InputContract, PreparedStream
from biosig.batches.packed import pack
from biosig.errors import UsageError
from biosig.pretrain.masking.blocks import BlockMasking
from biosig.pretrain.masking.reve import ReveMasking

CONTRACT = {"eeg": InputContract(200.0, 1.0, 0.9, "uV")}
TWENTY = ["Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8"]
TWENTY += ["O1", "O2"]
TEN_FIVE = "colin27_1005" if "colin27_1005" in mne.channels.get_builtin_montages() else "standard_1005"  # its new name
PLACES = mne.channels.make_standard_montage(TEN_FIVE).get_positions()["ch_pos"]
SIXTY_FOUR = mne.channels.make_standard_montage("biosemi64").ch_names
DRAWS = 1000


def cap(names, seconds=10.0, valid=None):
    """A window of noise on electrodes of the 10-05 system."""
    shape = (len(names), round(200 * seconds))
    return [
        PreparedStream(
            modality="eeg",
            values=np.random.default_rng(0).standard_normal(shape, np.float32),
            valid=np.ones(shape, bool) if valid is None else valid,
            position=np.array([PLACES.get(name, [np.nan] * 3) for name in names], np.float32),
            reference=np.full((len(names), 3), np.nan, np.float32),
            channel=np.full(len(names), -1),
            sign=np.ones(len(names), np.float32),
            mean=np.zeros(len(names), np.float32),
            scale=1.0,
            onset=0.0,
            ch_names=list(names),
        )
    ]


def draws(masking, *windows, n=DRAWS):
    """Masks of `n` seeds, each window's as (n, C, H)."""
    batch = pack(windows, CONTRACT)
    masks = torch.stack([masking(batch, np.random.default_rng(seed)) for seed in range(n)]).numpy()
    grids = []
    for window in range(batch.n_windows):
        rows = (batch.window == window).nonzero().squeeze(1).numpy()
        channel, patch = batch.channel_index[rows].numpy(), batch.patch_index[rows].numpy()
        grid = np.zeros((n, channel.max() + 1, patch.max() + 1), bool)
        grid[:, channel, patch] = masks[:, rows]
        grids.append(grid)
    return grids


@pytest.fixture(scope="module")
def masks():
    return draws(ReveMasking(), cap(TWENTY), cap(SIXTY_FOUR))


def test_the_asked_share_is_hidden_in_the_mean(masks):
    for grid in masks:
        assert grid.mean() == pytest.approx(0.55, rel=0.01)


@pytest.mark.parametrize("ratio", [0.3, 0.75])
def test_so_are_other_shares(ratio):
    (grid,) = draws(ReveMasking(mask_ratio=ratio), cap(TWENTY), n=300)
    assert grid.mean() == pytest.approx(ratio, rel=0.01)


def test_rounded_down_it_is_the_published_share():
    twenty, sixty_four = draws(ReveMasking(rounding="down"), cap(TWENTY), cap(SIXTY_FOUR), n=20)
    assert (twenty.sum(axis=1) == 10).all()
    assert (sixty_four.sum(axis=1) == 35).all()


def test_a_block_hides_the_same_channels_for_three_seconds(masks):
    for grid in masks:
        assert grid.shape[2] == 11  # 10 s in 1-s patches with a stride of 0.9 s
        for start in (0, 3, 6):
            block = grid[:, :, start : start + 3]
            assert (block == block[:, :, :1]).all()
        assert (grid[:, :, 2] != grid[:, :, 3]).any()
        assert (grid[:, :, 9] != grid[:, :, 10]).any()  # what is left at the end is drawn patch by patch


def test_a_patch_before_a_hidden_one_is_mostly_hidden(masks):
    for grid in masks:
        assert grid[:, :, :-1][grid[:, :, 1:]].mean() > 0.8  # 0.55 for single tokens drawn at random


def test_dropout_hides_whole_channels(masks):
    """Three blocks drawn apart hide a channel all through in 0.55³ = 17 % of the draws, without a neighbour's help."""
    without = draws(ReveMasking(dropout_ratio=0.0), cap(TWENTY), cap(SIXTY_FOUR))
    (twenty, sixty_four), (bare_twenty, bare_sixty_four) = (
        [g[:, :, :9].all(axis=2) for g in m] for m in (masks, without)
    )
    assert bare_twenty.mean() == pytest.approx(0.55**3, abs=0.015)
    assert twenty.mean() == pytest.approx(0.1 + 0.9 * 0.5**3, abs=0.015)  # half of what is not dropped
    assert sixty_four.mean() > bare_sixty_four.mean() + 0.03
    assert all(grid.all(axis=2).any() for grid in masks)


def test_hidden_channels_lie_together_where_electrodes_are_close():
    position = cap(SIXTY_FOUR)[0].position
    distance = np.linalg.norm(position[:, None] - position[None], axis=-1)
    near = (distance < 0.05) & (distance > 0)
    together = {}
    for radius in (0.001, 0.05):
        (grid,) = draws(ReveMasking(radius_space=radius, dropout_ratio=0.0), cap(SIXTY_FOUR), n=200)
        first = grid[:, :, 0]
        together[radius] = first[:, None, :].repeat(64, 1)[first[:, :, None] & near].mean()
    assert together[0.001] == pytest.approx(0.55, abs=0.03)
    assert together[0.05] > 0.62


def test_where_a_channel_stands_in_the_list_does_not_matter():
    """The published masks are cut to their size at the highest numbers."""
    one, other = draws(ReveMasking(), cap(SIXTY_FOUR), cap(SIXTY_FOUR[::-1]), n=500)
    assert one.mean(axis=(0, 2)) == pytest.approx(other.mean(axis=(0, 2))[::-1], abs=0.06)


def test_other_patches_make_other_blocks():
    """0.4-s patches side by side: 3 s are seven of them."""
    batch = pack([cap(TWENTY)], {"eeg": InputContract(200.0, 0.4, 0.4, "uV")})
    mask = ReveMasking()(batch, np.random.default_rng(0)).view(19, 25)
    for start in (0, 7, 14):
        assert (mask[:, start : start + 7] == mask[:, start : start + 1]).all()
    assert (mask[:, 6] != mask[:, 7]).any()


def test_invalid_tokens_are_never_hidden_and_do_not_count():
    valid = np.ones((19, 2000), bool)
    valid[4:9], valid[12, 500:900] = False, False
    batch = pack([cap(TWENTY, valid=valid)], CONTRACT)
    masks = torch.stack([ReveMasking()(batch, np.random.default_rng(s)) for s in range(300)])
    assert not masks[:, ~batch.valid].any()
    assert masks[:, batch.valid].float().mean() == pytest.approx(0.55, rel=0.015)


def test_channels_without_a_position_are_hidden_one_by_one():
    masking = ReveMasking(radius_space=10.0, dropout_ratio=0.0, mask_ratio=0.5)
    (grid,) = draws(masking, cap([f"nowhere {number}" for number in range(6)]), n=500)
    assert grid.mean(axis=(0, 2)) == pytest.approx(np.full(6, 0.5), abs=0.04)


def test_there_is_always_something_to_see_and_something_to_rebuild():
    grids = draws(ReveMasking(), cap(["Cz"], 1.0), cap(["Cz"], 2.0), cap(["C3", "C4"], 1.0), cap(["Cz"]), n=100)
    assert not grids[0].any()  # of a single token nothing is hidden
    for grid in grids[1:]:
        hidden = grid.sum(axis=(1, 2))
        assert (hidden > 0).all()
        assert (hidden < grid[0].size).all()


def test_the_same_seed_gives_the_same_mask():
    batch = pack([cap(TWENTY)], CONTRACT)
    one, same, other = (ReveMasking()(batch, np.random.default_rng([3, s])) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_windows_of_mixed_montages_get_the_masks_that_they_get_alone():
    masking, windows = ReveMasking(rounding="down"), (cap(TWENTY, 4.0), cap(SIXTY_FOUR))
    together = draws(masking, *windows, n=50)
    for grid, window, channels in zip(together, windows, (10, 35), strict=True):
        (alone,) = draws(masking, window, n=50)
        assert (grid.sum(axis=1) == channels).all()
        assert grid.shape == alone.shape


def test_a_dropout_beyond_the_share_is_refused():
    with pytest.raises(UsageError, match=r"dropout_ratio is 0.6; it is a part of mask_ratio: give 0 to 0.55"):
        ReveMasking(dropout_ratio=0.6)
    with pytest.raises(UsageError, match="mask_ratio is 1; it must lie between 0 and 1"):
        ReveMasking(mask_ratio=1.0)


def test_single_channels_are_no_trouble_to_block_masking_either():
    batch = pack([cap(["Cz"], 1.0), cap(["Cz"], 2.0)], CONTRACT)
    assert BlockMasking()(batch, np.random.default_rng(0)).sum() == 1
