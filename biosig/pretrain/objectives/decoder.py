"""Decoder of pretraining, which is thrown away after it: light, over all tokens of a window, with heads of its tokens.

Shape letters: P patches of the input, N tokens, M visible tokens, V valid tokens, K tokens or patches that are asked
for, D embed_dim, W words of the vocabulary.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.layers.block import Block
from biosig.layers.config import BodyCode
from biosig.layers.positions import BodyPositions
from biosig.models.encoder import EncoderConfig, VisibleTokens, megatron_
from biosig.pretrain.objectives.configs.decoder import DecoderConfig


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
        # A fused encoder gives hidden tokens too, as it could tell them from the others.
        hides = encoder.fused is None
        self.mask_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(dim), std=0.02)) if hides else None
        # Of their own: a hidden word and a hidden patch have nothing in common to begin from.
        self.word_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(dim), std=0.02)) if encoder.text else None
        self.blocks = nn.ModuleList(
            Block(dim, size.num_heads, dim // size.num_heads, encoder.mlp_ratio, encoder.block)
            for _ in range(size.depth)
        )
        if encoder.initialisation == "megatron":
            megatron_(self.blocks)

    def forward(
        self, seen: Tensor, position: Tensor, visible: VisibleTokens, batch: PackedBatch, asked: Tensor
    ) -> Tensor:
        """Visible tokens (M, D) and the position code of all (N, D) → the tokens that are asked for (K, D).

        `batch` has a row per token, the encoder's `token_batch`; `asked` (N,) is bool.
        """
        nothing = position.new_zeros(position.shape[1]) if self.mask_token is None else self.mask_token
        full = nothing.expand(batch.n_tokens, -1)
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
        return last(y, everything.lengths, place[asked])  # of the others nothing is asked


class ChannelCode(nn.Module):
    """Code of a channel's place and modality: the query by which a fused token is asked for one of its channels.

    Parameters
    ----------
    dim : int
        Width of the code.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.code = BodyPositions(dim, len(MODALITY_IDS), BodyCode())
        self.code.initialise()

    def forward(self, batch: PackedBatch, patches: Tensor) -> Tensor:
        """The code (K, D) of K `patches` (P,) bool of a batch. When they are the tokens know."""
        line = (batch.window * len(MODALITY_IDS) + batch.modality) * (1 + int(batch.channel_index.max()))
        channels, channel = (line + batch.channel_index).unique(return_inverse=True)  # (C,), (P,)
        every = torch.arange(len(channel), device=channel.device)
        one = every.new_zeros(len(channels)).scatter(0, channel, every)  # (C,) a patch of each channel
        columns = {name: getattr(batch, name)[one] for name in ("position", "reference", "modality")}
        columns["position"] = torch.cat((columns["position"][:, :3], torch.zeros_like(columns["position"][:, 3:])), 1)
        return self.code(replace(batch, **columns))[channel[patches]]


class ReconstructionHeads(nn.Module):
    """One linear map per modality from a token to the samples of its patch, or to the logits of its word.

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    encoder : EncoderConfig
        Its contract gives the length of the patches, and its text the number of words.
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
