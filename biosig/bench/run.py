"""Run a bench: every task's rows, each run in a folder of its own, so that a killed bench can resume."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from biosig import config as configuration
from biosig.bench.conditions import SEEDS_PER_DRAW, Setting, read_as_named, setting_of
from biosig.bench.config import BenchConfig, BenchTask, Condition, Group
from biosig.bench.plan import AS_IT_IS, Job, Plan, condition_of, plan
from biosig.bench.public import (
    PUBLIC_FILE,
    facts_of,
    planned_public,
    public_entries,
    public_setting,
    tasks_read,
)
from biosig.bench.tables import FINETUNED, BenchTables, write_tables
from biosig.bench.workers import run_jobs, sentence_of
from biosig.device import resolve_device
from biosig.downstream.baseline import MODEL
from biosig.downstream.data.cohort import recording_table
from biosig.downstream.data.task import Task, open_model, open_task
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.experiments.probe import score_rows
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.errors import DataError, UsageError
from biosig.evaluate.ledger import Overlap, overlap_of
from biosig.file_sums import guarded, write_guarded
from biosig.lock import locked
from biosig.models.model import Model
from biosig.progress import Progress
from biosig.termination import sigterm

WORK = ".work"
"""Folder of unfinished work, from which a killed run resumes."""

VECTORS = ".vectors"
"""Folder of a task's frozen embeddings, for the conditions with fewer training people."""

_ROWS: dict[Group, tuple[str, ...]] = {
    "frozen": (MODEL, "random_weights"),
    "features": ("chance", "handmade"),
    "handmade-0.1": ("handmade-0.1",),
    "features_network": ("features_network",),
    "public": (MODEL,),
}


@dataclass(frozen=True)
class Bench:
    """Result of a bench.

    Parameters
    ----------
    out : Path
        Its folder: tables as CSV, `bench.html`, and the predictions of every row.
    tables : BenchTables
        Scores, gains and endpoints.
    skipped : list of str
        Runs that were done already.
    failed : dict
        Failed runs → the reason.
    """

    out: Path
    tables: BenchTables
    skipped: list[str]
    failed: dict[str, str]


def plan_bench(config: BenchConfig) -> Plan:
    """Plan the runs of a bench with their expected durations; opens the shards, and runs nothing."""
    scored = dict(_scored_people(replace(config, conditions=False)))
    return plan(config, {name: len(task.subjects) for name, task in scored.items()}, planned_public(config, scored))


def run_bench(config: BenchConfig, progress: Progress | None = None, model: Model | None = None) -> Bench:
    """Make every missing row of every task, the cheap ones first, and the tables after each run.

    Parameters
    ----------
    config : BenchConfig
        The bench.
    progress : callable, optional
        Called with stage, number done and total.
    model : Model, optional
        The model itself, in place of the one that the configuration names; for example one of `biosig.wrap`.

    Raises
    ------
    UsageError
        If `config.out` holds another bench, or another process is using it.
    DataError
        If the model's ledger holds a person who is to be scored; of two models, if both hold the same person.
    SystemExit
        With status 143 after SIGTERM.
    """
    config.out.mkdir(parents=True, exist_ok=True)
    with locked(config.out, "bench", config.out / ".lock"), sigterm(at_once=True):
        if model is not None:
            config, models = replace(config, model=model.name), [model.to(resolve_device(config.device))]
        else:
            models = [open_model(name, config.seed, config.device) for name in config.models]
        config = read_as_named(config, models)
        scored = dict(_scored_people(config))
        public = public_entries(config, scored, _refuse_seen)
        _refuse_another(config, models, scored, public)
        _refuse_seen(models, scored)
        write_guarded(config.out / "models.json", json.dumps([facts_of(each) for each in models], indent=2) + "\n")
        if public:
            write_guarded(config.out / PUBLIC_FILE, json.dumps(public, indent=2) + "\n")
        planned = plan(config, {name: len(scored[name].subjects) for name in config.chosen}, tasks_read(config, public))
        failed: dict[str, str] = {}
        if config.processes > 1 and model is None:
            results = run_jobs(_run_alone, config, planned.to_do)
        else:
            results = _run_here(config, planned.to_do, models, progress)
        for number, (job, error) in enumerate(results):
            if error is not None:
                failed[job.title] = error
            write_tables(config, [job.task], failed, complete=False)
            if progress:
                progress("bench", number + 1, len(planned.to_do), job.title)
        shutil.rmtree(config.out / VECTORS, ignore_errors=True)
        tables = write_tables(config, list(config.chosen), failed)
    return Bench(config.out, tables, [job.title for job in planned.jobs if job in planned.done], failed)


def _run_here(
    config: BenchConfig, jobs: Sequence[Job], models: Sequence[Model], progress: Progress | None
) -> Iterator[tuple[Job, str | None]]:
    """Run each job, and give it with its error sentence."""
    for job in jobs:
        yield job, sentence_of(lambda config, job: _run(config, job, models, progress), config, job)


def _run_alone(config: BenchConfig, job: Job) -> None:
    """Run one job in a process of its own."""
    models = config.models if not job.encoder else []  # a public encoder is opened by its own run
    _run(config, job, [open_model(name, config.seed, config.device) for name in models], None)


def _run(config: BenchConfig, job: Job, models: Sequence[Model], progress: Progress | None) -> None:
    """Write the predictions of one job, whole; finished parts of a killed run are used."""
    task, folder = config.tasks[job.task], config.out / job.folder
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    setting = setting_of(config, task, condition_of(task, job.condition))
    if job.encoder:
        setting = public_setting(setting)
        models = [open_model(config.public[job.encoder], config.seed, config.device)]
    if job.group == FINETUNED:
        predictions, notes = _finetuned(config, task, setting, models, folder / WORK, progress)
    else:
        vectors = config.out / VECTORS / job.task if _learns_from_fewer(config, task, job.condition) else None
        predictions, notes = _scored(job.group, task, setting, models, folder / WORK, progress, vectors)
    if job.encoder:
        predictions = predictions.assign(method=job.encoder)
        notes = [f"{job.encoder}: {note.removeprefix(f'{MODEL}: ')}" for note in notes]
    with guarded(folder / "predictions.parquet") as temporary:
        predictions.to_parquet(temporary, index=False, write_page_checksum=True)
    if job.group == "frozen" and job.condition == AS_IT_IS:
        with guarded(folder / "recordings.parquet") as temporary:
            recording_table(setting.task.labelled.windows).to_parquet(temporary, index=False, write_page_checksum=True)
    facts = {"seconds": time.perf_counter() - began, "notes": [*setting.notes, *notes]}
    facts |= _decided(task, setting) if job.condition == AS_IT_IS else {}
    write_guarded(folder / "run.json", json.dumps(facts, indent=2) + "\n")
    shutil.rmtree(folder / WORK, ignore_errors=True)


def _scored(
    group: Group,
    task: BenchTask,
    setting: Setting,
    models: Sequence[Model],
    work: Path,
    progress: Progress | None,
    vectors: Path | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Predictions of rows that are fitted by `biosig.downstream.experiments.probe.score_rows`."""
    names = list(_ROWS.get(group, task.networks))
    names += task.rules if group == "features" else []
    halves, notes = [], []
    for number, model in enumerate(models if group == "frozen" else models[:1]):
        place = work / str(number)
        place.mkdir(parents=True, exist_ok=True)
        wanted = names if number == 0 else [MODEL]  # the twin of both halves is the same
        found = score_rows(
            setting.probe,
            setting.task,
            model,
            setting.parts,
            wanted,
            optional=names,
            work=place,
            vectors=vectors and vectors / str(number),
            progress=progress,
        )
        halves.append(found.predictions)
        notes += found.notes
    predictions = halves[0] if len(halves) == 1 else _cross_fitted(halves, models, setting.task)
    return _by_draw(predictions, setting.n_folds, len(setting.parts)), notes


def _learns_from_fewer(config: BenchConfig, task: BenchTask, condition: str) -> bool:
    """True if a run reads the task's own windows, and conditions with fewer training people read the same."""
    fewer = [
        name
        for name, harder in task.conditions.items()
        if harder == Condition(known=harder.known, known_by=harder.known_by)
    ]
    return config.conditions and bool(fewer) and condition in (AS_IT_IS, *fewer)


def _finetuned(
    config: BenchConfig,
    task: BenchTask,
    setting: Setting,
    models: Sequence[Model],
    work: Path,
    progress: Progress | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Predictions of the model with all weights trained, in the same folds."""
    probe, halves, notes = setting.probe, [], []
    for number, model in enumerate(models):
        values: dict[str, Any] = {
            "model": config.models[number],
            "shards": probe.shards,
            "query": probe.query,
            "channels": probe.channels,
            "align": probe.align,
            "baselines": [],
            "keep_weights": False,
            "seed": config.seed,
            "device": config.device,
            "n_bootstrap": 100,
            **config.finetune,
        }
        values |= {key: configuration.to_dict(getattr(task, key)) for key in ("target", "windows", "split")}
        values["out"] = work / str(number)
        work.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work / str(number), ignore_errors=True)  # finished, but not yet taken over
        found = run_finetune(configuration.load(FineTuneConfig, values), progress, model)
        halves.append(found.predictions)
        notes += found.notes
    predictions = halves[0] if len(halves) == 1 else _cross_fitted(halves, models, setting.task)
    return predictions.assign(method=FINETUNED), notes


def _cross_fitted(halves: Sequence[pd.DataFrame], models: Sequence[Model], task: Task) -> pd.DataFrame:
    """Join the model's rows, each person scored by the half that has not seen them; by the first if neither has."""
    seen = _people_seen(models[0], task)
    first, second = ((half["method"] == MODEL).to_numpy() for half in halves)
    is_seen = halves[0]["subject"].astype(str).isin(seen).to_numpy()
    kept = halves[0][~(first & is_seen)]
    second_model = halves[1][second & halves[1]["subject"].astype(str).isin(seen).to_numpy()]
    order = ["method", *(["seed"] if "seed" in kept else []), "fold", "recording", "onset"]
    # Both in one order: rows are compared with other methods' place by place.
    model = pd.concat([kept[kept["method"] == MODEL], second_model]).sort_values(order[1:], kind="stable")
    ordered = halves[0][first].reset_index(drop=True)
    keys = order[1:]
    model = ordered[keys].merge(model, on=keys, how="left", validate="one_to_one")
    return pd.concat([model[ordered.columns], kept[kept["method"] != MODEL]], ignore_index=True)


def _by_draw(predictions: pd.DataFrame, n_folds: int, n_parts: int) -> pd.DataFrame:
    """Predictions with the draw of the known people in the column `seed`, and folds numbered within it."""
    if n_parts == n_folds:
        return predictions
    draw = predictions["fold"] // n_folds
    seed = predictions.get("seed", 0)
    columns = {"fold": predictions["fold"] % n_folds, "seed": draw * SEEDS_PER_DRAW + seed}
    return predictions.assign(**columns).sort_values(["method", "seed", "fold"], kind="stable", ignore_index=True)


def _decided(task: BenchTask, setting: Setting) -> dict[str, Any]:
    """List the recordings whose scores decide a primary endpoint, if these are not all."""
    if task.decided_on is None:
        return {}
    ds = setting.task.labelled.windows.ds
    chosen = ds.query(task.decided_on, may_be_empty=False)  # type: ignore[attr-defined]
    return {"decided_on": chosen.to_pandas()["recording"].tolist()}


def _refuse_another(
    config: BenchConfig, models: Sequence[Model], scored: Mapping[str, Task], public: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse a folder with another bench, so that no table has rows of two models, two seeds or other recordings."""
    values = configuration.to_dict(config)
    for key in ("only", "out", "n_bootstrap", "conditions", "groups", "device", "processes", "public"):
        values.pop(key)
    values["tasks"] = {name: _task_settings(task) for name, task in config.tasks.items()}
    identity: dict[str, Any] = json.loads(json.dumps(values, default=str))
    identity["weights"] = [model.revision for model in models]
    identity |= {f"recordings of {name}": task.shards_hash for name, task in scored.items()}
    identity |= {f"weights of {name}": facts["revision"] for name, facts in public.items() if "revision" in facts}
    path = config.out / "identity.json"
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        # An earlier version may have written keys in another spelling.
        stored["tasks"] = {
            name: _task_settings(configuration.load(BenchTask, {"title": "", **task}))
            for name, task in stored.get("tasks", {}).items()
        }
        identity = {key: stored[key] for key in stored if key.startswith(("recordings of ", "weights of "))} | identity
        other = [key for key, value in identity.items() if stored.get(key, value) != value]
        other += [key for key in stored if key not in identity]
        if other:
            raise UsageError(
                f"{config.out} holds a bench that differs in {', '.join(other)}: give another folder with out=…, or "
                "delete it."
            )
    elif any(path for path in config.out.iterdir() if path.name != ".lock"):
        raise UsageError(f"{config.out} holds files, and not a bench: give another folder with out=….")
    write_guarded(path, json.dumps(identity, indent=2, sort_keys=True) + "\n")
    configuration.dump(config, config.out / "config.yaml")


def _task_settings(task: BenchTask) -> dict[str, Any]:
    """A task as plain values, without the words of the page."""
    return {key: value for key, value in configuration.to_dict(task).items() if key not in ("title", "unit", "remark")}


def _refuse_seen(models: Sequence[Model], scored: Mapping[str, Task]) -> None:
    """Refuse to score people whom the model has seen, or whom both halves have seen."""
    for name, opened in scored.items():
        found = [overlap_of(model.folder, opened.labelled.windows) if model.folder else None for model in models]
        if len(models) == 1:
            if found[0]:
                raise DataError(
                    f"{name}: {_overlap_clause(found[0])}; take another model, or leave the task out with only=[…]."
                )
            continue
        both = set.intersection(*(_people_seen(model, opened) for model in models))
        if both:
            raise DataError(
                f"{name}: both halves have seen {len(both)} of the people that are to be scored "
                f"({', '.join(sorted(both)[:5])}): each person needs a half that has not seen them."
            )


def _scored_people(config: BenchConfig) -> Iterator[tuple[str, Task]]:
    """Open the people who are scored: of each task, and of the other databases that its conditions name."""
    for name, task in config.chosen.items():
        yield name, open_task(f"{config.shards}/{task.shards}", task.query, task.target, task.windows)
        for condition, harder in task.conditions.items() if config.conditions else ():
            if (other := harder.tested_on) is not None:
                opened = open_task(f"{config.shards}/{other.shards}", other.query, other.target, other.windows)
                yield f"{name}, {condition}", opened


def _overlap_clause(found: Overlap) -> str:
    return found.sentence().removesuffix(".").split(", without their labels")[0]


def _people_seen(model: Model, task: Task) -> set[str]:
    """Subjects of the task whom a model has seen, by name or by one of their recordings."""
    found = overlap_of(model.folder, task.labelled.windows) if model.folder else None
    if not found:
        return set()
    by_recording = np.isin(task.recordings.astype(str), list(found.recordings))
    return set(task.subjects[by_recording].astype(str)) | set(found.subjects)
