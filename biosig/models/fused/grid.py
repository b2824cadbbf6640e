"""From the patches of a batch to the tokens that are made of them.

The channels of a modality share one grid of blocks in each window, which begins with the first of their samples.

Shape letters: P patches (rows of the batch), N tokens, G = windows · modalities, B windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from biosig.batches.input_contract import MODALITY_IDS, InputContract
from biosig.batches.packed import PackedBatch

_MODALITIES = len(MODALITY_IDS)


@dataclass(frozen=True)
class Grid:
    """Map from the patches of a batch to its tokens.

    Tokens lie window after window, within a window modality after modality, within a modality in time.
    """

    tokens: PackedBatch  # one row per token, without channel, place and samples
    token: Tensor  # (P,) int64 the token that each patch is part of
    group: Tensor  # (P,) int64 window · modalities + modality
    start: Tensor  # (P,) int64 the patch's first sample, counted from its group's first
    n_tokens: Tensor  # (G,) int64
    n_channels: Tensor  # (G,) int64
    before: Tensor  # (G,) int64 the first token of each group

    @classmethod
    def of(cls, batch: PackedBatch, contract: Mapping[str, InputContract]) -> Grid:
        """The grid of a batch that the contract was made for."""
        device = batch.position.device
        size, sfreq, length = (torch.ones(_MODALITIES, device=device) for _ in range(3))
        for name, wanted in contract.items():
            number = MODALITY_IDS[name]
            size[number], sfreq[number], length[number] = wanted.patch_size, wanted.sfreq, wanted.patch_seconds
        size = size.long()
        modality = batch.modality
        group = batch.window * _MODALITIES + modality  # (P,)
        n_groups = batch.n_windows * _MODALITIES
        begins = batch.position[:, 3] - length[modality] / 2  # (P,) s
        first = begins.new_zeros(n_groups).scatter_reduce(0, group, begins, "amin", include_self=False)  # (G,) s
        start = ((begins - first[group]) * sfreq[modality]).round().long()  # (P,)
        counts = group.new_zeros(n_groups)
        n_samples = counts.scatter_reduce(0, group, start + size[modality], "amax")  # (G,)
        n_channels = counts.scatter_reduce(0, group, batch.channel_index + 1, "amax")  # (G,)
        sizes = size.repeat(batch.n_windows)  # (G,)
        n_tokens = (n_samples + sizes - 1) // sizes
        before = n_tokens.cumsum(0) - n_tokens
        token = before[group] + (start + size[modality] // 2) // size[modality]
        own = torch.repeat_interleave(torch.arange(n_groups, device=device), n_tokens)  # (N,) group of each token
        index = torch.arange(len(own), device=device) - before[own]
        n_valid = counts.new_zeros(len(own)).index_add(0, token, batch.valid.long())
        position = batch.position.new_full((len(own), 4), torch.nan)
        position[:, 3] = first[own] + (index + 0.5) * length[own % _MODALITIES]
        log_scale = batch.log_scale.new_zeros(n_groups).index_copy(0, group, batch.log_scale)
        nothing = batch.text_ids[:0]
        tokens = PackedBatch(
            patches={},
            sample_valid={},
            modality=own % _MODALITIES,
            position=position,
            reference=position[:, :3],
            channel=index.new_full((len(own),), -1),
            log_scale=log_scale[own],
            text_ids=nothing,
            valid=n_valid > 0,
            seqlens=n_tokens.view(batch.n_windows, -1).sum(dim=1),
            window=own // _MODALITIES,
            channel_index=torch.zeros_like(index),
            patch_index=index,
            extras=batch.extras,
        )
        return cls(tokens, token, group, start, n_tokens, n_channels, before)

    def hidden(self, batch: PackedBatch, hidden: Tensor) -> Tensor:
        """Tokens (N,) bool that have valid patches, all of which are `hidden` (P,)."""
        seen = torch.zeros_like(self.tokens.window).index_add(0, self.token, (batch.valid & ~hidden).long())
        return self.tokens.valid & (seen == 0)
