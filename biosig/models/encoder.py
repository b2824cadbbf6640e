"""The encoder: patches + 4D positions + modality → transformer → tokens. Every preset is this class.

Shape letters: N tokens of the packed row, M visible tokens, D embed_dim, B windows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from biosig.batches.input_contract import OnUnknown, with_unknown
from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.errors import UsageError
from biosig.layers.attention import END, PackedLengths
from biosig.layers.block import Block
from biosig.layers.config import LeadCode, ReveCode
from biosig.layers.inference import for_inference
from biosig.layers.lead_positions import LeadPositions
from biosig.layers.patches import NormedPatchEmbedding, PatchEmbedding
from biosig.layers.pooling import AttentionPool
from biosig.layers.positions import BodyPositions
from biosig.layers.reve_positions import RevePositions
from biosig.layers.text import TextEmbedding
from biosig.models.config import EncoderConfig
from biosig.models.tokens import Tokens


@dataclass(frozen=True)
class VisibleTokens:
    """The tokens that go through the blocks: valid, not masked, windows of equal length side by side."""

    rows: Tensor  # (M,) rows of the packed batch
    lengths: PackedLengths
    windows: Tensor  # (B,) the windows in the order in which their tokens lie

    @classmethod
    def of(cls, batch: PackedBatch, visible: Tensor | None = None) -> VisibleTokens:
        """The valid tokens of `batch` and, if given, `visible` (N,) bool among them, sorted by window length."""
        keep = batch.valid if visible is None else batch.valid & visible
        rows = keep.nonzero().squeeze(1)  # (M,) window after window
        counts = torch.bincount(batch.window[rows], minlength=batch.n_windows)  # (B,)
        # A stable sort by (length, window) moves whole windows, so that attention needs no gather inside the blocks.
        windows = torch.argsort(counts, stable=True)
        rank = torch.empty_like(windows)
        rank[windows] = torch.arange(len(windows), device=windows.device)
        rows = rows[torch.argsort(rank[batch.window[rows]], stable=True)]
        return cls(rows, PackedLengths.of(counts[windows]), windows)

    def with_cls(self) -> tuple[Tensor, Tensor, PackedLengths]:
        """Rows of the tokens (M,) and of the windows' own tokens (B,) when these lead their windows; and lengths."""
        seqlens = torch.tensor(self.lengths.seqlens, device=self.rows.device)  # (B,)
        rank = torch.arange(len(seqlens), device=self.rows.device)
        of_tokens = torch.arange(len(self.rows), device=self.rows.device) + torch.repeat_interleave(rank + 1, seqlens)
        of_cls = seqlens.cumsum(0) - seqlens + rank
        ends = self.lengths.ends
        if ends is not None:  # a window's own token sees everything, and is seen by none
            ends = ends.new_full((len(of_tokens) + len(of_cls),), END).index_copy(0, of_tokens, ends)
        return of_tokens, of_cls, PackedLengths(tuple((seqlens + 1).tolist()), ends)


def megatron_(module: nn.Module) -> None:
    """Draw every matrix of a module's linear layers normal with deviation 0.02, cut at three deviations."""
    for linear in module.modules():
        if isinstance(linear, nn.Linear):
            nn.init.trunc_normal_(linear.weight, std=0.02, a=-0.06, b=0.06)


def _position_code(config: EncoderConfig) -> BodyPositions | RevePositions | LeadPositions:
    code, any_modality = config.position, next(iter(config.contract.values()))
    grid = any_modality.patch_seconds, any_modality.stride_seconds
    if isinstance(code, ReveCode):
        return RevePositions(config.embed_dim, code, *grid)
    if isinstance(code, LeadCode):
        return LeadPositions(config.embed_dim, code, *grid)
    return BodyPositions(config.embed_dim, len(MODALITY_IDS), code)


class Encoder(nn.Module):
    """One transformer over any set of channels, of any length, in any order.

    Parameters
    ----------
    config : EncoderConfig
        Size and contract.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.embed_dim
        contract = config.contract
        sizes = {m: c.patch_size for m, c in contract.items()}
        self.patches = (PatchEmbedding if config.patches == "linear" else NormedPatchEmbedding)(sizes, dim)
        # A robust scale takes the amplitude out of the patches, so it is added to each token.
        scaled = any(c.normalisation == "robust" for c in contract.values())
        self.amplitude = nn.Linear(1, dim, bias=False) if scaled else None
        self.text = TextEmbedding(config.text, dim) if config.text else None
        self.positions: nn.Module = _position_code(config)
        self.blocks = nn.ModuleList(
            Block(dim, config.num_heads, config.head_dim, config.mlp_ratio, config.block) for _ in range(config.depth)
        )
        self.norm = config.block.make_norm(dim) if config.final_norm else nn.Identity()
        if config.cls:
            self.cls = nn.Parameter(torch.empty(dim))
        else:
            self.pool = AttentionPool(dim)
        self._initialise()

    def with_unknown(self, on_unknown: OnUnknown | None) -> Encoder:
        """The same weights under a contract with this policy for channels of unknown place; None = as it is."""
        contract = with_unknown(self.config.contract, on_unknown)
        if contract is self.config.contract:
            return self
        other = copy.copy(self)
        other.config = replace(self.config, contract=dict(contract))
        return other

    def _initialise(self) -> None:
        # The input layers keep torch's fan-in scaling, so that a patch of 20 and one of 80 samples give tokens as large
        # as the position code that is added to them.
        if isinstance(self.positions, BodyPositions):
            self.positions.initialise()
        if self.amplitude is not None:
            nn.init.normal_(self.amplitude.weight, std=0.1)  # log scales reach ±5
        if self.config.initialisation == "megatron":
            megatron_(self.blocks)
        if self.config.cls:
            nn.init.zeros_(self.cls)  # like no token, so that it attends to all alike: else it would see itself alone
        else:
            nn.init.normal_(self.pool.query, std=0.02)

    def token_batch(self, batch: PackedBatch) -> PackedBatch:
        """The batch with one row per token: here the batch itself."""
        return batch

    def token_hidden(self, batch: PackedBatch, hidden: Tensor) -> Tensor:
        """Tokens (N,) of which the encoder sees nothing, given the hidden patches (P,): here these themselves."""
        return batch.valid & hidden

    def token_of(self, batch: PackedBatch) -> Tensor:
        """The token of each patch (P,): here its own."""
        return torch.arange(batch.n_tokens, device=batch.window.device)

    def visible_tokens(self, batch: PackedBatch, hidden: Tensor | None = None, causal: bool = False) -> VisibleTokens:
        """The tokens that go through the blocks: valid ones that are not `hidden` (P,).

        With `causal`, none sees a sample later than its own last (`PackedBatch.ends`).
        """
        visible = VisibleTokens.of(batch, None if hidden is None else ~hidden)
        if not causal:
            return visible
        ends = batch.ends(self.config.contract)[visible.rows]  # (M,)
        return replace(visible, lengths=replace(visible.lengths, ends=ends))

    def embed(
        self,
        batch: PackedBatch,
        hidden: Tensor | None = None,  # noqa: ARG002  # each token is of its own samples alone
        causal: bool = False,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """Tokens before the first block (N, D), and the position code alone (N, D).

        `hidden` and `causal` are for encoders whose tokens share samples (`biosig.models.fused`); what `hidden` says of
        this one is `visible_tokens`' to heed.

        Raises
        ------
        UsageError
            If the batch has text and the model reads none.
        """
        parts = {MODALITY_IDS[m]: tokens for m, tokens in self.patches(batch.patches).items()}  # (N_m, D)
        position = self.positions(batch)
        if len(batch.text_ids):
            if self.text is None:
                raise UsageError(f"Model '{self.config.name}' has no text modality: leave text out.")
            parts[MODALITY_IDS["text"]] = self.text(batch.text_ids)
            rows = (batch.modality == MODALITY_IDS["text"]).nonzero().squeeze(1)
            position = position.index_add(0, rows, self.text.code(batch.patch_index[rows]))
        if len(parts) == 1:
            (tokens,) = parts.values()
        else:
            rows_of = {m: (batch.modality == m).nonzero().squeeze(1) for m in parts}
            tokens = torch.cat(list(parts.values()))  # (N, D) modality after modality
            tokens = torch.empty_like(tokens).index_copy(0, torch.cat(list(rows_of.values())), tokens)
        if self.amplitude is not None:
            tokens = tokens + self.amplitude(batch.log_scale[:, None])
        return tokens + position, position

    def local(self, embedded: tuple[Tensor, Tensor]) -> Tensor:
        """Embeddings of the samples around each token alone (N, D), without the code of its place and time."""
        tokens, position = embedded
        return tokens - position

    def encode_visible(self, tokens: Tensor, visible: VisibleTokens, layer: int = -1) -> Tensor:
        """Run the blocks over the visible of the embedded tokens (N, D) → (M, D), in the order of `visible.rows`."""
        return self.encode_windows(tokens, visible, layer)[0]

    def encode_windows(self, tokens: Tensor, visible: VisibleTokens, layer: int = -1) -> tuple[Tensor, Tensor | None]:
        """As `encode_visible`, with the windows' own tokens (B, D) where the model has them."""
        depth = len(self.blocks)
        if not -1 <= layer <= depth:
            raise UsageError(
                f"There is no layer {layer}: 0 is the embedding output, 1 to {depth} the blocks, -1 the output."
            )
        x, lengths, apart = self.enter(tokens, visible)
        for block in self.blocks[: depth if layer == -1 else layer]:
            x = block(x, lengths)
        x, cls = apart(x)
        if layer == -1:
            x, cls = self.norm(x), None if cls is None else self.norm(cls)
        return x, cls

    def hidden_states(self, tokens: Tensor, visible: VisibleTokens) -> list[Tensor]:
        """The embedding output and the output of each block, depth + 1 tensors (M, D), before the final norm."""
        return [x for x, _ in self._states(tokens, visible)]

    def _states(self, tokens: Tensor, visible: VisibleTokens) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Tokens (M, D) and the windows' own (B, D) before the first block and after each."""
        x, lengths, apart = self.enter(tokens, visible)
        yield apart(x)
        for block in self.blocks:
            x = block(x, lengths)
            yield apart(x)

    def enter(
        self, tokens: Tensor, visible: VisibleTokens
    ) -> tuple[Tensor, Any, Callable[[Tensor], tuple[Tensor, Tensor | None]]]:
        """Input of the blocks, with the windows' own tokens if there are any, and the function that splits it again."""
        x = tokens[visible.rows]  # (M, D)
        if not self.config.cls:
            return x, visible.lengths, lambda x: (x, None)
        seats, cls_seats, lengths = visible.with_cls()
        full = x.new_empty(len(seats) + len(cls_seats), x.shape[1])
        full = full.index_copy(0, seats, x).index_copy(0, cls_seats, self.cls.to(x.dtype).expand(len(cls_seats), -1))
        in_order = cls_seats[torch.argsort(visible.windows)]  # (B,)
        return full, lengths, lambda x: (x[seats], x[in_order])

    def for_inference(self, dtype: torch.dtype) -> Encoder:
        """A copy whose blocks multiply in `dtype` and faster, while tokens stay float32 from block to block.

        The rest is shared with this encoder, and gradients do not pass. Its blocks may write over what the block before
        gave, so `hidden_states` are for this encoder alone.
        """
        other = copy.copy(self)
        other._modules = {**self._modules, "blocks": for_inference(self.blocks, dtype)}
        return other

    def forward(self, batch: PackedBatch, layer: int = -1) -> Tensor:
        """Tokens (N, D), beside `token_batch(batch)`: invalid ones are not attended to, and come out as zeros.

        Parameters
        ----------
        batch : PackedBatch
            Windows of any modalities.
        layer : int
            0 the embedding output, k the output of block k, -1 the model's output with its final norm.
        """
        return self.encode(batch, layer)[0]

    def encode(self, batch: PackedBatch, layer: int = -1) -> tuple[Tensor, Tensor | None]:
        """As `forward`, with the windows' own tokens (B, D) where the model has them."""
        tokens, _ = self.embed(batch)
        visible = self.visible_tokens(batch)
        x, cls = self.encode_windows(tokens, visible, layer)
        return x.new_zeros(len(tokens), x.shape[1]).index_copy(0, visible.rows, x), cls

    def read(self, batch: PackedBatch, layer: int = -1) -> Tokens:
        """As `encode`, with the facts on each token."""
        return Tokens.laid(*self.encode(batch, layer), self.token_batch(batch))

    def layers(self, batch: PackedBatch) -> Iterator[tuple[Tensor, Tensor | None]]:
        """As `encode`, of layers 0 to depth - 1 and then of the output, in one pass."""
        tokens, _ = self.embed(batch)
        visible = self.visible_tokens(batch)
        for layer, (x, cls) in enumerate(self._states(tokens, visible)):
            if layer == len(self.blocks):
                x, cls = self.norm(x), None if cls is None else self.norm(cls)
            yield x.new_zeros(len(tokens), x.shape[1]).index_copy(0, visible.rows, x), cls
