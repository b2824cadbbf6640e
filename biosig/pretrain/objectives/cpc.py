"""Contrastive predictive coding: the context of a causal pass tells the true future from others.

The loss is InfoNCE (CPC, arXiv:1807.03748, equation 4), with a linear map of the context for each horizon (equation 3),
and cosines over a temperature in place of products. Negatives are futures of the same window and of others of the batch
of that modality. What is predicted are the tokens before the first block, so these are worth reading too: readouts of
layer 0 beside the last, as the contract of the fused presets has them.

Shape letters: M tokens, K pairs, D embed_dim, E width of the comparison.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.batches.packed import MODALITY_IDS
from biosig.models.encoder import Encoder
from biosig.pretrain.objectives.ahead import ahead
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.configs.cpc import CpcConfig
from biosig.pretrain.objectives.group_mean import group_mean
from biosig.pretrain.objectives.views import States, Views


class ContrastivePrediction(Term):
    """A map of the future, and one of the context for each horizon.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, for its width and the length of its tokens.
    config : CpcConfig
        Horizons, and how the comparison is made.
    """

    config: CpcConfig
    step: Tensor

    def __init__(self, encoder: Encoder, config: CpcConfig) -> None:
        super().__init__(encoder, config)
        self.future = nn.Linear(encoder.config.embed_dim, config.embed_dim)
        self.context = nn.ModuleList(nn.Linear(encoder.config.embed_dim, config.embed_dim) for _ in config.horizons)
        self.strides = {m: contract.stride_seconds for m, contract in encoder.config.contract.items()}
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))  # seeds the choice of pairs

    def forward(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, in nats; "accuracy": how often the true future is the most likely; "chance": by guessing."""
        seen = views.causal()
        future = F.normalize(self.future(seen.local).float(), dim=1)  # (M, E)
        generator = torch.Generator().manual_seed(int(self.step))
        losses, logged = [0.0 * future.sum()], []
        for seconds, context in zip(self.config.horizons, self.context, strict=True):
            predicted = F.normalize(context(seen.output).float(), dim=1)  # (M, E)
            for modality, stride in self.strides.items():
                steps = max(1, round(seconds / stride))
                earlier, later = self._pairs(seen, MODALITY_IDS[modality], steps, generator)
                if len(earlier) > 1:
                    scores = predicted[earlier] @ future[later].T / self.config.temperature  # (K, K)
                    scores = scores.masked_fill(near(seen, later, self.config.apart), -torch.inf)
                    true = torch.arange(len(scores), device=scores.device)
                    losses.append(group_mean(F.cross_entropy(scores, true, reduction="none"), seen.window[later]))
                    right = (scores.argmax(dim=1) == true).float().mean()
                    logged.append(torch.stack((right, scores.isfinite().sum(dim=1).float().reciprocal().mean())))
        accuracy, chance = torch.stack(logged).mean(dim=0) if logged else future.new_zeros(2)
        return torch.stack(losses).sum() / max(len(logged), 1), {"accuracy": accuracy.detach(), "chance": chance}

    def _pairs(self, seen: States, modality: int, steps: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pairs of a modality, as many as are compared: places in `seen.rows`, (K,) each."""
        earlier, later = ahead(seen.tokens, seen.rows, steps)
        own = (seen.tokens.modality[seen.rows[earlier]] == modality).nonzero().squeeze(1)
        if len(own) > self.config.candidates:
            chosen = torch.randperm(len(own), generator=generator)[: self.config.candidates]
            own = own[chosen.sort().values.to(own.device)]
        return earlier[own], later[own]

    def after_step(self, step: int, steps: int) -> None:  # noqa: ARG002
        """Let the next step choose other pairs."""
        self.step.fill_(step)


def near(seen: States, later: Tensor, apart: int) -> Tensor:
    """Mask of futures that nearly coincide (K, K): of one window, at most `apart` tokens from each other."""
    rows = seen.rows[later]
    window, patch = seen.tokens.window[rows], seen.tokens.patch_index[rows]
    same_window = window[:, None] == window
    close = (patch[:, None] - patch).abs() <= apart
    return same_window & close & ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
