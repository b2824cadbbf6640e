"""Words of a report as tokens of the same transformer: embedding, place in the text, and "this is text".

Shape letters: N_text tokens of text, D embed_dim.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from biosig.layers.config import TextConfig


class TextEmbedding(nn.Module):
    """LayerNorm(word), and place + type as its position code (CSFM, arXiv:2507.01045).

    Parameters
    ----------
    config : TextConfig
        Sizes.
    embed_dim : int
        Width of a token.
    """

    def __init__(self, config: TextConfig, embed_dim: int) -> None:
        super().__init__()
        self.word = nn.Embedding(config.n_words, embed_dim)
        self.norm = nn.LayerNorm(embed_dim)
        self.place = nn.Parameter(torch.empty(config.n_tokens, embed_dim))
        self.kind = nn.Parameter(torch.empty(embed_dim))
        for parameter in (self.word.weight, self.place, self.kind):
            nn.init.normal_(parameter, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """Word ids (N_text,) → (N_text, D)."""
        return self.norm(self.word(ids))

    def code(self, place: Tensor) -> Tensor:
        """Places in their texts (N_text,) → (N_text, D)."""
        return self.place[place] + self.kind
