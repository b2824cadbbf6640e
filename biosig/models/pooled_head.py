"""The module of a head on pooled tokens.

Shape letters: B windows, W windows that have the modality, N tokens, F columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from biosig.batches.input_contract import MODALITY_IDS
from biosig.batches.packed import PackedBatch
from biosig.models.encoder import Encoder
from biosig.models.heads.pooled import PooledHeadConfig
from biosig.models.neck import POOLING, Neck
from biosig.models.readouts import READOUTS, Segments
from biosig.models.tokens import Tokens


class PooledHead(nn.Module):
    """A neck and a linear layer on the pooled tokens of one modality.

    Parameters
    ----------
    config : PooledHeadConfig
        Columns and sizes.
    embed_dim : int
        Of the tokens.
    """

    centre: Tensor  # (F,) what zero stands for
    scale: Tensor  # (F,) what one stands for beside it

    def __init__(self, config: PooledHeadConfig, embed_dim: int) -> None:
        super().__init__()
        self.config = config
        self.neck = Neck(embed_dim, config.width)
        self.linear = nn.Linear(config.width, len(config.columns))
        self.register_buffer("centre", torch.zeros(len(config.columns)))
        self.register_buffer("scale", torch.ones(len(config.columns)))

    def forward(self, encoder: Encoder, batch: PackedBatch, tokens: Tokens) -> Tensor:  # noqa: ARG002  # for others
        """The columns of each window (B, F), NaN where it has no valid token of the modality."""
        own = tokens.valid & (tokens.modality == MODALITY_IDS[self.config.modality])  # (N,)
        windows, segment = torch.unique(tokens.window[own], return_inverse=True)  # (W,)
        out = tokens.values.new_full((tokens.n_windows, len(self.config.columns)), torch.nan, dtype=torch.float32)
        if not len(windows):
            return out
        seen = Segments(tokens.values[own].float(), torch.ones_like(segment, dtype=torch.bool), segment, len(windows))
        found = self.linear(self.neck(READOUTS[POOLING]()(seen)))  # (W, F)
        out[windows] = found.sigmoid() if self.config.link == "logistic" else found * self.scale + self.centre
        return out
