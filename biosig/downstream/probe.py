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

from biosig.downstream.linear import OutOfFold, chance_predictions, cross_validated_predictions
from biosig.downstream.result import ProbeResult, refuse_existing
from biosig.downstream.targets import LabelledWindows, Target, WindowPlan, label_windows
from biosig.errors import DataError, UsageError
from biosig.evaluate.baselines.features import feature_table
from biosig.evaluate.intervals import bootstrap
from biosig.evaluate.ledger import overlap
from biosig.evaluate.metrics import Floats, metrics_for
from biosig.evaluate.splits import Fold, check_subjects, group_folds, manifest
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
    from biosig.shards.dataset import open_shards

    if config.out is not None:
        refuse_existing(config.out)
    ds = open_shards(config.shards)
    if config.query:
        ds = ds.query(config.query)
    labelled = label_windows(ds, config.target, config.windows)
    windows, n_classes = labelled.windows, len(labelled.class_names)
    ids = ds.to_pandas()["recording"]
    if ids.duplicated().any():
        raise DataError(
            f"Two recordings in {config.shards} have the id '{ids[ids.duplicated()].iloc[0]}', so their scores cannot "
            "be told apart: ingest each source once."
        )
    recordings = np.asarray(ids, object)[windows.recording]
    check_subjects(windows.subjects, recordings)
    subjects = windows.subjects.astype(str)
    folds = group_folds(subjects, config.n_folds, config.seed, y=labelled.y if n_classes else None)
    model = _open_model(config)
    notes = [*labelled.notes, *_standing_notes(labelled, model, config)]

    rows = pd.DataFrame(
        {
            "fold": _fold_of(folds, len(windows)),
            "recording": recordings,
            "subject": subjects,
            "onset": windows.onset,
            "y": labelled.y,
        }
    )
    names = labelled.class_names
    predictions = []
    for method in ("model", *config.baselines):
        if method == "chance":
            fitted = chance_predictions(labelled.y, folds, n_classes)
        else:
            features, remarks = _features(method, model, windows, config.seed, progress)
            fitted = cross_validated_predictions(features, labelled.y, subjects, folds, n_classes)
            notes += [f"{method}: {remark}" for remark in remarks + fitted.notes]
        predictions.append(_with_prediction(rows.assign(method=method), fitted, names))

    scored = pd.concat(predictions, ignore_index=True)
    table, caveats = rate(scored, config)
    result = ProbeResult(
        table=table,
        predictions=scored,
        notes=[*notes, *caveats],
        splits=manifest(subjects, folds),
        facts={
            "model": model.name,
            "model_revision": model.revision,
            "model_trained": model.trained,
            "shards_hash": ds.hash,
            "scored_per": labelled.unit,
            "cohort": _cohort(rows, names),
        },
        config=config,
    )
    if config.out is not None:
        result.save(config.out)
    return result


def _open_model(config: ProbeConfig) -> Model:
    from biosig.device import resolve_device
    from biosig.models.model import build_model, list_models, load_model

    is_preset = config.model in list_models()
    model = build_model(config.model, config.seed) if is_preset else load_model(config.model)
    return model.to(resolve_device(config.device))


def _standing_notes(labelled: LabelledWindows, model: Model, config: ProbeConfig) -> list[str]:
    pooled = f"Each subject is tested once, in one of {config.n_folds} folds, and all folds are rated together"
    mixed = "; so AUROC also compares scores of models that were fitted on different people"
    notes = [f"{pooled}{mixed if labelled.class_names else ''}."]
    if labelled.unit == "recording":
        notes.append("Scores are averaged over the windows of a recording, and each recording counts once.")
    if model.trained:
        notes.append(_what_pretraining_saw(labelled.windows, model))
    else:
        notes.append(
            f"The model on trial, {model.name}, has random weights: this table is no evidence for pretraining."
        )
    return notes


def _what_pretraining_saw(windows: Windows, model: Model) -> str:
    rows = [windows.ds[int(row)] for row in np.unique(windows.recording)]
    subjects = [str(subject) for subject in windows.subjects]
    found = overlap(model.folder, [r.content_hash for r in rows], subjects) if model.folder else None
    return found.sentence() if found else "The model has no ledger of what it has seen."


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


def _with_prediction(rows: pd.DataFrame, fitted: OutOfFold, names: tuple[str, ...]) -> pd.DataFrame:
    """Truth and prediction of each window; classes by name, with one score column each."""
    if not names:
        return rows.assign(prediction=fitted.prediction)
    by_name = np.asarray(names, object)
    scores = {f"score_{name}": fitted.prediction[:, k] for k, name in enumerate(names)}
    return rows.assign(y=by_name[rows["y"]], **scores, prediction=by_name[fitted.prediction.argmax(1)])


def rate(predictions: pd.DataFrame, config: ProbeConfig) -> tuple[pd.DataFrame, list[str]]:
    """The score table of out-of-fold predictions, and caveats on its intervals.

    Parameters
    ----------
    predictions : DataFrame
        As in `ProbeResult.predictions`: one row per method and window.
    config : ProbeConfig
        Names the target, and the bootstrap's size and seed.

    Returns
    -------
    table : DataFrame
        Columns method, metric, value, low, high, n_subjects, n_recordings, n_windows.
    caveats : list of str
        What a reader must know before trusting the intervals.
    """
    names = config.target.class_names
    columns = [f"score_{name}" for name in names] or ["prediction"]
    records, caveats = [], []
    for method, windows in predictions.groupby("method", sort=False):
        scored = windows
        if not config.target.events:
            firsts = dict.fromkeys(("subject", "y"), "first")
            scored = windows.groupby("recording", sort=False).agg({**firsts, **dict.fromkeys(columns, "mean")})
        truth, values = scored["y"].to_numpy(), scored[columns].to_numpy(np.float64)
        if names:
            truth = pd.Index(names).get_indexer(truth)
        else:
            truth, values = truth.astype(np.float64), values[:, 0]
        for metric in metrics_for(config.target.task):
            interval = bootstrap(metric, truth, values, scored["subject"].to_numpy(), config.n_bootstrap, config.seed)
            caveats += [text for text in interval.caveats() if text not in caveats]
            records.append(
                {
                    "method": method,
                    "metric": metric.name,
                    "value": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    "n_subjects": interval.n_subjects,
                    "n_recordings": windows["recording"].nunique(),
                    "n_windows": len(windows),
                }
            )
    return pd.DataFrame(records), caveats


def _cohort(rows: pd.DataFrame, names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """How many subjects, recordings and windows stand behind each class, and behind all."""
    groups = {name: rows[rows["y"] == k] for k, name in enumerate(names)} | {"all": rows}
    return {
        name: {
            "n_subjects": int(group["subject"].nunique()),
            "n_recordings": int(group["recording"].nunique()),
            "n_windows": len(group),
        }
        for name, group in groups.items()
    }
