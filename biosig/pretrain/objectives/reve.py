"""REVE's objective: as published, and for encoders of any width.

The position code is added again, as it is, to the decoder's tokens and to the pooled token; the pooled token reads the
outputs of all layers, the embedding's too (REVE, arXiv:2510.21585, section 3.3). The published code fails where encoder
and decoder differ in width, as in its Large; here the pooled token keeps the encoder's width, and its code.

Shape letters: N tokens of the packed row, M visible tokens, K hidden tokens, D embed_dim, B windows, L layers.
"""

from __future__ import annotations

from torch import Tensor, nn

from biosig.models.encoder import Encoder
from biosig.pretrain.objectives.configs.reve import ReveConfig
from biosig.pretrain.objectives.decoder import Decoder, ReconstructionHeads
from biosig.pretrain.objectives.rebuilding import RebuildingTerm
from biosig.pretrain.objectives.views import Views


class ReveReconstruction(RebuildingTerm):
    """Encoder, decoder, and a pooled token over all layers.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, for its sizes.
    config : ReveConfig
        Size of the decoder, and weights.
    """

    def __init__(self, encoder: Encoder, config: ReveConfig) -> None:
        super().__init__(encoder, config)
        wide, dim = encoder.config.embed_dim, config.decoder.embed_dim
        same = wide == dim
        self.enter = nn.Identity() if same else nn.Linear(wide, dim)
        self.place = nn.Identity() if same else nn.Linear(wide, dim)
        self.decoder = Decoder(config.decoder, encoder.config)
        self.heads = ReconstructionHeads(dim, encoder.config)
        self.global_mlp = nn.Sequential(nn.Linear(wide, 4 * wide, bias=False), nn.ReLU())
        self.global_heads = ReconstructionHeads(4 * wide, encoder.config)

    def predict(self, views: Views) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Hidden patches and words, as rebuilt by the decoder and from the pooled token."""
        batch, mask, seen = views.batch, views.mask, views.visible()
        position = seen.position  # (N, D)
        pooled = views.encoder.pool(seen.layers, seen.window, batch.n_windows)  # (B, D)
        from_pool = self.global_mlp(pooled[batch.window[mask]] + position[mask])  # (K, 4 · D)
        entered = self.enter(seen.output)  # (M, decoder's D)
        y = self.decoder(entered, self.place(position), seen.visible, batch, mask)  # (K, decoder's D)
        modality = batch.modality[mask]  # (K,)
        return self.heads(y, modality), self.global_heads(from_pool, modality)
