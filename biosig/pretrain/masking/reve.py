"""REVE's block masking: whole channels, and patches of neighbouring channels for a few seconds, are hidden.

After REVE (arXiv:2510.21585, section 3.2 and table 5). Its released code draws these masks and then reads their indices
in another order than its tokens have, so that hardly any hidden token is where it was meant; here every token is
looked up by its own channel and patch number. Blocks are cut at random, not at the highest channel numbers.

Shape letters: N tokens of the packed row, n valid tokens of one window and modality, C channels, H patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.pretrain.masking import MASKINGS, Masking, check_share
from biosig.pretrain.masking.window_parts import valid_rows

if TYPE_CHECKING:
    from torch import Tensor

    from biosig.batches.packed import PackedBatch


@MASKINGS.register
@dataclass(frozen=True)
class ReveMasking(Masking):
    """Masking of REVE: neighbourhoods of channels in blocks of time; share to hide and size of a block.

    Time is cut into blocks of `radius_time`. In each of them, channels are hidden in neighbourhoods until the asked
    share of the block's channels is reached; those of the dropout are hidden in all of them. The patches that are left
    after the last whole block are hidden one by one, in neighbourhoods, and without the dropout.

    Parameters
    ----------
    mask_ratio : float
        Share of the tokens of each window and modality that the encoder does not see.
    radius_space : float
        Metres: channels within this distance of a neighbourhood's centre belong to it. 0.03 spans a centre and a few
        neighbours where there are 64 electrodes and more, and one electrode of a 10-20 cap.
    radius_time : float
        Seconds that a block lasts; as many whole patches as fit, one at least.
    dropout_ratio : float
        Share of the channels that are hidden in every block.
    dropout_radius : float
        Metres: as `radius_space`, for the dropout.
    rounding : {"exact", "down"}
        "exact": a share of channels that is not a whole number is rounded up or down at random, so that the asked share
        is hidden in the mean. "down": it is rounded down, as published: 0.55 hides 53 % of 19 channels.
    """

    name: ClassVar[str] = "reve"
    mask_ratio: float = 0.55
    radius_space: float = 0.03
    radius_time: float = 3.0
    dropout_ratio: float = 0.1
    dropout_radius: float = 0.04
    rounding: Literal["exact", "down"] = "exact"

    def __post_init__(self) -> None:
        check_share("mask_ratio", self.mask_ratio)
        if not 0 <= self.dropout_ratio <= self.mask_ratio:
            raise UsageError(
                f"dropout_ratio is {self.dropout_ratio:g}; it is a part of mask_ratio: give 0 to {self.mask_ratio:g}."
            )

    def __call__(self, batch: PackedBatch, rng: np.random.Generator) -> Tensor:
        """Draw a mask, shape (N,) bool on the CPU: True = hidden. Only valid tokens are hidden.

        Of two valid tokens and more of a window and modality, at least one is hidden and one is not.
        """
        import torch

        columns = (batch.channel_index, batch.patch_index, batch.position)
        channel, patch, position = (column.cpu().numpy() for column in columns)
        mask = np.zeros(batch.n_tokens, bool)
        for rows in valid_rows(batch):
            mask[rows] = self._hide(channel[rows], patch[rows], position[rows], rng)
        return torch.from_numpy(mask)

    def _hide(
        self,
        channel: NDArray[np.int64],
        patch: NDArray[np.int64],
        position: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> NDArray[np.bool_]:
        """Mask of the valid tokens of one window and modality to hide (n,); `position` is (n, 4)."""
        channels, first, of = np.unique(channel, return_index=True, return_inverse=True)
        distance = _distances(position[first, :3])  # (C, C)
        nobody = np.zeros(len(channels), bool)
        n_dropped = self._count(self.dropout_ratio, len(channels), rng)
        dropped = _spread(distance <= self.dropout_radius, nobody, n_dropped, rng)

        near = distance <= self.radius_space
        length = _patches_per_block(patch, position[:, 3], self.radius_time)
        n_patches = int(patch.max()) + 1
        whole = n_patches // length * length
        blocks = [(start, start + length, dropped) for start in range(0, whole, length)]
        blocks += [(start, start + 1, nobody) for start in range(whole, n_patches)]
        hidden = np.zeros(len(patch), bool)
        for start, stop, begin in blocks:
            inside = np.flatnonzero((patch >= start) & (patch < stop))
            present = np.unique(of[inside])  # channels with a valid token in the block
            chosen = nobody.copy()
            wanted = self._count(self.mask_ratio, len(present), rng)
            chosen[present] = _spread(near[np.ix_(present, present)], begin[present], wanted, rng)
            hidden[inside] = chosen[of[inside]]
        if hidden.all() == hidden.any():  # nothing to see, or nothing to rebuild
            one = rng.integers(len(hidden))
            hidden[one] = not hidden[one] and len(hidden) > 1
        return hidden

    def _count(self, ratio: float, n: int, rng: np.random.Generator) -> int:
        """`ratio` of `n` as a whole number."""
        exact = ratio * n
        return int(exact + rng.random()) if self.rounding == "exact" else int(exact)


def _spread(
    near: NDArray[np.bool_], begin: NDArray[np.bool_], wanted: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Hide `wanted` of C channels: those of `begin`, then the neighbourhoods of channels in random order.

    The excess over the number is left out of the last neighbourhood at random, or of `begin` itself; `near` is (C, C).
    """
    turn = rng.permutation(len(near))
    reached = np.where(near, turn, len(near)).min(axis=1, initial=len(near))  # (C,) the first turn of one that is near
    reached[begin] = -1
    hidden = np.zeros(len(near), bool)
    hidden[np.lexsort((rng.random(len(near)), reached))[:wanted]] = True
    return hidden


def _distances(place: NDArray[np.float32]) -> NDArray[np.float32]:
    """Metres between channels, shape (C, C); one whose position is not known is near itself alone."""
    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)
    distance = np.where(np.isfinite(distance), distance, np.float32(np.inf))
    np.fill_diagonal(distance, 0)
    return distance


def _patches_per_block(patch: NDArray[np.int64], time: NDArray[np.float32], seconds: float) -> int:
    """Whole patches that `seconds` hold, one at least; the time from one patch to the next is read from the tokens."""
    last, first = int(patch.argmax()), int(patch.argmin())
    steps = int(patch[last] - patch[first])
    if steps == 0:
        return 1
    stride = float(time[last] - time[first]) / steps
    return max(int(seconds / stride + 1e-3), 1)
