"""Pairs of tokens that lie a number of steps apart, for terms that predict later tokens.

Shape letters: N tokens, M tokens that a pass sees, K pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from biosig.batches.packed import MODALITY_IDS, PackedBatch


def ahead(tokens: PackedBatch, rows: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Pairs of tokens of one window, modality and channel, the second `steps` patches after the first.

    Parameters
    ----------
    tokens : PackedBatch
        N tokens.
    rows : Tensor of int64, shape (M,)
        The tokens that are seen; words have no time and are left out.
    steps : int
        1 and more.

    Returns
    -------
    tuple of 2 Tensor of int64, each (K,)
        Places in `rows`, of the earlier and of the later.
    """
    channel, patch = tokens.channel_index[rows], tokens.patch_index[rows]
    n_channels, n_patches = (int(x.max()) + 1 if len(x) else 1 for x in (channel, patch))
    line = (tokens.window[rows] * len(MODALITY_IDS) + tokens.modality[rows]) * n_channels + channel
    line = line * (n_patches + steps)  # so that no channel's end reaches the next one's beginning
    key, order = (line + patch).sort()
    wanted = line + patch + steps
    found = torch.searchsorted(key, wanted).clamp(max=max(len(key) - 1, 0))
    has_later = (key[found] == wanted) & (tokens.modality[rows] != MODALITY_IDS["text"])
    earlier = has_later.nonzero().squeeze(1)
    return earlier, order[found[earlier]]
