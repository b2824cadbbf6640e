"""Probe: a small head on a frozen model, tested on unseen people, beside its baselines.

Every method has the same windows and parts, and is tested once. The predictions of all folds are pooled before they
are scored, with the same bootstrap resamples for all, so that rows of the table can be compared.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from biosig.batches.alignment import aligned, alignment_note
from biosig.downstream.baseline import BASELINES, MODEL
from biosig.downstream.baselines.context import BaselineContext
from biosig.downstream.baselines.defaults import (
    default_baselines,
    drop_incompatible,
    drop_without_twin,
    exclude,
    modalities_of,
)
from biosig.downstream.baselines.features import demographic_features
from biosig.downstream.baselines.methods import fit_job, predict_test
from biosig.downstream.data.batch_sources import FrozenExamples
from biosig.downstream.data.challenge_weights import with_challenge_weights
from biosig.downstream.data.columns import prediction_columns
from biosig.downstream.data.picked_channels import pick_channels
from biosig.downstream.data.split_config import QuerySplit
from biosig.downstream.data.splits import Split, make_parts, tested_rows
from biosig.downstream.data.task import Task, model_of, open_task, pretraining_note, with_align
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.experiments.resume import PartialResult, resumable_folder, run_fingerprint
from biosig.downstream.finetune.config import FineTuneStage, LossConfig, TrainingSpec
from biosig.downstream.probe.config import ProbeConfig, resolve_head
from biosig.downstream.probe.frozen_probe import FrozenProbes
from biosig.downstream.results.fusion import check_pairs, fusion_note, with_fused
from biosig.downstream.results.result import ProbeResult
from biosig.downstream.results.task_result import labelled_result
from biosig.errors import UsageError
from biosig.models.model import Model
from biosig.progress import Progress
from biosig.publishing import refuse_existing

__all__ = ["ProbeConfig", "ScoredRows", "run_probe", "score_rows"]


def run_probe(config: ProbeConfig, progress: Progress | None = None, model: Model | None = None) -> ProbeResult:
    """Label windows, split by subject, embed, fit, and score the model and its baselines.

    Parameters
    ----------
    config : ProbeConfig
        The probe.
    progress : callable, optional
        Called with stage, number done and total.
    model : Model, optional
        The model to probe, such as one of `biosig.wrap`; `config.model` is then only its name. Default the model that
        `config.model` names.

    Returns
    -------
    ProbeResult
        Also written to `config.out` when that is given; killed and called again, it goes on after the last fold that
        was fitted, and ends with the same numbers (on a CPU). `facts["fits"]` holds for each fold the layer, the
        settings and the calibration that were chosen, and a digest of everything that was fitted.

    Raises
    ------
    UsageError
        If the configuration contradicts itself, or `config.out` holds a result or another unfinished run.
    DataError
        If recordings have no subject, a class has no window, or pretraining saw a test recording and `config.leakage`
        refuses that.
    """
    if config.out is not None:
        refuse_existing(config.out)
    config = replace(config, target=with_challenge_weights(config.target))
    task = open_task(config.shards, config.query, config.target, config.windows)
    parts, notes = make_parts(config.split, task.labelled, config.seed, task.copies)
    task, parts = _only_used(task, parts)
    config, model = model_of(config, model)
    config = with_align(config, task, model)
    if config.out is None:
        return _result(config, task, model, parts, notes, None, progress)
    with resumable_folder(config, run_fingerprint(config, task, model)) as out:
        result = _result(config, task, model, parts, notes, out, progress)
        result.write(out.result)
    return result


@dataclass(frozen=True)
class ScoredRows:
    """Out-of-fold predictions of some methods, with notes on them.

    Parameters
    ----------
    predictions : DataFrame
        One row per method and tested window, as in `ProbeResult.predictions`; with several draws also one per draw, of
        its `seed`.
    notes : list of str
        Methods left out with the reason, and remarks on the fits.
    fits : list of dict
        Choices and fits on pooled embeddings, one entry per method and fold.
    tables : dict
        The model's scores by layer and by number of labels, if the configuration asks for them.
    """

    predictions: pd.DataFrame
    notes: list[str]
    fits: list[dict[str, Any]]
    tables: dict[str, pd.DataFrame]


def score_rows(
    config: ProbeConfig,
    task: Task,
    model: Model,
    parts: Sequence[Split],
    names: Sequence[str],
    *,
    optional: Collection[str] = (),
    work: Path | None = None,
    vectors: Path | None = None,
    progress: Progress | None = None,
) -> ScoredRows:
    """Fit chosen rows of a probe's table on each fold, and predict the test parts.

    Parameters
    ----------
    config : ProbeConfig
        Settings of the fits; its target, split, bootstrap, `baselines`, `skip_baselines` and `fuse` are not used.
    task : Task
        N windows, each in some part; the configuration chooses their channels and alignment.
    model : Model
        The row "model", the encoder of "random_weights", and the input contract of other rows.
    parts : sequence of Split
        One per fold.
    names : sequence of str
        "model" and names of `biosig.downstream.baselines.BASELINES`, in the order of the table.
    optional : collection of str
        Baselines that are left out with a note if they do not fit the windows.
    work : Path, optional
        Existing folder for finished work, which a killed run of the same call reads again.
    vectors : Path, optional
        Folder for the frozen embeddings of the windows, for calls that differ only in the training people.
    progress : callable, optional
        Called with stage, number done and total.

    Raises
    ------
    UsageError
        If a name is not a row.
    DataError
        If a baseline does not fit the windows and is not optional.
    """
    head = resolve_head(config.head, config.target.kind)
    config = with_align(config, task, model)
    assert config.align is not None
    task = task.with_windows(aligned(pick_channels(task.labelled.windows, config.channels), config.align))
    context = _context(config, task, model, progress)
    baselines = [name for name in names if name != MODEL]
    if head == "attention" or any(BASELINES[name].needs_one_layout for name in baselines):
        context.windows.survey(progress)
    modalities = modalities_of(task.labelled.windows.ds, model.contract)
    required = set(baselines) - set(optional)
    twinned, untwinned = drop_without_twin(baselines, model, required)
    fitting, misfits = drop_incompatible(twinned, modalities, context.windows, required)
    probes = FrozenProbes(config, task, model, parts, head, progress, work, vectors)

    rows, scored = task.rows(), []
    for method in (name for name in names if name == MODEL or name in fitting):
        random = method != MODEL and BASELINES[method].frozen_encoder
        for draw in range(config.draws if random else 1):
            if head != "attention" and (method == MODEL or random):
                seed, each = probes.seed_of(method, draw), probes.predictions(method, draw)
            else:
                seed = config.seed + draw
                jobs = [fit_job(method, part, fold, seed, work) for fold, part in enumerate(parts)]
                each = [predict_test(context, job)[method] for job in jobs]
            drawn = {"seed": seed} if config.draws > 1 else {}
            for fold, (part, prediction) in enumerate(zip(parts, each, strict=True)):
                columns = prediction_columns(prediction, config.target)
                scored.append(rows.iloc[part.test].assign(fold=fold, method=method, **drawn, **columns))
    baseline_remarks = [remark for name in fitting for remark in BASELINES[name]().remarks(context)]
    notes = [*untwinned, *misfits, *probes.notes, *baseline_remarks]
    return ScoredRows(pd.concat(scored, ignore_index=True), notes, probes.facts, probes.tables)


def _result(
    config: ProbeConfig,
    task: Task,
    model: Model,
    parts: Sequence[Split],
    notes: Sequence[str],
    out: PartialResult | None,
    progress: Progress | None,
) -> ProbeResult:
    design_notes = _design_notes(task, model, config, parts)
    names = [MODEL, *_baselines(config, task, model)]
    check_pairs(config.fuse, names)
    scored = score_rows(
        config,
        task,
        model,
        parts,
        names,
        optional=set(names) - {name for pair in config.fuse for name in pair} if config.baselines is None else (),
        work=out.work if out else None,
        progress=progress,
    )
    predictions = with_fused(scored.predictions, config.fuse, config.target)
    notes = [*notes, *design_notes, *scored.notes, *fusion_note(config.fuse)]
    return labelled_result(task, model, parts, predictions, notes, config, {"fits": scored.fits}, scored.tables)


def _only_used(task: Task, parts: Sequence[Split]) -> tuple[Task, list[Split]]:
    """Remove windows that are in no part."""
    used = np.unique(np.concatenate([rows for part in parts for rows in (part.train, part.validation, part.test)]))
    chosen = np.zeros(len(task.subjects), bool)
    chosen[used] = True
    return task.only(chosen), [
        Split(*(np.searchsorted(used, rows) for rows in (part.train, part.validation, part.test))) for part in parts
    ]


def _context(config: ProbeConfig, task: Task, model: Model, progress: Progress | None) -> BaselineContext:
    """Context of the methods that are not fitted on pooled embeddings."""
    keep_bytes = config.cache_gb * 1e9
    windows = PreparedWindows(task.labelled.windows, model.contract, keep_bytes)
    if config.head == "attention":
        model = _up_to_layer(model, config)
    return BaselineContext(
        model=model,
        windows=windows,
        y=task.labelled.y,
        target=config.target,
        frozen=FrozenExamples(windows, model.encoder, model.device, keep_bytes),
        training=TrainingSpec(config.attention, FineTuneStage(lr=0.0, epochs=0, mixup=False, method="probe")),
        scratch=config.network,
        network=config.network,
        loss=LossConfig(balanced=config.target.kind in ("classes", "multilabel")),  # as for the other heads
        network_width=config.network_width,
        network_minutes=config.network_minutes,
        calibration=config.calibration,
        seed=config.seed,
        keep_bytes=keep_bytes,
        progress=progress,
        people=task.people,
    )


def _baselines(config: ProbeConfig, task: Task, model: Model) -> list[str]:
    """The baselines of the task, without those that are switched off."""
    named: Sequence[str] | None = config.baselines
    if named is None:
        ds = pick_channels(task.labelled.windows, config.channels).ds
        known = demographic_features(ds, config.target).shape[1] > 0
        named = default_baselines(config.target.kind, modalities_of(ds, model.contract), known)
    return exclude(named, config.skip_baselines)


def _up_to_layer(model: Model, config: ProbeConfig) -> Model:
    """The model cut after the layer that an attention head reads."""
    if not model.config.has_query:
        raise UsageError(f"Model '{model.name}' has no pool query for head=attention: choose another head.")
    if config.layer in (None, -1):
        return model
    assert isinstance(config.layer, int)
    if not 0 <= config.layer <= model.config.depth:
        raise UsageError(f"There is no layer {config.layer}: model '{model.name}' has {model.config.depth} blocks.")
    encoder = copy.deepcopy(model.encoder)
    encoder.blocks, encoder.norm = encoder.blocks[: config.layer], nn.Identity()
    return Model(encoder, model.trained, model.card, model.folder, model.tokenizer)


def _design_notes(task: Task, model: Model, config: ProbeConfig, parts: Sequence[Split]) -> list[str]:
    if isinstance(config.split, QuerySplit):
        notes = ["The test part is scored once."]
    else:
        ranked = config.target.kind != "number"
        notes = [
            f"Each subject is tested once, in one of {len(parts)} folds, and all folds are rated together"
            f"{'; so ranks also compare scores of models that were fitted on different people' if ranked else ''}."
        ]
    if config.target.unit == "recording":
        notes.append("Scores are averaged over the windows of a recording, and each recording counts once.")
    if config.calibration != "none" and config.target.class_names:
        people = "the validation part" if config.head == "attention" else "inner folds of the training subjects"
        notes.append(f"Probabilities are calibrated ({config.calibration}) on {people}, of baselines on validation.")
        if config.calibration == "temperature":
            notes.append(
                "Classes weigh equally in the fit, and a temperature leaves that so: calibration=isotonic gives "
                "probabilities at the frequencies seen."
            )
    if config.draws > 1:
        notes.append(f"Scores of random weights are means over {config.draws} draws, intervals are over subjects.")
    notes += alignment_note(config.align or "none")
    if config.erase:
        notes.append(
            f"What a linear model can tell of the {config.erase} was taken out of the features, by training subjects; "
            "what the target shares with it went too."
        )
    untrained = f"The model on trial, {model.name}, has random weights: this table is no evidence for pretraining."
    tested = task.labelled.windows[tested_rows(parts)]
    return [*notes, pretraining_note(model, tested, untrained, config.leakage)]
