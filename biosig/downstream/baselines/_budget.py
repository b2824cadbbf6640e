"""Training within a time budget: the number of windows plans the epochs, and the processor's clock only ends a fit."""

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
"""Minutes before which the clock never ends a fit: a smaller budget only plans fewer epochs, on any machine."""


def minutes_worked() -> float:
    """Minutes of processor time of this process over its threads, which other work on the machine does not change."""
    return time.process_time() / torch.get_num_threads() / 60


def train_within_budget(
    context: BaselineContext, job: FitJob, make: Callable[[], nn.Module], examples: BatchSource, recipe: NetworkSpec
) -> FoldPredictions:
    """Choose the number of epochs on the validation part, train that long on both parts, and predict.

    The validation part is predicted by the network that was not trained on it. A fit that takes longer than the
    context's `network_minutes` ends there, and is noted in `context.stopped`.

    Parameters
    ----------
    context, job
        As in `Baseline.fit_predict`.
    make : callable
        Makes the network with random weights.
    examples : BatchSource
        Its input.
    recipe : NetworkSpec
        Its training.
    """
    end = minutes_worked() + max(context.network_minutes, SHORTEST)
    parts, objective = job.parts, context.objective(job.parts)
    both = Split(np.concatenate((parts.train, parts.validation)), parts.validation[:0], parts.test)
    durations = context.windows.windows.duration[np.concatenate((parts.train, both.train))]
    stage = recipe.within(context.network_minutes, durations)

    def late() -> bool:
        return minutes_worked() > end

    def trained(split: Split, stage: TrainingStage, name: str) -> tuple[nn.Module, int]:
        stage = replace(stage, batch_size=recipe.batches_for(len(split.train)))
        with seeded(job.key):
            network = make().to(context.model.device)
        kept = job.folder and job.folder / f"{name}.safetensors"
        title, how = f"{job.title}, {name}", context.training.optimizer
        best = fit(
            network, examples, context.y, objective, split, stage, how, job.key, context.progress, title, kept, late
        )
        return network, best.epoch

    network, n_epochs = trained(parts, stage, "choose")
    validation = predict(network, examples, objective, parts.validation, stage.batch_size)
    if not late():
        network, _ = trained(both, replace(stage, epochs=max(n_epochs, 1)), "fit")
    if late():
        context.stopped.append(job.title)
    return FoldPredictions(validation, predict(network, examples, objective, parts.test, stage.batch_size))
