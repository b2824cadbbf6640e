"""Network on hand-made features alone, with about as many parameters as the model under test."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from biosig.downstream.baseline import BASELINES
from biosig.downstream.baselines._supervised import NetworkSpec, SupervisedNetwork
from biosig.training.config import TrainingStage

if TYPE_CHECKING:
    from torch import nn

    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.downstream.data.batch_sources import BatchSource


@BASELINES.register
class FeaturesNetwork(SupervisedNetwork):
    """Network with two hidden layers on the features of `biosig.features`, which `handmade` reads too.

    Its score is the one that a network of the model's size reaches without the signal.
    """

    name = "features_network"
    title = "network on hand-made features"
    rank = 31
    recipe = NetworkSpec(
        TrainingStage(1e-3, 60, warmup=1, patience=10, dropout=0.3, weight_decay=0.05, mixup=False, schedule="linear"),
        per_minute=60_000.0,
        longest=1.0,  # a window costs the same whatever its length
    )

    def examples(self, context: BaselineContext, job: FitJob) -> BatchSource:
        """Features clipped and standardised by the training part, with its medians for missing ones."""
        import numpy as np

        from biosig.downstream.baselines.features import clipped
        from biosig.downstream.data.batch_sources import TableExamples
        from biosig.downstream.probe.fit import FeatureScaler

        X = clipped(context.features[0], job.parts.train)
        standard = FeatureScaler.fit(X[job.parts.train], None)(X)
        return TableExamples(standard.astype(np.float32), context.model.device)

    def make(self, context: BaselineContext, examples: Any, n_outputs: int) -> nn.Module:
        """Make the network with a width that gives about the model's number of parameters."""
        from torch import nn

        n_features = examples.table.shape[1]
        width = hidden_width(context.model.n_parameters, n_features, n_outputs)
        return nn.Sequential(
            nn.Linear(n_features, width),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(width, n_outputs),
        )

    def remarks(self, context: BaselineContext) -> list[str]:
        """Remarks on fits that the budget ended, and on windows that could not be measured."""
        return [*super().remarks(context), *(f"{self.name}: {remark}" for remark in context.features[1])]


def hidden_width(n_parameters: int, n_features: int, n_outputs: int) -> int:
    """Width of two hidden layers with about so many parameters together, 8 at least."""
    ends = n_features + n_outputs + 2
    return max(round((math.sqrt(ends**2 + 4 * n_parameters) - ends) / 2), 8)
