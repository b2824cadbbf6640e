"""Covariances of EEG in tangent space, with logistic regression."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from biosig.downstream.baseline import BASELINES, Baseline
from biosig.downstream.baselines.context import FoldPredictions

if TYPE_CHECKING:
    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.evaluate.metrics import Kind


@BASELINES.register
class TangentSpace(Baseline):
    """A linear classifier of covariances per band of the EEG (`biosig.downstream.baselines.models.tangent`)."""

    name = "tangent"
    title = "tangent space"
    kinds = ("classes",)
    modalities = frozenset({"eeg"})
    needs_one_layout = True
    seedless = True
    rank = 40
    seed_id = 5

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """True for classes of EEG alone."""
        return kind == "classes" and set(modalities) == {"eeg"}

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit means and regression to the training part, and choose the penalty on the validation part."""
        from biosig.downstream.baselines.models.tangent import tangent_space_predictions

        (place,) = [place for place, stream in enumerate(context.windows[0]) if stream.modality == "eeg"]
        x_train, x_validation, x_test = (
            np.stack([context.windows[row][place].values for row in rows.tolist()]).astype(np.float64)
            for rows in (job.parts.train, job.parts.validation, job.parts.test)
        )
        y_train, y_validation = context.y[job.parts.train], context.y[job.parts.validation]
        unseen, sfreq = np.concatenate((x_validation, x_test)), context.model.contract["eeg"].sfreq
        scores = tangent_space_predictions(x_train, y_train, x_validation, y_validation, unseen, sfreq)
        return FoldPredictions(scores[: len(x_validation)], scores[len(x_validation) :])
