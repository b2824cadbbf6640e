"""The encoder's own vectors: the pool query's, the window's own token, and either beside all tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biosig.models.readouts import READOUTS, Readout, Segments

if TYPE_CHECKING:
    from torch import Tensor

    from biosig.models.config import EncoderConfig


@READOUTS.register
class Attention(Readout):
    """Attention pooling: the encoder's query over a segment's valid tokens (REVE, arXiv:2510.21585, section 3.3)."""

    name = "attention"
    needs = "query"

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, D)."""
        return tokens.vector()


@READOUTS.register
class OwnToken(Readout):
    """The token of the window's own, which has attended to all others (CSFM, arXiv:2507.01045)."""

    name = "cls"
    needs = "own"
    one_per_window = True

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, D)."""
        return tokens.vector()


@READOUTS.register
class Flatten(Readout):
    """The encoder's own vector and all tokens of the window side by side (REVE's fine-tuning), zeros for invalid."""

    name = "flatten"
    one_layout = True

    @classmethod
    def fits(cls, config: EncoderConfig) -> bool:
        """For encoders with tokens and a vector of their own."""
        return config.has_tokens and (config.cls or config.has_query)

    def n_features(self, embed_dim: int, n_tokens: int = 0) -> int:
        """The vector's width and that of all tokens."""
        return embed_dim * (1 + n_tokens)

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, (1 + n_tokens) · D)."""
        import torch

        values = tokens.values.masked_fill(~tokens.valid[:, None], 0.0)
        return torch.cat((tokens.vector(), values.reshape(tokens.n_segments, -1)), dim=1)
