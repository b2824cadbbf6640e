"""Heart and respiratory rate by rule, for targets that are such a rate; not a default, since targets do not name it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from biosig.downstream.baseline import BASELINES, Baseline
from biosig.downstream.baselines.context import FoldPredictions

if TYPE_CHECKING:
    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.evaluate.metrics import Floats


class _Rate(Baseline):
    """A rate per minute from the first modality in which beats are found; else the training part's mean."""

    kinds = ("number",)
    modalities = frozenset({"ecg", "ppg"})
    seedless = True
    rule: ClassVar[str]

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Apply the rule to each window of the test part."""
        mean = float(context.y[job.parts.train].mean())
        return FoldPredictions(None, np.array([self._rate(context, row, mean) for row in job.parts.test.tolist()]))

    def _rate(self, context: BaselineContext, row: int, otherwise: float) -> float:
        from biosig.downstream.baselines.models import rate_rules as rates

        window = context.stored_window(row)
        found: Floats = np.array([getattr(rates, self.rule)(window, kind) for kind in ("ecg", "ppg")])
        return float(found[np.isfinite(found)][0]) if np.isfinite(found).any() else otherwise


@BASELINES.register
class HeartRate(_Rate):
    """Heart rate from the median interval between beats (`biosig.downstream.baselines.models.rate_rules`)."""

    name = "heart_rate"
    title = "heart rate by rule"
    rule = "heart_rate"


@BASELINES.register
class RespiratoryRate(_Rate):
    """Respiratory rate from the amplitude modulation of beats (`biosig.downstream.baselines.models.rate_rules`)."""

    name = "respiratory_rate"
    title = "respiratory rate by rule"
    rule = "respiratory_rate"
