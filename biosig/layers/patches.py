"""Patch embedding: one linear map per modality, since 0.4 s of ECG and 0.4 s of EEG differ in rate and in meaning."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class PatchEmbedding(nn.Module):
    """Raw patches to tokens.

    Parameters
    ----------
    patch_sizes : mapping of str to int
        Modality → samples per patch.
    embed_dim : int
        Width of a token.
    """

    def __init__(self, patch_sizes: Mapping[str, int], embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.project = nn.ModuleDict({m: nn.Linear(size, embed_dim) for m, size in patch_sizes.items()})

    def forward(self, patches: Mapping[str, Tensor], rows: Mapping[str, Tensor], n_tokens: int) -> Tensor:
        """{modality: (N_m, P_m)} patches and {modality: (N_m,)} rows of the packed row → (N, D)."""
        if len(patches) == 1:
            (modality,) = patches
            return self.project[modality](patches[modality])
        out: Tensor | None = None
        for modality, samples in patches.items():
            tokens = self.project[modality](samples)  # (N_m, D)
            out = tokens.new_zeros(n_tokens, self.embed_dim) if out is None else out
            out = out.index_copy(0, rows[modality], tokens)
        return torch.empty(0, self.embed_dim) if out is None else out
