"""The probe: a linear model on frozen embeddings, tested on unseen people, beside what it has to beat.

Every subject is tested once. The scores of all folds are pooled before they are rated, and every method sees the same
windows, folds and bootstrap resamples, so that rows of the table can be compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.downstream.columns import prediction_columns
from biosig.downstream.linear import chance_predictions, cross_validated_predictions
from biosig.downstream.rating import rate, rate_labels
from biosig.downstream.result import ProbeResult, refuse_existing
from biosig.downstream.targets import LabelledWindows, Target, WindowPlan
from biosig.downstream.task import open_model, open_task, what_pretraining_saw
from biosig.errors import UsageError
from biosig.evaluate.baselines.features import feature_table
from biosig.evaluate.metrics import Floats
from biosig.evaluate.splits import Fold, group_folds, manifest
from biosig.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from biosig.batches.windows import Windows
    from biosig.models.model import Model
    from biosig.recording import Recording

Baseline = Literal["chance", "random_weights", "handmade"]


@dataclass(frozen=True)
class ProbeConfig:
    """A probe, complete: the same configuration and data give the same table.

    Parameters
    ----------
    model : str
        A checkpoint folder, or a preset's name for random weights.
    shards : str
        Folder of shards.
    target : Target
        What to predict.
    windows : WindowPlan
        Where windows lie, in seconds.
    query : str, optional
        Which recordings take part: a pandas expression over the index and the labels ("run == 'R04'").
    n_folds : int
        Folds over subjects.
    seed : int
        Of the folds, the bootstrap and the random weights.
    n_bootstrap : int
        Resamples behind each interval.
    baselines : list
        What stands beside the model; leave one out by naming the others.
    device : str
        Where to embed; "auto" = CUDA where there is one.
    out : Path, optional
        Folder for the result; None = nothing is written.
    """

    model: str
    shards: str
    target: Target
    windows: WindowPlan
    query: str | None = None
    n_folds: int = 5
    seed: int = 0
    n_bootstrap: int = 1000
    baselines: list[Baseline] = field(default_factory=lambda: ["chance", "random_weights", "handmade"])
    device: str = "auto"
    out: Path | None = None

    def __post_init__(self) -> None:
        if self.n_bootstrap < 100:
            raise UsageError(f"n_bootstrap is {self.n_bootstrap}: 95 % bounds need 100 resamples or more.")


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
        Also written to `config.out` when that is given.

    Raises
    ------
    UsageError
        If the configuration contradicts itself or `config.out` already holds a result.
    DataError
        If recordings have no subject, or a class has no window.
    """
    if config.out is not None:
        refuse_existing(config.out)
    task = open_task(config.shards, config.query, config.target, config.windows)
    labelled, subjects = task.labelled, task.subjects
    windows, kind = labelled.windows, config.target.kind
    folds = group_folds(subjects, config.n_folds, config.seed, y=labelled.strata)
    model = open_model(config.model, config.seed, config.device)
    notes = [*labelled.notes, *_standing_notes(labelled, model, config)]

    rows = task.rows().assign(fold=_fold_of(folds, len(windows)))
    predictions = []
    for method in ("model", *config.baselines):
        if method == "chance":
            fitted = chance_predictions(labelled.y, folds, kind)
        else:
            features, remarks = _features(method, model, windows, config.seed, progress)
            fitted = cross_validated_predictions(features, labelled.y, subjects, folds, kind)
            notes += [f"{method}: {remark}" for remark in remarks + fitted.notes]
        columns = prediction_columns(fitted.prediction, config.target)
        predictions.append(rows.assign(method=method, **columns))

    scored = pd.concat(predictions, ignore_index=True)
    table, caveats = rate(scored, config)
    by_label = rate_labels(scored, config) if kind == "multilabel" else None
    result = ProbeResult(
        table=table,
        predictions=scored,
        notes=[*notes, *caveats],
        splits=manifest(subjects, folds),
        facts={
            "model": model.name,
            "model_revision": model.revision,
            "model_trained": model.trained,
            "shards_hash": task.shards_hash,
            "scored_per": config.target.unit,
            "cohort": task.cohort(),
        },
        config=config,
        by_label=by_label,
    )
    if config.out is not None:
        result.save(config.out)
    return result


def _standing_notes(labelled: LabelledWindows, model: Model, config: ProbeConfig) -> list[str]:
    pooled = f"Each subject is tested once, in one of {config.n_folds} folds, and all folds are rated together"
    mixed = "; so ranks also compare scores of models that were fitted on different people"
    notes = [f"{pooled}{mixed if config.target.kind != 'number' else ''}."]
    if config.target.unit == "recording":
        notes.append("Scores are averaged over the windows of a recording, and each recording counts once.")
    if model.trained:
        notes.append(what_pretraining_saw(labelled.windows, model))
    else:
        notes.append(
            f"The model on trial, {model.name}, has random weights: this table is no evidence for pretraining."
        )
    return notes


def _features(
    method: str, model: Model, windows: Windows, seed: int, progress: Progress | None
) -> tuple[Floats, list[str]]:
    """Features (N, F) of every window by one method, and remarks on them."""
    from biosig.embedding import embed_windows
    from biosig.models.model import RandomWeightsWarning

    if method == "handmade":
        features, remarks = feature_table(_reading(windows, progress))
        return features.to_numpy(np.float64), remarks
    if method == "random_weights":
        model = model.with_random_weights(seed + 1)  # another draw than `build_model(seed)`, should that be on trial
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RandomWeightsWarning)  # the table and its notes say so
        table = embed_windows(model, windows, progress=progress, stage=f"{method}: windows")
    vectors = _one_row_per_window(table, len(windows))
    gaps = int(np.isnan(vectors).any(axis=1).sum())
    remark = f"{gaps} of {len(windows)} windows have no valid token of some modality; training medians stand in."
    return vectors, [remark] if gaps else []


def _reading(windows: Windows, progress: Progress | None) -> Iterator[Recording]:
    for i in range(len(windows)):
        yield windows.read(i)
        if progress:
            progress("handmade: windows", i + 1, len(windows))


def _one_row_per_window(table: pa.Table, n_windows: int) -> Floats:
    """The vectors of each window side by side, one block per modality; NaN where a window lacks a modality."""
    vectors = np.asarray(table["vector"].combine_chunks().flatten()).reshape(table.num_rows, -1)
    window, modality = table["window"].to_numpy(), np.asarray(table["modality"].to_pylist())
    blocks = []
    for name in np.unique(modality):
        block = np.full((n_windows, vectors.shape[1]), np.nan)
        block[window[modality == name]] = vectors[modality == name]
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def _fold_of(folds: list[Fold], n_rows: int) -> NDArray[np.int64]:
    number = np.empty(n_rows, np.int64)
    for i, fold in enumerate(folds):
        number[fold.test] = i
    return number
