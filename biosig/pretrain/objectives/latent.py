"""A teacher's latents: the visible pass predicts the hidden tokens' states in the encoder's moving average.

After data2vec (arXiv:2202.03555): the target is the mean of the teacher's top layers, each normalised over the tokens
of a window without learned parameters (section 3.3, as there for speech), and the error is a smooth absolute one
(section 3.4). A light decoder answers for hidden tokens, which an encoder of visible tokens alone has none of (data2vec
2.0, arXiv:2212.07525, section 3.2). A fused token some of whose channels are hidden counts by their share.

Shape letters: N tokens, M tokens that a pass sees, K tokens that are asked for, D embed_dim.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.batches.packed import MODALITY_IDS
from biosig.models.encoder import Encoder
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.configs.latent import LatentConfig
from biosig.pretrain.objectives.decoder import Decoder
from biosig.pretrain.objectives.group_mean import group_mean
from biosig.pretrain.objectives.views import Views


class LatentPrediction(Term):
    """The decoder.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, for its sizes.
    config : LatentConfig
        Size of the decoder, and the layers of the teacher that are predicted.
    """

    config: LatentConfig

    def __init__(self, encoder: Encoder, config: LatentConfig) -> None:
        super().__init__(encoder, config)
        wide, dim = encoder.config.embed_dim, config.decoder.embed_dim
        self.enter, self.place = nn.Linear(wide, dim), nn.Linear(wide, dim)
        self.decoder = Decoder(config.decoder, encoder.config)
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.leave = nn.Linear(dim, wide)

    def forward(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss; and "mean_predictor", the same error of predicting the mean of a window's tokens."""
        seen, teacher, share = views.visible(), views.teacher(), views.hidden_share
        asked = share > 0  # (N,)
        group = views.tokens.window * len(MODALITY_IDS) + views.tokens.modality  # (N,)
        targets = normalised_mean(teacher.layers[1:][-self.config.layers :], group[teacher.rows])  # (M, D)
        targets = targets.new_zeros(len(group), targets.shape[1]).index_copy(0, teacher.rows, targets)[asked]
        y = self.decoder(self.enter(seen.output), self.place(seen.position), seen.visible, views.tokens, asked)
        predicted = self.leave(self.norm(y)).float()  # (K, D)
        loss, of_mean = (
            group_mean(
                F.smooth_l1_loss(x, targets, reduction="none", beta=self.config.beta).mean(dim=1),
                group[asked],
                share[asked],
            )
            for x in (predicted, torch.zeros_like(predicted))
        )
        return loss, {"mean_predictor": of_mean.detach()}


def normalised_mean(layers: Sequence[Tensor], group: Tensor) -> Tensor:
    """The mean of layers, L × (M, D), each with mean 0 and deviation 1 over the tokens of a group (M,) → (M, D)."""
    n_groups = int(group.max()) + 1 if len(group) else 1
    counts = torch.bincount(group, minlength=n_groups).clamp(min=1)[:, None]

    def mean(x: Tensor) -> Tensor:
        return (x.new_zeros(n_groups, x.shape[1]).index_add(0, group, x) / counts)[group]

    total = torch.zeros_like(layers[0], dtype=torch.float32)
    for layer in layers:
        centred = layer.float() - mean(layer.float())
        total = total + centred / (mean(centred.square()) + 1e-5).sqrt()
    return total / len(layers)
