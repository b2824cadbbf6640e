"""Chance baseline: predictions without the signal."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from biosig.downstream.baseline import BASELINES, Baseline
from biosig.downstream.baselines.context import FoldPredictions

if TYPE_CHECKING:
    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.evaluate.metrics import Kind


@BASELINES.register
class Chance(Baseline):
    """Predict equal scores for all classes, 0.5 for labels, the mean, or one hazard for all."""

    name = "chance"
    title = "chance"
    seedless = True
    rank = 0
    seed_id = 1

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """True for every task."""
        return True

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Predict the same for every window."""
        from biosig.downstream.baselines.models.simple import predict_prior

        return FoldPredictions(
            None, predict_prior(context.y[job.parts.train], len(job.parts.test), context.target.kind)
        )
