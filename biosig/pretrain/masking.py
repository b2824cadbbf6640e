"""Space-time block masking: hide neighbourhoods, so that a hidden patch cannot be copied from the one beside it.

After REVE (arXiv:2510.21585, section 3.2), with two differences: the asked share is always hit to the token, for each
window and modality; and blocks are never cut at low channel numbers: what exceeds the share is left out at random.
Words of a report are hidden one by one, and a modality may be hidden whole, so that the others must tell of it.

Shape letters: N tokens of the packed row, C channels, H patches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.errors import UsageError


@dataclass(frozen=True)
class BlockMasking:
    """How much to hide, in blocks of which size.

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
        How likely each modality of a window, text among them, is hidden whole, where the window has another.
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
        """Which of the valid tokens of one window and modality to hide; `position` is (n, 4)."""
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


def window_parts(batch: PackedBatch) -> Iterator[dict[str, NDArray[np.int64]]]:
    """For each window the rows of the valid tokens of each modality, text among them, where it has any."""
    names = {number: name for name, number in MODALITY_IDS.items()}
    window, modality, valid = (column.cpu().numpy() for column in (batch.window, batch.modality, batch.valid))
    starts = np.flatnonzero(np.diff(window, prepend=-1) | np.diff(modality, prepend=-1))
    parts: dict[int, dict[str, NDArray[np.int64]]] = {}
    for start, stop in zip(starts, [*starts[1:], batch.n_tokens], strict=True):
        rows = start + np.flatnonzero(valid[start:stop])
        if len(rows):
            parts.setdefault(int(window[start]), {})[names[int(modality[start])]] = rows
    yield from parts.values()


def valid_rows(batch: PackedBatch) -> Iterator[NDArray[np.int64]]:
    """The rows of the valid tokens of each window and modality of signals, where there are any."""
    for parts in window_parts(batch):
        yield from (rows for name, rows in parts.items() if name != "text")


def hide_words(mask: NDArray[np.bool_], batch: PackedBatch, ratio: float, rng: np.random.Generator) -> None:
    """Hide a share of each text's words in `mask` (N,), rounded to whole words: the only word of a text is left."""
    if not len(batch.text_ids):
        return
    for parts in window_parts(batch):
        rows = parts.get("text", np.empty(0, np.int64))
        mask[rng.permutation(rows)[: round(ratio * len(rows))]] = True


def check_share(name: str, share: float) -> None:
    """Refuse what is no share between 0 and 1."""
    if not 0 < share < 1:
        raise UsageError(f"{name} is {share:g}; it must lie between 0 and 1.")
