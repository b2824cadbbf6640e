"""REVE's objective: as published, and for encoders of any width.

The position code is added again, as it is, to the decoder's tokens and to the pooled token; the pooled token reads the
outputs of all layers, the embedding's too (REVE, arXiv:2510.21585, section 3.3). The published code fails where encoder
and decoder differ in width, as in its Large; here the pooled token keeps the encoder's width, and its code.

Shape letters: N tokens of the packed row, M visible tokens, K hidden tokens, D embed_dim, B windows, L layers.
"""

from __future__ import annotations

from torch import Tensor, nn

from biosig.batches.packed import PackedBatch
from biosig.models.encoder import Encoder, VisibleTokens
from biosig.pretrain.decoder_config import DecoderConfig
from biosig.pretrain.objective import Decoder, Heads, Objective


class ReveReconstruction(Objective):
    """Encoder, decoder, and a pooled token over all layers.

    Parameters
    ----------
    encoder : Encoder
        What is being pretrained.
    decoder : DecoderConfig
        Size of the decoder; published are 4 blocks of width 512 with 8 heads.
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
        same = wide == dim
        self.enter = nn.Identity() if same else nn.Linear(wide, dim)
        self.place = nn.Identity() if same else nn.Linear(wide, dim)
        self.decoder = Decoder(decoder, encoder.config)
        self.heads = Heads(dim, encoder.config)
        self.global_mlp = nn.Sequential(nn.Linear(wide, 4 * wide, bias=False), nn.ReLU())
        self.global_heads = Heads(4 * wide, encoder.config)

    def predict(self, batch: PackedBatch, mask: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Hidden patches and words, as rebuilt by the decoder and from the pooled token."""
        tokens, position = self.encoder.embed(batch)
        visible = VisibleTokens.of(batch, ~mask)
        layers = self.encoder.hidden_states(tokens, visible)  # L × (M, D)
        pooled = self.encoder.pool(layers, batch.window[visible.rows], batch.n_windows)  # (B, D)
        from_pool = self.global_mlp(pooled[batch.window[mask]] + position[mask])  # (K, 4 · D)
        seen = self.enter(self.encoder.norm(layers[-1]))  # (M, decoder's D)
        y = self.decoder(seen, self.place(position), visible, batch, mask)  # (K, decoder's D)
        modality = batch.modality[mask]  # (K,)
        return self.heads(y, modality), self.global_heads(from_pool, modality)
