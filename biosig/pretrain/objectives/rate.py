"""Pulse rate, from a distribution of the encoder's own over log rates and, linearly, from the pooled tokens.

Every token gets the distribution (`biosig.models.fused.rates`), so what one learns the other can use.

Shape letters: B windows, W windows with PPG, R rates.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.models.encoder import Encoder
from biosig.models.fused.encoder import FusedEncoder
from biosig.models.fused.rates import log_rates, own_log_rate
from biosig.models.heads.rate import RateHeadConfig
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.configs.rate import RateConfig
from biosig.pretrain.objectives.neck import Neck, pooled_tokens
from biosig.pretrain.objectives.views import Views
from biosig.pretrain.targets import Targets

USUAL, SPREAD = 0.25, 0.4
"""Of the logarithm of beats per second: 77 per minute, and a third more or less."""


class PulseRate(Term):
    """Cross-entropy of a distribution over rates, and Huber's loss of the logarithm of the rate.

    Parameters
    ----------
    encoder : Encoder
        Fused, with PPG.
    config : RateConfig
        Weights and widths.
    targets : Targets
        Of the training windows; nothing is kept of them.
    """

    config: RateConfig

    def __init__(self, encoder: Encoder, config: RateConfig, targets: Targets) -> None:  # noqa: ARG002
        super().__init__(encoder, config)
        self.neck = Neck(encoder.config.embed_dim)
        self.head = nn.Linear(self.neck.linear.out_features, 1)

    def named_heads(self) -> list[nn.Module]:
        """The encoder's own rate."""
        return [RateHeadConfig().make(self.neck.linear.in_features // 3)]

    def forward(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss over windows of known rate.

        Returns
        -------
        loss : Tensor
            Scalar.
        logged : dict of str to scalar Tensor
            "cross_entropy" in nats above the least that is possible; "huber"; "beats_per_minute", the mean absolute
            error of the encoder's own rate.
        """
        encoder = views.encoder
        assert isinstance(encoder, FusedEncoder)
        windows, pooled = pooled_tokens(views, views.full(), "ppg")  # (W,), (W, 3 · D)
        if not len(windows):
            return 0 * torch.stack([parameter.sum() for parameter in self.parameters()]).sum(), {}
        predicted = self.head(self.neck(pooled)).float()[:, 0] * SPREAD + USUAL  # (W,)
        logits = encoder.rate_logits(views.batch)[windows]  # (W, R)
        rate = views.extras["rate"][windows, 0] / 60  # (W,) Hz
        grid = log_rates(logits.device)
        known = rate.isfinite() & (rate.log() >= grid[0]) & (rate.log() <= grid[-1])
        weight = known.float() / known.sum().clamp(min=1)
        wanted = torch.where(known, rate, 1.0).log()
        distribution = rate_distribution(wanted, self.config.width)
        least = -torch.xlogy(distribution, distribution).sum(dim=1)
        entropy = (weight * (-(distribution * logits.log_softmax(dim=1)).sum(dim=1) - least)).sum()
        delta = self.config.delta
        huber = (weight * F.huber_loss(predicted, wanted, reduction="none", delta=delta)).sum() / delta
        error = (weight * (own_log_rate(logits).exp() - wanted.exp()).abs()).sum() * 60
        loss = self.config.cross_entropy * entropy + self.config.huber * huber
        return loss, {
            "cross_entropy": entropy.detach(),
            "huber": huber.detach(),
            "beats_per_minute": error.detach(),
        }


def rate_distribution(log_rate: Tensor, width: float) -> Tensor:
    """The distribution (W, R) that is wanted of log rates (W,): normal, `width` steps of the grid wide."""
    grid = log_rates(log_rate.device)
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    shares = torch.exp(-0.5 * ((grid - log_rate[:, None]) / (width * step)).square())
    return shares / shares.sum(dim=1, keepdim=True)
