"""CSFM's masking: whole channels and whole spans of time are hidden, and half of the words (arXiv:2507.01045).

Published are the shares and "channel-wise and time-wise"; how the two meet is ours: each window is drawn for one of
them, and of the channel-wise ones spans of time across the other channels make up the rest, to the token.

Shape letters: N tokens of the packed row, n valid tokens of one window, C channels, H patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.pretrain.masking import MASKINGS, Masking, check_share
from biosig.pretrain.masking.window_parts import hide_words, window_parts

if TYPE_CHECKING:
    from torch import Tensor

    from biosig.batches.packed import PackedBatch


@MASKINGS.register
@dataclass(frozen=True)
class CsfmMasking(Masking):
    """Masking of CSFM: whole channels and spans of time; share to hide and length of a span.

    Parameters
    ----------
    mask_ratio : float
        Share of each window's valid signal tokens, all modalities together, that the encoder does not see.
    span_seconds : float
        Seconds that a span of time lasts: a heartbeat's QRS and T wave, so that neither can be copied from beside it.
    text_ratio : float
        Share of each text's words that the encoder does not see.
    """

    name: ClassVar[str] = "csfm"
    mask_ratio: float = 0.75
    span_seconds: float = 0.5
    text_ratio: float = 0.5

    def __post_init__(self) -> None:
        check_share("mask_ratio", self.mask_ratio)
        check_share("text_ratio", self.text_ratio)
        if not self.span_seconds > 0:
            raise UsageError(f"span_seconds is {self.span_seconds:g}; a span lasts longer than 0 s.")

    def __call__(self, batch: PackedBatch, rng: np.random.Generator) -> Tensor:
        """Draw a mask, shape (N,) bool on the CPU: True = hidden. Only valid tokens are hidden."""
        import torch

        n_modalities = int(batch.modality.max()) + 1
        channel = (batch.channel_index * n_modalities + batch.modality).cpu().numpy()
        time = batch.position[:, 3].cpu().numpy()
        mask = np.zeros(batch.n_tokens, bool)
        for parts in window_parts(batch):
            signals = [rows for name, rows in parts.items() if name != "text"]
            if signals:
                rows = np.concatenate(signals)
                mask[rows] = self._hide(channel[rows], time[rows], rng)
        hide_words(mask, batch, self.text_ratio, rng)
        return torch.from_numpy(mask)

    def _hide(
        self, channel: NDArray[np.int64], time: NDArray[np.float32], rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Mask of the n valid tokens of one window to hide."""
        n = len(channel)
        wanted = min(max(round(self.mask_ratio * n), 1), n - 1)
        hidden = np.zeros(n, bool)
        channels = rng.permutation(np.unique(channel))
        sizes = np.array([(channel == c).sum() for c in channels])
        most = int(np.searchsorted(sizes.cumsum(), wanted, side="right"))  # whole channels that fit
        whole = channels[: most * rng.integers(2)]
        hidden[np.isin(channel, whole)] = True
        span = np.floor((time - time.min()) / self.span_seconds + rng.random()).astype(np.int64)
        for number in rng.permutation(np.unique(span)):
            room = wanted - int(hidden.sum())
            inside = np.flatnonzero((span == number) & ~hidden)
            hidden[inside if len(inside) <= room else rng.choice(inside, room, replace=False)] = True
            if len(inside) >= room:
                break
        return hidden
