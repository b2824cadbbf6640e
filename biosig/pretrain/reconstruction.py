"""Masked reconstruction: the encoder sees part of the tokens, a light decoder rebuilds the hidden patches.

Loss: mean absolute error over hidden patches, plus `global_weight` times the same error of a reconstruction from the
pooled token alone, which is what trains the pooling (REVE, arXiv:2510.21585, section 3.3).

Shape letters: N tokens of the packed row, M visible tokens, V valid tokens, K hidden tokens, D embed_dim, B windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.layers.block import Block
from biosig.models.encoder import Encoder, VisibleTokens


@dataclass(frozen=True)
class DecoderConfig:
    """Size of the decoder, which is thrown away after pretraining."""

    embed_dim: int = 128
    depth: int = 2
    num_heads: int = 4


class Heads(nn.Module):
    """One linear map per modality from a token to the samples of its patch."""

    def __init__(self, embed_dim: int, patch_sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.project = nn.ModuleDict({m: nn.Linear(embed_dim, size) for m, size in patch_sizes.items()})

    def forward(self, tokens: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """Tokens (K, D) with their modality (K,) → {modality: (K_m, P_m)}."""
        return {m: head(tokens[modality == MODALITY_IDS[m]]) for m, head in self.project.items()}


class MaskedReconstruction(nn.Module):
    """Encoder, decoder and the loss between them.

    Parameters
    ----------
    encoder : Encoder
        What is being pretrained.
    decoder : DecoderConfig
        Size of the decoder.
    global_weight : float
        Weight of the reconstruction from the pooled token.
    """

    def __init__(self, encoder: Encoder, decoder: DecoderConfig, global_weight: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.global_weight = global_weight
        wide, dim = encoder.config.embed_dim, decoder.embed_dim
        sizes = {m: c.patch_size for m, c in encoder.config.contract.items()}
        self.enter = nn.Linear(wide, dim)
        self.place = nn.Linear(wide, dim)
        self.mask_token = nn.Parameter(torch.randn(dim) * 0.02)
        self.blocks = nn.ModuleList(
            Block(dim, decoder.num_heads, dim // decoder.num_heads, encoder.config.mlp_ratio)
            for _ in range(decoder.depth)
        )
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.heads = Heads(dim, sizes)
        self.global_mlp = nn.Sequential(nn.Linear(wide, dim), nn.GELU(), nn.Linear(dim, dim))
        self.global_heads = Heads(dim, sizes)

    def forward(self, batch: PackedBatch, mask: Tensor) -> dict[str, Tensor]:
        """The loss and its parts.

        Parameters
        ----------
        batch : PackedBatch
            Windows of any modalities.
        mask : Tensor of bool, shape (N,)
            True = hidden from the encoder.

        Returns
        -------
        dict of str to scalar Tensor
            "loss" to minimise; "loss_ecg", … the mean absolute error of each modality present; "mean_predictor_ecg", …
            the same error of predicting each channel's mean, which is what a model must beat; "loss_global".
        """
        predicted, from_pool = self._predict(batch, mask)
        hidden = self._hidden_patches(batch, mask)
        parts = {m: (predicted[m] - truth).abs().mean(dim=1) for m, truth in hidden.items()}  # (K_m,)
        total = torch.cat(list(parts.values()))
        pooled = torch.cat([(from_pool[m] - truth).abs().mean(dim=1) for m, truth in hidden.items()])
        loss_global = pooled.mean()
        return {
            "loss": total.mean() + self.global_weight * loss_global,
            **{f"loss_{m}": part.detach().mean() for m, part in parts.items() if len(part)},
            **{f"mean_predictor_{m}": truth.abs().mean() for m, truth in hidden.items() if len(truth)},
            "loss_global": loss_global.detach(),
        }

    @torch.inference_mode()
    def reconstruct(self, batch: PackedBatch, mask: Tensor) -> dict[str, Tensor]:
        """The packed patches {modality: (N_m, P_m)} with the hidden ones replaced by their reconstruction."""
        predicted, _ = self._predict(batch, mask)
        out = {m: patches.clone() for m, patches in batch.patches.items()}
        for m, patches in out.items():
            patches[mask[batch.modality == MODALITY_IDS[m]]] = predicted[m].to(patches.dtype)
        return out

    def _predict(self, batch: PackedBatch, mask: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        tokens, position = self.encoder.embed(batch)
        visible = VisibleTokens.of(batch, ~mask)
        x = self.encoder.encode_visible(tokens, visible)  # (M, D)
        modality = batch.modality[mask]  # (K,)
        pooled = self.encoder.pool(x, batch.window[visible.rows], batch.n_windows)  # (B, D)
        from_pool = self.global_mlp(pooled[batch.window[mask]] + position[mask])  # (K, D)

        entered = self.enter(x).float()  # the residual stream stays float32 under autocast
        full = self.mask_token.expand(batch.n_tokens, -1).index_copy(0, visible.rows, entered)
        everything = VisibleTokens.of(batch)
        y = (full + self.place(position))[everything.rows]  # (V, D)
        for block in self.blocks:
            y = block(y, everything.lengths)
        y = torch.zeros_like(full).index_copy(0, everything.rows, self.norm(y))[mask]  # (K, D)
        return self.heads(y, modality), self.global_heads(from_pool, modality)

    @staticmethod
    def _hidden_patches(batch: PackedBatch, mask: Tensor) -> dict[str, Tensor]:
        return {m: patches[mask[batch.modality == MODALITY_IDS[m]]] for m, patches in batch.patches.items()}
