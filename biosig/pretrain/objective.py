"""What the objectives share: hidden patches are rebuilt twice, from the tokens around them and from the pooled token.

So are hidden words, as a choice among the vocabulary. An objective says how (`Objective.predict`); the losses, the
decoder and the heads are here.

Shape letters: N tokens of the packed row, M visible tokens, V valid tokens, K hidden tokens, D embed_dim, B windows,
W words of the vocabulary.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.layers.block import Block
from biosig.models.encoder import Encoder, EncoderConfig, VisibleTokens, megatron_
from biosig.pretrain.decoder_config import DecoderConfig


class Decoder(nn.Module):
    """The mask token and a few blocks over all tokens of a window.

    Parameters
    ----------
    size : DecoderConfig
        Its size.
    encoder : EncoderConfig
        Style and feed-forward ratio of the blocks and their initialisation are the encoder's.
    """

    def __init__(self, size: DecoderConfig, encoder: EncoderConfig) -> None:
        super().__init__()
        dim = size.embed_dim
        self.mask_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(dim), std=0.02))
        # Of their own: a hidden word and a hidden patch have nothing in common to begin from.
        self.word_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(dim), std=0.02)) if encoder.text else None
        self.blocks = nn.ModuleList(
            Block(dim, size.num_heads, dim // size.num_heads, encoder.mlp_ratio, encoder.block)
            for _ in range(size.depth)
        )
        if encoder.initialisation == "megatron":
            megatron_(self.blocks)

    def forward(
        self, seen: Tensor, position: Tensor, visible: VisibleTokens, batch: PackedBatch, mask: Tensor
    ) -> Tensor:
        """Visible tokens (M, D) and the position code of all (N, D) → hidden tokens (K, D)."""
        full = self.mask_token.expand(batch.n_tokens, -1)
        if self.word_token is not None:
            is_word = (batch.modality == MODALITY_IDS["text"])[:, None]  # (N, 1)
            full = torch.where(is_word, self.word_token, full)
        full = full.index_copy(0, visible.rows, seen.float())  # the residual stream stays float32 under autocast
        everything = VisibleTokens.of(batch)
        y = (full + position)[everything.rows]  # (V, D)
        place = torch.empty_like(batch.window).index_copy(0, everything.rows, torch.arange(len(y), device=y.device))
        *blocks, last = self.blocks
        for block in blocks:
            y = block(y, everything.lengths)
        return last(y, everything.lengths, place[mask])  # of the visible ones nothing is asked


class Heads(nn.Module):
    """One linear map per modality from a token to the samples of its patch, or to the logits of its word.

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    encoder : EncoderConfig
        Its contract says how long the patches are, and its text how many words there are.
    """

    def __init__(self, embed_dim: int, encoder: EncoderConfig) -> None:
        super().__init__()
        sizes = {m: contract.patch_size for m, contract in encoder.contract.items()}
        if encoder.text:
            sizes["text"] = encoder.text.n_words
        self.project = nn.ModuleDict({m: nn.Linear(embed_dim, size) for m, size in sizes.items()})

    def forward(self, tokens: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """Tokens (K, D) with their modality (K,) → {modality: (K_m, P_m)}, {"text": (K_text, W)}."""
        return {m: head(tokens[modality == MODALITY_IDS[m]]) for m, head in self.project.items()}


class Objective(nn.Module):
    """Error over hidden patches, cross-entropy over hidden words, and the same from the pooled token.

    Parameters
    ----------
    encoder : Encoder
        What is being pretrained.
    global_weight : float
        Weight of the reconstruction from the pooled token, which is what trains the pooling.
    text_weight : float
        Weight of the cross-entropy, in nats, beside the error of the patches.
    """

    distance = staticmethod(torch.abs)
    """Of a sample from its truth."""

    def __init__(self, encoder: Encoder, global_weight: float, text_weight: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.global_weight, self.text_weight = global_weight, text_weight

    @abstractmethod
    def predict(self, batch: PackedBatch, mask: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Hidden patches {modality: (K_m, P_m)} as rebuilt by the decoder, and as rebuilt from the pooled token.

        Hidden words are {"text": (K_text, W)} logits, where the model reads text.
        """

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
            "loss" to minimise; "loss_ecg", … the mean error of each modality present; "mean_predictor_ecg", … the same
            error of predicting each channel's mean, which is what a model must beat; "loss_text", the mean
            cross-entropy of the hidden words in nats; "loss_global".
        """
        predicted, from_pool = self.predict(batch, mask)
        hidden = {m: patches[mask[batch.modality == MODALITY_IDS[m]]] for m, patches in batch.patches.items()}
        if len(batch.text_ids):
            hidden["text"] = batch.text_ids[mask[batch.modality == MODALITY_IDS["text"]]]
        hidden = {m: truth for m, truth in hidden.items() if len(truth)}
        parts = self._errors(predicted, hidden)
        loss_global = self._total(self._errors(from_pool, hidden))
        return {
            "loss": self._total(parts) + self.global_weight * loss_global,
            **{f"loss_{m}": part.detach().mean() for m, part in parts.items()},
            **{f"mean_predictor_{m}": self.distance(x).mean() for m, x in hidden.items() if m != "text"},
            "loss_global": loss_global.detach(),
        }

    def _errors(self, predicted: Mapping[str, Tensor], hidden: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The error of each hidden token, {modality: (K_m,)}."""
        return {
            m: F.cross_entropy(predicted[m].float(), truth, reduction="none")
            if m == "text"
            else self.distance(predicted[m] - truth).mean(dim=1)
            for m, truth in hidden.items()
        }

    def _total(self, parts: Mapping[str, Tensor]) -> Tensor:
        """One number: every hidden patch counts alike, and so does every hidden word."""
        signals = [part for m, part in parts.items() if m != "text"]
        total = torch.cat(signals).mean() if signals else torch.zeros((), device=next(self.parameters()).device)
        return total + self.text_weight * parts["text"].mean() if "text" in parts else total

    @torch.inference_mode()
    def reconstruct(self, batch: PackedBatch, mask: Tensor) -> dict[str, Tensor]:
        """The packed patches {modality: (N_m, P_m)} with the hidden ones replaced by their reconstruction."""
        predicted, _ = self.predict(batch, mask)
        out = {m: patches.clone() for m, patches in batch.patches.items()}
        for m, patches in out.items():
            patches[mask[batch.modality == MODALITY_IDS[m]]] = predicted[m].to(patches.dtype)
        return out
