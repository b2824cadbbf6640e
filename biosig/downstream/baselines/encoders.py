"""The model's encoder without pretraining: random weights under a trained head, and training from scratch."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from biosig.downstream.baseline import BASELINES, Baseline

if TYPE_CHECKING:
    from biosig.downstream.baselines.context import BaselineContext, FitJob, FoldPredictions
    from biosig.downstream.finetune.classifier import Classifier
    from biosig.evaluate.metrics import Kind


@BASELINES.register
class RandomWeights(Baseline):
    """A head on the same encoder with frozen random weights."""

    name = "random_weights"
    title = "same encoder, random weights"
    frozen_encoder = True
    needs_twin = True
    rank = 20
    seed_id = 6

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """True for every task."""
        return True

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Train only the head."""
        from biosig.downstream.baselines._training import train_and_predict
        from biosig.downstream.data.batch_sources import FrozenExamples

        classifier = _random_classifier(context, job)
        classifier.train_head_only()
        frozen = FrozenExamples(context.read, classifier.encoder, context.model.device, context.keep_bytes)
        return train_and_predict(context, job, classifier, frozen, context.contexts, context.training.probe)


@BASELINES.register
class FromScratch(Baseline):
    """The same encoder and head, all trained on the task from random weights."""

    name = "from_scratch"
    title = "same encoder, from scratch"
    needs_twin = True
    seed_id = 2

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Train every weight."""
        from biosig.downstream.baselines._training import train_and_predict
        from biosig.downstream.data.batch_sources import PackedExamples

        examples = PackedExamples(context.read, context.model.device)
        classifier = _random_classifier(context, job)
        return train_and_predict(context, job, classifier, examples, context.contexts, context.scratch)


def _random_classifier(context: BaselineContext, job: FitJob) -> Classifier:
    from biosig.downstream.finetune.stages import new_classifier

    encoder = context.model.with_random_weights(int(np.random.default_rng(job.key).integers(2**31))).encoder
    objective, pooling = context.encoder_objective(job.parts), context.training.pooling
    return new_classifier(encoder, objective, context.read, pooling, job.key)
