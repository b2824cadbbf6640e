"""The probe: a small head on a frozen model, tested on unseen people, beside what it has to beat.

Every method sees the same windows and parts, and is tested once. The scores of all folds are pooled before they are
rated, with the same bootstrap resamples for all, so that rows of the table can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from biosig.downstream.cohort import recording_table
from biosig.downstream.columns import prediction_columns
from biosig.downstream.heads import Head, resolve_head
from biosig.downstream.linear import uninformed
from biosig.downstream.parts import Parts, QuerySplit, make_parts
from biosig.downstream.picked import picked
from biosig.downstream.probe_config import ProbeConfig
from biosig.downstream.probing import FrozenProbes
from biosig.downstream.rating import rate, rate_labels
from biosig.downstream.result import ProbeResult, refuse_existing
from biosig.downstream.rivals import bench_for, rival_predictions
from biosig.downstream.standing import demographic_features, modalities_of, standing_baselines, without_those_named
from biosig.downstream.task import Task, open_model, open_task, what_pretraining_saw
from biosig.downstream.unfinished import Unfinished, identity_of, resumable
from biosig.downstream.worth import with_worth
from biosig.evaluate.splits import manifest
from biosig.models.model import Model
from biosig.progress import Progress

__all__ = ["ProbeConfig", "run_probe"]


def run_probe(config: ProbeConfig, progress: Progress | None = None) -> ProbeResult:
    """Label windows, split by subject, embed, fit, and rate the model and its baselines.

    Parameters
    ----------
    config : ProbeConfig
        What to do.
    progress : callable, optional
        Told how far the work is.

    Returns
    -------
    ProbeResult
        Also written to `config.out` when that is given; killed and called again, it goes on after the last fold that
        was fitted, and ends with the same numbers (on a CPU). `facts["fits"]` tells of each fold the layer, the
        settings and the calibration that were chosen, and a digest of everything that was fitted.

    Raises
    ------
    UsageError
        If the configuration contradicts itself, or `config.out` holds a result or another unfinished run.
    DataError
        If recordings have no subject, a class has no window, or pretraining saw what is tested and `config.leakage`
        refuses that.
    """
    if config.out is not None:
        refuse_existing(config.out)
    config = replace(config, target=with_worth(config.target))
    task = open_task(config.shards, config.query, config.target, config.windows)
    parts, notes = make_parts(config.split, task.labelled, config.seed)
    task, parts = _only_used(task, parts)
    model = open_model(config.model, config.seed, config.device)
    if config.out is None:
        return _result(config, task, model, parts, notes, None, progress)
    with resumable(config, identity_of(config, task, model)) as out:
        result = _result(config, task, model, parts, notes, out, progress)
        result.write(out.result)
    return result


def _result(
    config: ProbeConfig,
    task: Task,
    model: Model,
    parts: Sequence[Parts],
    notes: Sequence[str],
    out: Unfinished | None,
    progress: Progress | None,
) -> ProbeResult:
    head = resolve_head(config.head, config.target.kind)
    standing = _standing_notes(task, model, head, config, parts)
    methods, on_bench = _methods(task, model, head, config)
    bench, kept, misfits = bench_for(config, task, model, on_bench, progress)
    probes = FrozenProbes(config, task, model, parts, head, progress, out.work if out else None)

    rows, scored = task.rows(), []
    for method in (name for name in methods if name in kept or name not in on_bench):
        if method == "chance":
            each = [uninformed(task.labelled.y[part.train], len(part.test), config.target.kind) for part in parts]
        elif method in on_bench:
            each = [rival_predictions(bench, method, fold, part, out) for fold, part in enumerate(parts)]
        else:
            each = probes.predictions(method)
        for fold, (part, prediction) in enumerate(zip(parts, each, strict=True)):
            columns = prediction_columns(prediction, config.target)
            scored.append(rows.iloc[part.test].assign(fold=fold, method=method, **columns))
    predictions = pd.concat(scored, ignore_index=True)
    table, caveats = rate(predictions, config)
    handmade = bench.features[1] if "handmade" in methods else []
    return ProbeResult(
        table=table,
        predictions=predictions,
        notes=[
            *task.labelled.notes,
            *notes,
            *standing,
            *misfits,
            *probes.notes,
            *(f"handmade: {remark}" for remark in handmade),
            *caveats,
        ],
        splits=manifest(task.subjects, parts),
        facts={
            "model": model.name,
            "model_revision": model.revision,
            "model_trained": model.trained,
            "shards_hash": task.shards_hash,
            "scored_per": config.target.unit,
            "cohort": task.cohort(np.concatenate([part.test for part in parts])),
            "fits": probes.facts,
        },
        config=config,
        by_label=rate_labels(predictions, config) if config.target.kind == "multilabel" else None,
        recordings=recording_table(task.labelled.windows),
        tables=probes.tables,
    )


def _only_used(task: Task, parts: Sequence[Parts]) -> tuple[Task, list[Parts]]:
    """The task without windows that are in no part."""
    used = np.unique(np.concatenate([rows for part in parts for rows in (part.train, part.validation, part.test)]))
    chosen = np.zeros(len(task.subjects), bool)
    chosen[used] = True
    return task.only(chosen), [
        Parts(*(np.searchsorted(used, rows) for rows in (part.train, part.validation, part.test))) for part in parts
    ]


def _methods(task: Task, model: Model, head: Head, config: ProbeConfig) -> tuple[list[str], list[str]]:
    """The rows of the table, and which of them are not fitted on pooled embeddings."""
    ds, target = picked(task.labelled.windows, config.channels).ds, config.target
    named: Sequence[str]
    if config.baselines is not None:
        named = config.baselines
    else:
        known = demographic_features(ds, target).shape[1] > 0
        named = standing_baselines(target.kind, modalities_of(ds, model.contract), known)
    methods = ["model", *without_those_named(named, config.without)]
    pooled = () if head == "attention" else ("model", "random_weights")
    return methods, [name for name in methods if name not in (*pooled, "chance")]


def _standing_notes(task: Task, model: Model, head: Head, config: ProbeConfig, parts: Sequence[Parts]) -> list[str]:
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
        people = "the validation part" if head == "attention" else "inner folds of the training subjects"
        notes.append(f"Probabilities are calibrated ({config.calibration}) on {people}, of baselines on validation.")
        if config.calibration == "temperature":
            notes.append(
                "Classes weigh equally in the fit, and a temperature leaves that so: calibration=isotonic gives "
                "probabilities at the frequencies seen."
            )
    if config.erase:
        notes.append(
            f"What a linear model can tell of the {config.erase} was taken out of the features, by training subjects; "
            "what the target shares with it went too."
        )
    if model.trained:
        tested = np.unique(np.concatenate([part.test for part in parts]))
        notes.append(what_pretraining_saw(task.labelled.windows[tested], model, config.leakage))
    else:
        notes.append(
            f"The model on trial, {model.name}, has random weights: this table is no evidence for pretraining."
        )
    return notes
