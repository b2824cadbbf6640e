"""CSFM's objective: hidden patches are rebuilt lead by lead, hidden words guessed (arXiv:2507.01045).

What is published: three quarters of the signal's tokens and half of the text's are hidden, and its code has a linear
map with a weight per channel. Not published are the decoder's depth and width and the weights of the losses: they are
configuration here. Nor is what trains the window's own token, which a decoder of the other tokens alone would not: here
hidden tokens are also rebuilt from it, as from the pooled token of the other objectives.

Shape letters: K hidden tokens, D embed_dim, P samples of a patch, W words of the vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from biosig.batches.packed import MODALITY_IDS
from biosig.electrodes.leads import LEADS, lead_of_channel
from biosig.models.encoder import Encoder, EncoderConfig
from biosig.pretrain.objectives.configs.csfm import CsfmConfig
from biosig.pretrain.objectives.decoder import Decoder
from biosig.pretrain.objectives.rebuilding import RebuildingTerm
from biosig.pretrain.objectives.views import Views


class LeadHeads(nn.Module):
    """A linear map per lead from a token to the samples of its patch, and one from a token to the logits of its word.

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    encoder : EncoderConfig
        Its contract gives the length of the patches, and its text the number of words.
    """

    lead_of_channel: Tensor

    def __init__(self, embed_dim: int, encoder: EncoderConfig) -> None:
        super().__init__()
        patch_size = next(iter(encoder.contract.values())).patch_size
        self.weight = nn.Parameter(nn.init.trunc_normal_(torch.empty(len(LEADS), embed_dim, patch_size), std=0.02))
        self.bias = nn.Parameter(torch.zeros(len(LEADS), patch_size))
        self.words = nn.Linear(embed_dim, encoder.text.n_words) if encoder.text else None
        self.register_buffer("lead_of_channel", torch.tensor(lead_of_channel()), persistent=False)

    def forward(self, tokens: Tensor, modality: Tensor, channel: Tensor) -> dict[str, Tensor]:
        """Tokens (K, D) with their modality (K,) and channel (K,) → {modality: (K_m, P)}, {"text": (K_text, W)}."""
        rows = (modality != MODALITY_IDS["text"]).nonzero().squeeze(1)
        lead = self.lead_of_channel[channel[rows]]
        rows = rows[torch.argsort(lead, stable=True)]
        counts = torch.bincount(lead, minlength=len(LEADS)).tolist()
        parts = torch.split(tokens[rows], counts)
        rebuilt = torch.cat([x @ w + b for x, w, b in zip(parts, self.weight, self.bias, strict=True)])
        patches = rebuilt.new_zeros(len(tokens), rebuilt.shape[1]).index_copy(0, rows, rebuilt)  # (K, P)
        out = {m: patches[modality == MODALITY_IDS[m]] for m in ("ecg", "ppg")}
        if self.words:
            out["text"] = self.words(tokens[modality == MODALITY_IDS["text"]])
        return out


class CsfmReconstruction(RebuildingTerm):
    """Encoder and decoder with heads per lead; the error of a sample is squared.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, of twelve leads and PPG, with a token per window, for its sizes.
    config : CsfmConfig
        Size of the decoder, and weights.
    """

    distance = staticmethod(torch.square)

    def __init__(self, encoder: Encoder, config: CsfmConfig) -> None:
        super().__init__(encoder, config)
        sizes = encoder.config
        wide, dim = sizes.embed_dim, config.decoder.embed_dim
        self.enter = nn.Linear(wide, dim)
        self.place = nn.Linear(wide, dim)
        self.decoder = Decoder(config.decoder, sizes)
        self.norm = sizes.block.make_norm(dim)
        self.heads = LeadHeads(dim, sizes)
        self.global_mlp = nn.Sequential(nn.Linear(wide, dim), nn.GELU(), nn.Linear(dim, dim))
        self.global_heads = LeadHeads(dim, sizes)

    def predict(self, views: Views) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Hidden patches and words, as rebuilt by the decoder and from the window's own token."""
        batch, mask, seen = views.batch, views.mask, views.visible()
        x, position = seen.output, seen.position  # (M, D), (N, D)
        from_cls = self.global_mlp(seen.pooled[batch.window[mask]] + position[mask])  # (K, decoder's D)
        y = self.norm(self.decoder(self.enter(x), self.place(position), seen.visible, batch, mask))  # (K, decoder's D)
        which = batch.modality[mask], batch.channel[mask]  # (K,), (K,)
        return self.heads(y, *which), self.global_heads(from_cls, *which)
