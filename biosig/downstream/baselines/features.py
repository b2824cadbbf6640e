"""Trees on hand-made features, or on age and sex; of a time to an event, a linear Cox model of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.baselines import BASELINES, Baseline
from biosig.downstream.baselines.context import FoldPredictions

if TYPE_CHECKING:
    from biosig.batches.windows import RecordingSet
    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.downstream.targets import Target
    from biosig.evaluate.metrics import Floats, Kind


@BASELINES.register
class Handmade(Baseline):
    """Heart rate, heart-rate variability, wave shapes, band powers (`biosig.evaluate.baselines.features`)."""

    name = "handmade"
    title = "hand-made features"
    seedless = True
    rank = 30
    seed_id = 7

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """Always."""
        return True

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit the features of windows as they were stored."""
        return _from_features(context, job, context.handmade_features[0])

    def remarks(self, context: BaselineContext) -> list[str]:
        """How many windows could not be measured."""
        return [f"{self.name}: {remark}" for remark in context.handmade_features[1]]


@BASELINES.register
class Demographics(Baseline):
    """Age and sex, without the signal."""

    name = "demographics"
    title = "age and sex"
    seedless = True
    rank = 10
    seed_id = 10

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """Where they are known and not the target."""
        return demographics

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit age and sex of the windows' subjects."""
        windows = context.windows.windows
        return _from_features(context, job, demographic_features(windows.ds, context.target)[windows.recording])


def demographic_features(ds: RecordingSet, target: Target) -> NDArray[np.float64]:
    """Age in years and sex (0 female, 1 male), shape (n_recordings, 0 to 2); NaN where not known.

    What is the target, or the same for everybody, is left out.
    """
    index = ds.to_pandas()
    sex = index["sex"].astype(object).map({"female": 0.0, "male": 1.0}).to_numpy(np.float64)
    columns = {"age": index["age"].to_numpy(np.float64), "sex": sex}
    varying = [
        values
        for name, values in columns.items()
        if name != target.label and len(np.unique(values[np.isfinite(values)])) > 1
    ]
    return np.stack(varying, axis=1) if varying else np.empty((len(index), 0))


def _from_features(context: BaselineContext, job: FitJob, X: Floats) -> FoldPredictions:
    from biosig.downstream.linear import DEFAULT_PENALTY, fit_predict
    from biosig.evaluate.baselines.boosting import boosted_predictions

    y, parts, kind = context.y, job.parts, context.target.kind
    if kind == "survival":
        hazards = fit_predict(X[parts.train], y[parts.train], X[parts.test], DEFAULT_PENALTY, "survival")
        return FoldPredictions(None, hazards)
    train, validation = ((X[rows], y[rows]) for rows in (parts.train, parts.validation))
    unseen = X[np.concatenate((parts.validation, parts.test))]
    scores = boosted_predictions(train, validation, unseen, kind, context.seed)
    return FoldPredictions(scores[: len(parts.validation)], scores[len(parts.validation) :])
