"""Diagnostic criteria as targets: the signs that clinicians look for, taught without a single diagnosis.

Shape letters: W windows that have a modality, F criteria, E width of the neck.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from biosig.models.pooled_head import PooledHead
from biosig.pretrain.objectives.columns import Columns, ColumnTerm
from biosig.pretrain.targets import Targets
from biosig.pretrain.targets.features import TargetColumn

RAREST = 0.01
"""Lowest and, as distance from 1, highest mean score by which a criterion is weighted; scores beyond count as this."""


class CriterionColumns(Columns):
    """The criteria of one modality.

    Parameters
    ----------
    embed_dim, width, names, picked
        As for `Columns`.
    values : ndarray of float32, shape (n_windows, F)
        Scores of the training windows, from 0 to 1.
    """

    entropy: Tensor  # (F,) nats

    def __init__(
        self,
        embed_dim: int,
        width: int,
        names: tuple[str, ...],
        picked: NDArray[np.int64],
        values: NDArray[np.float32],
    ) -> None:
        super().__init__(embed_dim, width, names, picked)
        rate = torch.from_numpy(np.nanmean(values, axis=0)).clamp(RAREST, 1 - RAREST)  # (F,)
        self.register_buffer("entropy", F.binary_cross_entropy(rate, rate, reduction="none"))
        self.logits = nn.Linear(width, len(picked))
        nn.init.normal_(self.logits.weight, std=0.01)  # near the mean score, where a gradient reaches the encoder
        with torch.no_grad():
            self.logits.bias.copy_(rate.logit())

    def made_head(self, kind: str) -> PooledHead:
        """The scores, from 0 to 1."""
        return self.head(kind, self.logits, "logistic")

    def errors(self, z: Tensor, target: Tensor, holds: Tensor, extras: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002
        """The cross-entropy of the scores over the entropy of their mean (W,): 1 = nothing is known but the mean."""
        crossed = F.binary_cross_entropy_with_logits(self.logits(z).float(), target, reduction="none")
        return {"loss": self.of_windows(crossed / self.entropy, holds)}


class Criteria(ColumnTerm):
    """Predicts the soft scores of criteria."""

    def wants(self, column: TargetColumn) -> bool:
        """True for a criterion."""
        return column.column.name.startswith("score_")

    def make(self, kind: str, embed_dim: int, picked: NDArray[np.int64], targets: Targets) -> CriterionColumns:  # noqa: ARG002
        """The criteria of a modality."""
        names, values = targets.columns["features"], targets.values["features"]
        return CriterionColumns(embed_dim, self.config.width, names, picked, values)
