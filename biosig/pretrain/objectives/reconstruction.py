"""Masked reconstruction: the encoder sees part of the patches, a light decoder rebuilds hidden patches and words.

The default objective of the `biosig-*` presets, after REVE (arXiv:2510.21585, section 3.3); `ReveReconstruction` is the
published one. Here the decoder has its own view of the position code whatever its width, and the pooled token is read
from the encoder's last layer, which is what `encode` gives. A token of a fused encoder stands for all channels: there
the decoder is asked for (token, channel), the channel by the code of where its electrodes are.

Shape letters: N tokens, M visible tokens, K hidden patches, D embed_dim, B windows.
"""

from __future__ import annotations

from torch import Tensor, nn

from biosig.models.encoder import Encoder
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from biosig.pretrain.objectives.decoder import ChannelCode, Decoder, ReconstructionHeads
from biosig.pretrain.objectives.rebuilding import RebuildingTerm
from biosig.pretrain.objectives.views import Views


class MaskedReconstruction(RebuildingTerm):
    """Encoder and decoder.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, for its sizes.
    config : ReconstructionConfig
        Size of the decoder, and weights.
    """

    def __init__(self, encoder: Encoder, config: ReconstructionConfig) -> None:
        super().__init__(encoder, config)
        wide, dim = encoder.config.embed_dim, config.decoder.embed_dim
        self.enter = nn.Linear(wide, dim)
        self.place = nn.Linear(wide, dim)
        self.decoder = Decoder(config.decoder, encoder.config)
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.heads = ReconstructionHeads(dim, encoder.config)
        self.global_mlp = nn.Sequential(nn.Linear(wide, dim), nn.GELU(), nn.Linear(dim, dim))
        self.global_heads = ReconstructionHeads(dim, encoder.config)
        if encoder.config.fused is not None:
            self.channel = ChannelCode(dim)
            self.ask, self.global_ask = (
                nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim)) for _ in range(2)
            )

    def predict(self, views: Views) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Hidden patches and words, as rebuilt by the decoder and from the pooled token."""
        batch, mask, seen = views.batch, views.mask, views.visible()
        token = views.encoder.token_of(batch)[mask]  # (K,)
        asked = views.hidden_share > 0  # (N,) those that have a hidden patch
        x, position = seen.output, seen.position  # (M, D), (N, D)
        from_pool = self.global_mlp(seen.pooled[batch.window[mask]] + position[token])  # (K, decoder's D)
        y = self.norm(self.decoder(self.enter(x), self.place(position), seen.visible, views.tokens, asked))
        y = y[asked.cumsum(0)[token] - 1]  # (K, decoder's D)
        if views.encoder.config.fused is not None:
            code = self.channel(batch, mask)  # (K, decoder's D)
            y, from_pool = y + self.ask(y + code), from_pool + self.global_ask(from_pool + code)
        modality = batch.modality[mask]  # (K,)
        return self.heads(y, modality), self.global_heads(from_pool, modality)
