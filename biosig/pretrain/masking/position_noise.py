"""Noise on electrode positions: no cap sits to the millimetre, and a model should not rely on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from biosig.batches.packed import PackedBatch


def with_position_noise(batch: PackedBatch, deviation: float, rng: np.random.Generator) -> PackedBatch:
    """The batch with every channel moved by normal noise, alike in all its patches (REVE, arXiv:2510.21585, 3.2).

    Parameters
    ----------
    batch : PackedBatch
        Left as it is. Unknown positions stay unknown, and reference electrodes where they are.
    deviation : float
        Metres, along each axis; 0 = none.
    rng : numpy Generator
        Draws once for each channel of each window.
    """
    if not deviation:
        return batch
    import torch

    starts = batch.channel_index.diff(prepend=batch.channel_index.new_full((1,), -1)) != 0
    starts |= batch.window.diff(prepend=batch.window.new_full((1,), -1)) != 0
    starts |= batch.modality.diff(prepend=batch.modality.new_full((1,), -1)) != 0
    channel = starts.cumsum(0) - 1  # (N,) numbered through the batch
    moves = rng.normal(0.0, deviation, (int(starts.sum()), 3)).astype(np.float32)
    position = batch.position.clone()  # (N, 4)
    position[:, :3] += torch.from_numpy(moves).to(position.device)[channel]
    return replace(batch, position=position)
