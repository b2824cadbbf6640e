"""Latents ahead: a causal pass predicts the embedding of a later token; SIGReg keeps latents from becoming one point.

After LeNEPA (arXiv:2607.00958): prediction and target go through one projection, no gradient is stopped, and the
distribution of the tokens of each window is held at an isotropic Gaussian (LeJEPA, arXiv:2511.08544, section 4). There
the projection has a batch norm; here a layer norm, so that windows do not see each other.

Shape letters: M tokens, K pairs, D embed_dim, E width of the projection, G = windows · modalities.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from biosig.batches.packed import MODALITY_IDS
from biosig.models.encoder import Encoder
from biosig.pretrain.objectives.ahead import ahead
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.configs.next_latent import NextLatentConfig
from biosig.pretrain.objectives.group_mean import group_mean
from biosig.pretrain.objectives.sigreg import random_directions, sigreg
from biosig.pretrain.objectives.views import Views


class NextLatent(Term):
    """The projection.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, for its width.
    config : NextLatentConfig
        Number of tokens ahead, widths, and the weight of SIGReg.
    """

    config: NextLatentConfig
    step: Tensor

    def __init__(self, encoder: Encoder, config: NextLatentConfig) -> None:
        super().__init__(encoder, config)
        hidden = config.hidden_dim
        self.project = nn.Sequential(
            nn.Linear(encoder.config.embed_dim, hidden),
            nn.LayerNorm(hidden),
            nn.GELU(),
            nn.Linear(hidden, config.embed_dim),
        )
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))  # seeds the directions

    def forward(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and "loss_prediction", "loss_sigreg"; "mean_predictor": the error of predicting the window's mean.

        All of them are means over windows and modalities, each of which weighs the same.
        """
        seen = views.causal()
        modality = seen.tokens.modality[seen.rows]  # (M,)
        signal = (modality != MODALITY_IDS["text"]).nonzero().squeeze(1)
        group = seen.window * len(MODALITY_IDS) + modality  # (M,)
        latent, context = self.project(seen.local).float(), self.project(seen.output).float()  # (M, E) each
        earlier, later = ahead(seen.tokens, seen.rows, self.config.horizon)  # (K,) each
        error = (context[earlier] - latent[later]).square().mean(dim=1)
        prediction = group_mean(error, group[earlier])
        regularisation = self._regularisation(latent[signal], context[signal], group[signal])
        with torch.no_grad():
            spread = group_mean(_squared_deviation(latent[later], group[earlier]), group[earlier])
        return prediction + self.config.sigreg * regularisation, {
            "loss_prediction": prediction.detach(),
            "mean_predictor": spread,
            "loss_sigreg": regularisation.detach(),
        }

    def _regularisation(self, latent: Tensor, context: Tensor, group: Tensor) -> Tensor:
        """SIGReg of latents and of predictions, the mean over windows and modalities."""
        seed, n_groups = int(self.step), int(group.max()) + 1 if len(group) else 1
        directions = random_directions(self.config.embed_dim, self.config.directions, seed, latent.device)
        n_filled = (torch.bincount(group, minlength=n_groups) > 0).sum().clamp(min=1)
        of_groups = [sigreg(x, group, n_groups, directions) for x in (latent, context)]  # (G,) each
        return (of_groups[0] + of_groups[1]).sum() / n_filled

    def after_step(self, step: int, steps: int) -> None:  # noqa: ARG002
        """Let the next step draw other directions."""
        self.step.fill_(step)


def _squared_deviation(x: Tensor, group: Tensor) -> Tensor:
    """Mean square of each vector's (K, D) distance from its group's mean (K,)."""
    n_groups = int(group.max()) + 1 if len(group) else 1
    counts = torch.bincount(group, minlength=n_groups).clamp(min=1)[:, None]
    mean = x.new_zeros(n_groups, x.shape[1]).index_add(0, group, x) / counts
    return (x - mean[group]).square().mean(dim=1)
