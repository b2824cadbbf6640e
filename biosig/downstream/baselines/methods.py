"""Fit and predict: the model under test and every baseline, for one split, with calibrated test predictions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from biosig.downstream.baseline import BASELINES, MODEL
from biosig.downstream.baselines.context import BaselineContext, FitJob
from biosig.evaluate.metrics import Floats

if TYPE_CHECKING:
    from biosig.downstream.data.batch_sources import BatchSource
    from biosig.downstream.data.channel_subsets import ChannelSubset
    from biosig.downstream.data.splits import Split
    from biosig.downstream.finetune.classifier import Classifier
    from biosig.evaluate.splits import Rows

Save = Callable[["Classifier", FitJob], None]
"""Function that saves a tuned model of a job."""


def fit_job(method: str, parts: Split, fold: int, seed: int, work: Path | None = None) -> FitJob:
    """The job of one fit of a method, with a folder of its own if the run keeps its work."""
    job = FitJob(method, parts, fold, seed, 0 if method == MODEL else BASELINES[method].seed_id)
    return job if work is None else replace(job, folder=work / method / job.name)


def predict_test(
    context: BaselineContext, job: FitJob, inputs: Mapping[str, ChannelSubset] | None = None, save: Save | None = None
) -> dict[str, Floats]:
    """Predictions (n, K) or (n,) of the test part by one fit of one method.

    Finished work of a killed run is read, not computed again.

    Parameters
    ----------
    context : BaselineContext
        Inputs that all methods share.
    job : FitJob
        The fit.
    inputs : mapping of str to ChannelSubset, optional
        Windows with fewer channels, to test the tuned model on too.
    save : callable, optional
        Called with the tuned model.

    Returns
    -------
    dict of str to ndarray
        The method → predictions; for the model also "model, NAME" for each of the inputs.
    """
    import torch

    from biosig.tensor_files import read_tensors, write_tensors

    done = job.folder and job.folder.with_suffix(".safetensors")
    if done is not None and done.exists():
        return {name: tensor.numpy() for name, tensor in read_tensors(done).items()}
    if job.folder:
        job.folder.mkdir(parents=True, exist_ok=True)
    if job.method == MODEL:
        predictions = _predict_model(context, job, inputs or {}, save)
    else:
        predictions = {job.method: _predict_baseline(context, job)}
    if done is not None:
        write_tensors({name: torch.from_numpy(np.ascontiguousarray(p)) for name, p in predictions.items()}, done)
        shutil.rmtree(done.with_suffix(""))
    return predictions


def _predict_baseline(context: BaselineContext, job: FitJob) -> Floats:
    validation, test = BASELINES[job.method]().fit_predict(context, job)
    return test if validation is None else context.fit_calibration(job.parts, validation)(test)


def _predict_model(
    context: BaselineContext, job: FitJob, inputs: Mapping[str, ChannelSubset], save: Save | None
) -> dict[str, Floats]:
    from biosig.downstream.data.batch_sources import PackedExamples
    from biosig.downstream.finetune.fit import predict_spans
    from biosig.downstream.finetune.stages import fine_tune

    objective = context.encoder_objective(job.parts)
    classifier = fine_tune(
        context.model.encoder,
        context.frozen,
        context.contexts.truth(context.y),
        objective,
        context.contexts.parts(job.parts),
        context.training,
        job.key,
        context.progress,
        job.title,
        job.folder,
    )
    named = {MODEL: context.read} | {f"{MODEL}, {name}": windows for name, windows in inputs.items()}
    examples = {name: PackedExamples(windows, context.model.device) for name, windows in named.items()}

    def scores(source: BatchSource, rows: Rows) -> Floats:
        return predict_spans(classifier, source, objective, context.contexts, rows, context.training.tune.batch_size)

    classifier.calibration = context.fit_calibration(job.parts, scores(examples[MODEL], job.parts.validation))
    if save is not None:
        save(classifier, job)
    return {name: classifier.calibration(scores(source, job.parts.test)) for name, source in examples.items()}
