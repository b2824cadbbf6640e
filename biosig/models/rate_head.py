"""The module of a head that gives an encoder's own pulse rate; its weights are the encoder's."""

from __future__ import annotations

from torch import Tensor, nn

from biosig.batches.packed import PackedBatch
from biosig.models.encoder import Encoder
from biosig.models.fused.encoder import FusedEncoder
from biosig.models.heads.rate import RateHeadConfig
from biosig.models.tokens import Tokens


class RateHead(nn.Module):
    """Beats per minute (`FusedEncoder.heart_rate`).

    Parameters
    ----------
    config : RateHeadConfig
        The column.
    embed_dim : int
        Of the tokens, which are not looked at.
    """

    def __init__(self, config: RateHeadConfig, embed_dim: int) -> None:  # noqa: ARG002
        super().__init__()
        self.config = config

    def forward(self, encoder: Encoder, batch: PackedBatch, tokens: Tokens) -> Tensor:  # noqa: ARG002
        """The rate of each window (B, 1), NaN without PPG."""
        assert isinstance(encoder, FusedEncoder)
        return encoder.heart_rate(batch)[:, None]
