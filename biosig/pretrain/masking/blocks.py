"""Space-time block masking: hide neighbourhoods, so that a hidden patch cannot be copied from the one beside it.

After REVE (arXiv:2510.21585, section 3.2), with two differences: the asked share is always hit to the token, for each
window and modality; and blocks are never cut at low channel numbers: what exceeds the share is left out at random.
Words of a report are hidden one by one, and a modality may be hidden whole, so that it must be predicted from the
others.

Shape letters: N tokens of the packed row, C channels, H patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.pretrain.masking import MASKINGS, Masking, check_share
from biosig.pretrain.masking.window_parts import hide_words, valid_rows, window_parts

if TYPE_CHECKING:
    from torch import Tensor

    from biosig.batches.packed import PackedBatch


@MASKINGS.register
@dataclass(frozen=True)
class BlockMasking(Masking):
    """Masking of blocks in space and time: share to hide and size of a block.

    Parameters
    ----------
    mask_ratio : float
        Share of each window's valid tokens, per modality, that the encoder does not see.
    radius_space : float
        Metres: channels within this distance of a block's centre belong to it. 0.1 spans neighbouring chest leads, and
        an electrode with its neighbours on a 64-channel cap.
    radius_time : float
        Seconds: patches within this of a block's centre belong to it.
    all_channels : float
        Share of blocks that span all channels. Leads are nearly linear combinations of each other (III = II − I): as
        long as some are visible at an instant, the others can be computed without knowing any physiology.
    text_ratio : float
        Share of each text's words that the encoder does not see.
    modality_dropout : float
        Probability that a modality of a window, text among them, is hidden whole, if the window has another.
    """

    name: ClassVar[str] = "blocks"
    mask_ratio: float = 0.55
    radius_space: float = 0.1
    radius_time: float = 0.6
    all_channels: float = 0.5
    text_ratio: float = 0.5
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        check_share("mask_ratio", self.mask_ratio)
        check_share("text_ratio", self.text_ratio)
        if not 0 <= self.modality_dropout < 1:
            raise UsageError(f"modality_dropout is {self.modality_dropout:g}; it must be 0, or lie between 0 and 1.")

    def __call__(self, batch: PackedBatch, rng: np.random.Generator) -> Tensor:
        """Draw a mask, shape (N,) bool on the CPU: True = hidden. Only valid tokens are hidden."""
        import torch

        channel, position = batch.channel_index.cpu().numpy(), batch.position.cpu().numpy()
        mask = np.zeros(batch.n_tokens, bool)
        for rows in valid_rows(batch):
            mask[rows] = self._hide(channel[rows], position[rows], rng)
        hide_words(mask, batch, self.text_ratio, rng)
        if self.modality_dropout:
            self._drop_modalities(mask, batch, rng)
        return torch.from_numpy(mask)

    def _drop_modalities(self, mask: NDArray[np.bool_], batch: PackedBatch, rng: np.random.Generator) -> None:
        for parts in window_parts(batch):
            dropped = rng.random(len(parts)) < self.modality_dropout
            if dropped.all():
                dropped[rng.integers(len(parts))] = False
            for rows, is_dropped in zip(parts.values(), dropped, strict=True):
                mask[rows] |= is_dropped

    def _hide(
        self, channel: NDArray[np.int64], position: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Mask of the valid tokens of one window and modality to hide (n,); `position` is (n, 4)."""
        n = len(channel)
        wanted = min(max(round(self.mask_ratio * n), 1), n - 1)
        hidden = np.zeros(n, bool)
        if wanted < 1:
            return hidden
        time, place = position[:, 3], position[:, :3]
        for seed in rng.permutation(n):
            if hidden[seed]:
                continue
            near = np.abs(time - time[seed]) <= self.radius_time
            if rng.random() >= self.all_channels:
                distance = np.linalg.norm(place - place[seed], axis=1)  # NaN = unknown place: near itself alone
                near &= (distance <= self.radius_space) | (channel == channel[seed])
            block = np.flatnonzero(near & ~hidden)
            room = wanted - int(hidden.sum())
            hidden[block if len(block) <= room else rng.choice(block, room, replace=False)] = True
            if len(block) >= room:
                break
        return hidden
