"""The fused encoder: stems, convolutions over neighbouring tokens, attention over windows.

Shape letters: P patches of the batch, N tokens, M valid tokens, D embed_dim, B windows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from biosig.batches.input_contract import MODALITY_IDS
from biosig.batches.packed import PackedBatch
from biosig.errors import UsageError
from biosig.layers.inference import for_inference
from biosig.layers.pooling import AttentionPool
from biosig.layers.positions import LONG_TIME_WAVELENGTHS, TIME_EXTENT, TIME_WAVELENGTHS, Fourier, geometric_frequencies
from biosig.models.config import EncoderConfig
from biosig.models.encoder import Encoder, VisibleTokens
from biosig.models.fused.blocks import ConvPair, FusedBlock
from biosig.models.fused.grid import Grid
from biosig.models.fused.layout import FusedTokens
from biosig.models.fused.rates import own_log_rate
from biosig.models.fused.signals import signals
from biosig.models.fused.stem import Stem
from biosig.models.fused.widths import N_LINES, N_POWERS, N_RATES


class FusedEncoder(Encoder):
    """One encoder of ECG, PPG and EEG whose tokens stand for all channels of a modality.

    Its first layers are `config.fused.convs` pairs of convolutions, the others attend. Layer 0 is the stem's output.

    Parameters
    ----------
    config : EncoderConfig
        With `fused`; `contract` has a modality for each stem.
    """

    def __init__(self, config: EncoderConfig) -> None:
        nn.Module.__init__(self)
        assert config.fused is not None
        self.config = config
        dim, convs = config.embed_dim, config.fused.convs
        self.stems = nn.ModuleDict({m: Stem(m, c, dim, config.fused.stem_dim) for m, c in config.contract.items()})
        self.mlp = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
        self.modality = nn.Embedding(len(MODALITY_IDS), dim)
        self.mask_vector = nn.Parameter(torch.empty(dim))
        self.positions = TokenTimes(dim)
        hidden_dim = round(dim * config.mlp_ratio)
        self.blocks = nn.ModuleList(
            ConvPair(dim) if i < convs else FusedBlock(dim, config.num_heads, hidden_dim) for i in range(config.depth)
        )
        self.norm = nn.LayerNorm(dim) if config.final_norm else nn.Identity()
        self.pool = AttentionPool(dim)
        nn.init.normal_(self.modality.weight, std=0.1)
        nn.init.normal_(self.mask_vector, std=0.02)
        nn.init.normal_(self.pool.query, std=0.02)
        half = torch.zeros(len(MODALITY_IDS))
        for modality, wanted in config.contract.items():
            half[MODALITY_IDS[modality]] = wanted.patch_seconds / 2
        self.register_buffer("token_half", half, persistent=False)  # s, of a token, by modality

    token_half: Tensor

    def token_batch(self, batch: PackedBatch) -> PackedBatch:
        """One row per token."""
        return Grid.of(batch, self.config.contract).tokens

    def token_hidden(self, batch: PackedBatch, hidden: Tensor) -> Tensor:
        """Tokens (N,) of which no valid patch is seen, given the hidden patches (P,)."""
        return Grid.of(batch, self.config.contract).hidden(batch, hidden)

    def token_of(self, batch: PackedBatch) -> Tensor:
        """The token of each patch (P,): one for all channels at that time."""
        return Grid.of(batch, self.config.contract).token

    def local(self, embedded: tuple[Tensor, Tensor]) -> Tensor:
        """The stem's output (N, D), which has no code of place and time in it."""
        return embedded[0]

    def embed(self, batch: PackedBatch, hidden: Tensor | None = None, causal: bool = False) -> tuple[Tensor, Tensor]:
        """Tokens before the first block (N, D), zeros where not valid, and the code of their times and modalities.

        Parameters
        ----------
        batch : PackedBatch
            Of P patches.
        hidden : Tensor of bool, shape (P,), optional
            Patches whose samples weigh nothing. A token without any other is the mask vector.
        causal : bool
            Whether a token sees no sample that is later than its own last.

        Raises
        ------
        UsageError
            If the batch has text.
        """
        if len(batch.text_ids):
            raise UsageError(f"Model '{self.config.name}' has no text modality: leave text out.")
        grid = Grid.of(batch, self.config.contract)
        tokens = batch.position.new_zeros(grid.tokens.n_tokens, self.config.embed_dim)
        for modality, stem in self.stems.items():
            for part in signals(batch, grid, modality, self.config.contract[modality], hidden):
                tokens = tokens.index_copy(0, part.tokens.flatten(), stem(part, causal).flatten(0, 1).to(tokens.dtype))
        kind = self.modality(grid.tokens.modality)
        tokens = tokens + self.mlp(tokens) + kind
        if hidden is not None:
            tokens = torch.where(grid.hidden(batch, hidden)[:, None], self.mask_vector + kind, tokens)
        tokens = tokens * grid.tokens.valid[:, None]
        return tokens, self.positions(grid.tokens) + kind

    def spectrum(self, batch: PackedBatch) -> Tensor:
        """Log powers that the EEG's stem sees of each token (N, F), zeros of other modalities."""
        grid = Grid.of(batch, self.config.contract)
        powers = batch.position.new_zeros(grid.tokens.n_tokens, N_POWERS)
        for part in signals(batch, grid, "eeg", self.config.contract["eeg"]):
            powers = powers.index_copy(0, part.tokens.flatten(), self._eeg.spectrum(part).flatten(0, 1))
        return powers

    def coherence(self, batch: PackedBatch) -> Tensor:
        """Lines that the EEG's sites share, of each window (B, 161), zeros of windows without EEG."""
        grid, contract = Grid.of(batch, self.config.contract), self.config.contract["eeg"]
        lines = batch.position.new_zeros(batch.n_windows, N_LINES)
        for part in signals(batch, grid, "eeg", contract):
            windows = grid.tokens.window[part.tokens[:, 0]]
            lines = lines.index_copy(0, windows, self._eeg.coherence(part, contract.sfreq))
        return lines

    def rate_logits(self, batch: PackedBatch) -> Tensor:
        """Logits over pulse rates (`fused.rates`) of each window (B, 120), NaN of windows without PPG."""
        grid = Grid.of(batch, self.config.contract)
        logits = batch.position.new_full((batch.n_windows, N_RATES), torch.nan)
        stem = self.stems["ppg"]
        assert isinstance(stem, Stem)
        for part in signals(batch, grid, "ppg", self.config.contract["ppg"]):
            windows = grid.tokens.window[part.tokens[:, 0]]
            logits = logits.index_copy(0, windows, stem.rate_logits(part))
        return logits

    def heart_rate(self, batch: PackedBatch) -> Tensor:
        """Beats per minute that each window's PPG has by the encoder's own distribution (B,), NaN without PPG."""
        return 60 * own_log_rate(self.rate_logits(batch)).exp()

    @property
    def _eeg(self) -> Stem:
        stem = self.stems["eeg"]
        assert isinstance(stem, Stem)
        return stem

    def visible_tokens(
        self,
        batch: PackedBatch,
        hidden: Tensor | None = None,  # noqa: ARG002  # what is hidden goes on as the mask vector
        causal: bool = False,
    ) -> FusedTokens:
        """All valid tokens, those that are hidden among them."""
        return FusedTokens.laid_out(self.token_batch(batch), self.token_half, causal)

    def enter(
        self, tokens: Tensor, visible: VisibleTokens
    ) -> tuple[Tensor, Any, Callable[[Tensor], tuple[Tensor, Tensor | None]]]:
        """Input of the blocks, missing tokens among it, and a function that takes those out again."""
        assert isinstance(visible, FusedTokens)
        seats = visible.seats
        return tokens[visible.laid], visible.lengths, lambda x: (x if seats is None else x[seats], None)

    def for_inference(self, dtype: torch.dtype) -> FusedEncoder:
        """A copy whose blocks multiply in `dtype`; see `Encoder.for_inference`."""
        other = copy.copy(self)
        other._modules = {**self._modules, "blocks": for_inference(self.blocks, dtype, in_parts=False)}
        return other


class TokenTimes(nn.Module):
    """Sines and cosines of each token's time, by which a decoder places a token. It has no weights.

    Parameters
    ----------
    embed_dim : int
        Even.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        slow = geometric_frequencies(LONG_TIME_WAVELENGTHS, 4)
        fast = geometric_frequencies(TIME_WAVELENGTHS, embed_dim // 2 - 4)
        self.fourier = Fourier(torch.cat((slow, fast)), TIME_EXTENT)

    def forward(self, batch: PackedBatch) -> Tensor:
        """The code of each token of a packed batch (N, D)."""
        return self.fourier(batch.position[:, 3:])
