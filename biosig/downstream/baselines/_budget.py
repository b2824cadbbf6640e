"""Training within a budget of minutes: planned by the number of windows, and by the processor's clock only ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from biosig.downstream.baselines.context import BaselineContext, FitJob, FoldPredictions
from biosig.downstream.data.batch_sources import BatchSource
from biosig.downstream.data.splits import Split
from biosig.downstream.finetune.fit import fit, predict
from biosig.training.config import TrainingStage
from biosig.training.seeding import seeded

if TYPE_CHECKING:
    from biosig.downstream.baselines._supervised import NetworkSpec

SHORTEST = 1.0
"""Minutes in which the clock ends no fit: a smaller budget plans fewer epochs, on a machine however slow."""


def minutes_worked() -> float:
    """Minutes of processor time of this process over its threads, so that other work on the machine ends no fit."""
    return time.process_time() / torch.get_num_threads() / 60


def train_within_budget(
    context: BaselineContext, job: FitJob, make: Callable[[], nn.Module], examples: BatchSource, recipe: NetworkSpec
) -> FoldPredictions:
    """Choose the number of epochs by the validation part, train that long on both parts, and predict.

    The validation part is predicted by the network that did not learn from it. A fit that takes longer than the
    context's `network_minutes` ends there, and is noted in `context.stopped`.

    Parameters
    ----------
    context, job
        As of `Baseline.fit_predict`.
    make : callable
        Gives the network with random weights.
    examples : BatchSource
        What it reads.
    recipe : NetworkSpec
        How it is trained.
    """
    end = minutes_worked() + max(context.network_minutes, SHORTEST)
    parts, objective = job.parts, context.objective(job.parts)
    both = Split(np.concatenate((parts.train, parts.validation)), parts.validation[:0], parts.test)
    durations = context.windows.windows.duration[np.concatenate((parts.train, both.train))]
    stage = recipe.within(context.network_minutes, durations)

    def late() -> bool:
        return minutes_worked() > end

    def trained(of: Split, stage: TrainingStage, name: str) -> tuple[nn.Module, int]:
        stage = replace(stage, batch_size=recipe.batches_for(len(of.train)))
        with seeded(job.key):
            network = make().to(context.model.device)
        kept = job.folder and job.folder / f"{name}.safetensors"
        title, how = f"{job.title}, {name}", context.training.optimizer
        best = fit(
            network, examples, context.y, objective, of, stage, how, job.key, context.progress, title, kept, late
        )
        return network, best.epoch

    network, n_epochs = trained(parts, stage, "choose")
    of_validation = predict(network, examples, objective, parts.validation, stage.batch_size)
    if not late():
        network, _ = trained(both, replace(stage, epochs=max(n_epochs, 1)), "fit")
    if late():
        context.stopped.append(job.title)
    return FoldPredictions(of_validation, predict(network, examples, objective, parts.test, stage.batch_size))
