"""Masked reconstruction: the encoder sees part of the tokens, a light decoder rebuilds hidden patches and words.

The default objective of the `biosig-*` presets, after REVE (arXiv:2510.21585, section 3.3); `ReveReconstruction` is the
published one. Here the decoder has its own view of the position code whatever its width, and the pooled token is read
from the encoder's last layer, which is what `encode` gives.

Shape letters: N tokens of the packed row, M visible tokens, K hidden tokens, D embed_dim, B windows.
"""

from __future__ import annotations

from torch import Tensor, nn

from biosig.batches.packed import PackedBatch
from biosig.models.encoder import Encoder, VisibleTokens
from biosig.pretrain.decoder_config import DecoderConfig
from biosig.pretrain.objective import Decoder, Heads, Objective


class MaskedReconstruction(Objective):
    """Encoder, decoder, and a pooled token that must tell each patch by its position.

    Parameters
    ----------
    encoder : Encoder
        What is being pretrained.
    decoder : DecoderConfig
        Size of the decoder.
    global_weight : float
        Weight of the reconstruction from the pooled token.
    text_weight : float
        Weight of the hidden words.
    """

    def __init__(
        self, encoder: Encoder, decoder: DecoderConfig, global_weight: float = 0.1, text_weight: float = 0.1
    ) -> None:
        super().__init__(encoder, global_weight, text_weight)
        wide, dim = encoder.config.embed_dim, decoder.embed_dim
        self.enter = nn.Linear(wide, dim)
        self.place = nn.Linear(wide, dim)
        self.decoder = Decoder(decoder, encoder.config)
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.heads = Heads(dim, encoder.config)
        self.global_mlp = nn.Sequential(nn.Linear(wide, dim), nn.GELU(), nn.Linear(dim, dim))
        self.global_heads = Heads(dim, encoder.config)

    def predict(self, batch: PackedBatch, mask: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Hidden patches and words, as rebuilt by the decoder and from the pooled token."""
        tokens, position = self.encoder.embed(batch)
        visible = VisibleTokens.of(batch, ~mask)
        x = self.encoder.encode_visible(tokens, visible)  # (M, D)
        pooled = self.encoder.pool(x, batch.window[visible.rows], batch.n_windows)  # (B, D)
        from_pool = self.global_mlp(pooled[batch.window[mask]] + position[mask])  # (K, D)
        y = self.norm(self.decoder(self.enter(x), self.place(position), visible, batch, mask))  # (K, D)
        modality = batch.modality[mask]  # (K,)
        return self.heads(y, modality), self.global_heads(from_pool, modality)
