"""What the objectives share: hidden patches are rebuilt twice, from the tokens around them and from the pooled token.

An objective says how (`Objective.predict`); the losses, the decoder and the heads are here.

Shape letters: N tokens of the packed row, M visible tokens, V valid tokens, K hidden tokens, D embed_dim, B windows.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.layers.block import Block
from biosig.models.encoder import Encoder, EncoderConfig, VisibleTokens, megatron_


@dataclass(frozen=True)
class DecoderConfig:
    """Size of the decoder, which is thrown away after pretraining; the rest of its blocks is as in the encoder.

    Parameters
    ----------
    embed_dim, depth, num_heads : int
        Width, number of blocks, attention heads.
    """

    embed_dim: int = 128
    depth: int = 2
    num_heads: int = 4


class Decoder(nn.Module):
    """The mask token and a few blocks over all tokens of a window.

    Parameters
    ----------
    size : DecoderConfig
        Its size.
    encoder : EncoderConfig
        Its feed-forward ratio and initialisation are the encoder's.
    """

    def __init__(self, size: DecoderConfig, encoder: EncoderConfig) -> None:
        super().__init__()
        dim = size.embed_dim
        self.mask_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(dim), std=0.02))
        self.blocks = nn.ModuleList(
            Block(dim, size.num_heads, dim // size.num_heads, encoder.mlp_ratio) for _ in range(size.depth)
        )
        if encoder.initialisation == "megatron":
            megatron_(self.blocks)

    def forward(
        self, seen: Tensor, position: Tensor, visible: VisibleTokens, batch: PackedBatch, mask: Tensor
    ) -> Tensor:
        """Visible tokens (M, D) and the position code of all (N, D) → hidden tokens (K, D)."""
        full = self.mask_token.expand(batch.n_tokens, -1)
        full = full.index_copy(0, visible.rows, seen.float())  # the residual stream stays float32 under autocast
        everything = VisibleTokens.of(batch)
        y = (full + position)[everything.rows]  # (V, D)
        for block in self.blocks:
            y = block(y, everything.lengths)
        return torch.zeros_like(full).index_copy(0, everything.rows, y.float())[mask]


class Heads(nn.Module):
    """One linear map per modality from a token to the samples of its patch.

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    encoder : EncoderConfig
        Its contract says how long the patches are.
    """

    def __init__(self, embed_dim: int, encoder: EncoderConfig) -> None:
        super().__init__()
        self.project = nn.ModuleDict({m: nn.Linear(embed_dim, c.patch_size) for m, c in encoder.contract.items()})

    def forward(self, tokens: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """Tokens (K, D) with their modality (K,) → {modality: (K_m, P_m)}."""
        return {m: head(tokens[modality == MODALITY_IDS[m]]) for m, head in self.project.items()}


class Objective(nn.Module):
    """Mean absolute error over hidden patches plus `global_weight` times that of rebuilding them from the pooled token.

    Parameters
    ----------
    encoder : Encoder
        What is being pretrained.
    global_weight : float
        Weight of the reconstruction from the pooled token, which is what trains the pooling.
    """

    def __init__(self, encoder: Encoder, global_weight: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.global_weight = global_weight

    @abstractmethod
    def predict(self, batch: PackedBatch, mask: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Hidden patches {modality: (K_m, P_m)} as rebuilt by the decoder, and as rebuilt from the pooled token."""

    def forward(self, batch: PackedBatch, mask: Tensor) -> dict[str, Tensor]:
        """The loss and its parts.

        Parameters
        ----------
        batch : PackedBatch
            Windows of any modalities.
        mask : Tensor of bool, shape (N,)
            True = hidden from the encoder; valid tokens only.

        Returns
        -------
        dict of str to scalar Tensor
            "loss" to minimise; "loss_ecg", … the mean absolute error of each modality present; "mean_predictor_ecg", …
            the same error of predicting each channel's mean, which is what a model must beat; "loss_global".
        """
        predicted, from_pool = self.predict(batch, mask)
        hidden = {m: patches[mask[batch.modality == MODALITY_IDS[m]]] for m, patches in batch.patches.items()}
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
        predicted, _ = self.predict(batch, mask)
        out = {m: patches.clone() for m, patches in batch.patches.items()}
        for m, patches in out.items():
            patches[mask[batch.modality == MODALITY_IDS[m]]] = predicted[m].to(patches.dtype)
        return out
