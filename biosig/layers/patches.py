"""Patch embedding: raw samples to tokens.

Shape letters: N tokens of the packed row, N_m tokens of modality m, P_m samples of its patches, D embed_dim.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from biosig.errors import UsageError


class PatchEmbedding(nn.Module):
    """One linear map per modality, since 0.4 s of ECG and 0.4 s of EEG differ in rate and in meaning.

    Parameters
    ----------
    patch_sizes : mapping of str to int
        Modality → samples per patch.
    embed_dim : int
        Width of a token.
    """

    def __init__(self, patch_sizes: Mapping[str, int], embed_dim: int) -> None:
        super().__init__()
        self.project = nn.ModuleDict({m: nn.Linear(size, embed_dim) for m, size in patch_sizes.items()})

    def forward(self, patches: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{modality: (N_m, P_m)} patches → {modality: (N_m, D)} tokens."""
        return {m: self.project[m](samples) for m, samples in patches.items()}


class NormedPatchEmbedding(nn.Module):
    """LayerNorm → linear → LayerNorm, one for all modalities (CSFM, arXiv:2507.01045).

    Parameters
    ----------
    patch_sizes : mapping of str to int
        Modality → samples per patch, the same for all.
    embed_dim : int
        Width of a token.

    Raises
    ------
    UsageError
        If patches differ in length.
    """

    def __init__(self, patch_sizes: Mapping[str, int], embed_dim: int) -> None:
        super().__init__()
        if len(set(patch_sizes.values())) != 1:
            raise UsageError(f"One embedding for all modalities needs patches of one length, not {dict(patch_sizes)}.")
        size = next(iter(patch_sizes.values()))
        self.project = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, embed_dim), nn.LayerNorm(embed_dim))

    def forward(self, patches: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{modality: (N_m, P_m)} patches → {modality: (N_m, D)} tokens."""
        return {m: self.project(samples) for m, samples in patches.items()}
