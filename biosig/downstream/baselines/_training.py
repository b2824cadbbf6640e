"""Training and predictions of a baseline's network."""

from __future__ import annotations

from torch import nn

from biosig.downstream.baselines.context import BaselineContext, FitJob, FoldPredictions
from biosig.downstream.data.batch_sources import BatchSource
from biosig.downstream.data.sequences import SpanLayout
from biosig.downstream.finetune.fit import fit, predict_spans
from biosig.training.config import TrainingStage


def train_and_predict(
    context: BaselineContext,
    job: FitJob,
    network: nn.Module,
    examples: BatchSource,
    contexts: SpanLayout,
    stage: TrainingStage,
) -> FoldPredictions:
    """Train a network on the training part, keep its best epoch on the validation part, and predict.

    Parameters
    ----------
    context, job
        As in `Baseline.fit_predict`.
    network : Module
        Batches of `examples` → outputs.
    examples : BatchSource
        The network's input.
    contexts : SpanLayout
        Layout of the windows in that input.
    stage : TrainingStage
        The training stage.
    """
    objective = context.objective(job.parts)
    fit(
        network,
        examples,
        contexts.truth(context.y),
        objective,
        contexts.parts(job.parts),
        stage,
        context.training.optimizer,
        job.key,
        context.progress,
        job.title,
        job.folder and job.folder / "fit.safetensors",
    )
    validation, test = (
        predict_spans(network, examples, objective, contexts, rows, stage.batch_size)
        for rows in (job.parts.validation, job.parts.test)
    )
    return FoldPredictions(validation, test)
