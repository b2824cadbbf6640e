"""Tables of a bench, computed from the predictions of its runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from biosig.bench.conditions import SEEDS_PER_DRAW
from biosig.bench.config import BenchConfig, BenchTask
from biosig.bench.operating import sensitivities
from biosig.bench.plan import AS_IT_IS, Job, jobs_of, seconds_taken
from biosig.bench.public import public_notes, read_public
from biosig.bench.scores import Gain, Judge, holm
from biosig.csv_table import write_csv
from biosig.downstream.baseline import MODEL
from biosig.downstream.data.cohort import groups
from biosig.downstream.data.target_config import Target
from biosig.downstream.results.fusion import fused_name, with_fused
from biosig.downstream.results.subgroups import subgroup_table
from biosig.evaluate.metrics import METRICS
from biosig.file_sums import checked, guarded

TWIN, FEATURES, FINETUNED = "random_weights", "handmade", "finetuned"

FUSED = ((FEATURES, MODEL), (FEATURES, TWIN))
"""Pairs of rows whose mean of standardised scores is a row too."""

WITH_MODEL, WITH_TWIN = map(fused_name, FUSED)

COMPARED = (
    (MODEL, TWIN),
    (MODEL, FEATURES),
    (MODEL, "handmade-0.1"),
    (MODEL, "features_network"),
    (WITH_MODEL, FEATURES),
    (WITH_MODEL, WITH_TWIN),
    (FEATURES, TWIN),
)
"""Pairs of rows whose difference is shown; networks from scratch and the tuned model add theirs."""

_SUBGROUP_DRAWS = 1000

_QUICK_DRAWS = 1000
"""Resamples for tables that are made while runs are still missing."""

_PER_TASK = ("scores", "gains", "operating", "subgroups", "notes")


@dataclass(frozen=True)
class BenchTables:
    """Tables of a bench.

    Parameters
    ----------
    scores : DataFrame
        task, title, primary, condition, row, metric, score, low, high, n_people, n_recordings, n_windows, may_be_seen
        (True where the makers of the weights say that they trained on the database: such rows are in no comparison).
    gains : DataFrame
        task, condition, row, against, metric, gain (positive = the row is better), low, high, p_bootstrap.
    endpoints : DataFrame
        The primary endpoints at Holm's levels (`biosig.bench.scores.holm`), one row for each comparison and endpoint.
    operating : DataFrame
        Of primary endpoints: sensitivity at 95 % specificity, Brier score and calibration error.
    subgroups : DataFrame
        Of primary endpoints: scores by sex, age, device and site (`biosig.downstream.results.subgroups`).
    notes : DataFrame
        task, note: people left out, missing rows with the reason, limits of the intervals.
    runs : DataFrame
        task, condition, rows, seconds of their run.
    """

    scores: pd.DataFrame
    gains: pd.DataFrame
    endpoints: pd.DataFrame
    operating: pd.DataFrame
    subgroups: pd.DataFrame
    notes: pd.DataFrame
    runs: pd.DataFrame


class Scoring(NamedTuple):
    """Part of a configuration that `subgroup_table` needs."""

    target: Target
    n_bootstrap: int
    seed: int


def write_tables(
    config: BenchConfig, tasks: Sequence[str], failed: Mapping[str, str], complete: bool = True
) -> BenchTables:
    """Score the finished rows of tasks, and write all tables and the page.

    Parameters
    ----------
    config : BenchConfig
        The bench.
    tasks : sequence of str
        Tasks to score again; the scores of others are read.
    failed : mapping of str to str
        Failed runs with the reason, for the page.
    complete : bool
        True to compute endpoints, operating points and subgroups, and intervals by all resamples, which takes longest;
        else those stay empty, and intervals are coarser.
    """
    from biosig.bench.page import write_page

    for name in tasks:
        _write_task(config, name, complete)
    endpoints = _endpoints(config) if complete else pd.DataFrame()
    tables = BenchTables(endpoints=endpoints, runs=_runs(config), **_read_tasks(config))
    for field in fields(BenchTables):
        with guarded(config.out / f"{field.name}.csv") as temporary:
            write_csv(getattr(tables, field.name), temporary)
    write_page(config, tables, failed)
    return tables


def predictions_of(config: BenchConfig, name: str, condition: str = AS_IT_IS) -> pd.DataFrame | None:
    """Read the out-of-fold predictions of all finished rows of a task, with the fused ones; None if there are none."""
    found = []
    for job in jobs_of(config, name, condition):
        folder = config.out / job.folder
        if seconds_taken(folder) is None:
            continue
        path = folder / "predictions.parquet"
        with checked(path, "delete its folder, and the bench makes these rows again"):
            found.append(pd.read_parquet(path))
    if not found:
        return None
    # A row without draws has one; `seed` tells the draws of those that have several.
    rows = pd.concat([rows if "seed" in rows else rows.assign(seed=0) for rows in found], ignore_index=True)
    rows = rows.assign(seed=rows["seed"].fillna(0).astype(int))
    pairs = [pair for pair in FUSED if set(rows["method"]).issuperset(pair)]
    draws = rows.groupby(rows["seed"] // SEEDS_PER_DRAW, sort=False)
    return pd.concat([with_fused(draw, pairs, config.tasks[name].target) for _, draw in draws], ignore_index=True)


def trained_on(config: BenchConfig, shards: str) -> bool:
    """True if the makers of a model say that they trained on the database that a folder of shards is named after."""
    path = config.out / "models.json"
    facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return any(Path(shards).name.casefold() in each.get("trained_on", ()) for each in facts)


def may_be_seen(config: BenchConfig, shards: str, row: str) -> bool:
    """True if the makers of the weights that a row depends on say that they trained on the database of the shards."""
    public = read_public(config.out).get(row, {})
    if row in config.public:
        return Path(shards).name.casefold() in public.get("trained_on", ())
    return reads_model(row) and trained_on(config, shards)


def reads_model(row: str) -> bool:
    """True if a row depends on the weights of the model under test."""
    return bool({MODEL, FINETUNED} & set(row.split(" + ")))


def _tested_shards(task: BenchTask, condition: str) -> str:
    """The folder of shards whose people are tested."""
    other_set = None if condition == AS_IT_IS else task.conditions[condition].tested_on
    return task.shards if other_set is None else other_set.shards


def _write_task(config: BenchConfig, name: str, complete: bool) -> None:
    """Write the tables of one task, as JSON beside its rows."""
    task = config.tasks[name]
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in _PER_TASK}
    tables["notes"] = [{"task": name, "note": note} for note in _notes(config, name)]
    for condition in (AS_IT_IS, *task.conditions):
        predictions = predictions_of(config, name, condition)
        if predictions is None:
            continue
        judge = Judge(task, predictions, config.n_bootstrap if complete else _QUICK_DRAWS, config.seed)
        place = {"task": name, "condition": condition}
        seen = {row for row in judge.rows if may_be_seen(config, _tested_shards(task, condition), row)}
        for row, score in judge.rows.items():
            interval = score.interval
            counts = score.of.counts()
            tables["scores"].append(
                {
                    **place,
                    "title": task.title,
                    "primary": task.primary,
                    "row": row,
                    "metric": task.judged_by,
                    "score": score.value,
                    "low": interval.low,
                    "high": interval.high,
                    "n_people": score.n_people,
                    "n_recordings": counts["n_recordings"],
                    "n_windows": counts["n_windows"],
                    "may_be_seen": row in seen,
                }
            )
        for row, against in _pairs(judge, task, config.public):
            if seen & {row, against}:
                continue
            gain = judge.gain(row, against)
            tables["gains"].append({**place, "row": row, "against": against, "metric": task.judged_by, **_facts(gain)})
        if complete and task.primary and condition == AS_IT_IS:
            tables["operating"] += _operating(config, name, judge)
            tables["subgroups"] += _subgroups(config, name, predictions)
    folder = config.out / "rows" / name
    if folder.is_dir():
        with guarded(folder / "tables.json") as temporary:
            temporary.write_text(json.dumps(tables), encoding="utf-8")


def _read_tasks(config: BenchConfig) -> dict[str, pd.DataFrame]:
    tables: dict[str, list[Any]] = {name: [] for name in _PER_TASK}
    for name in config.tasks:
        path = config.out / "rows" / name / "tables.json"
        if path.is_file():
            with checked(path, "delete it, and run the bench again"):
                for table, records in json.loads(path.read_text(encoding="utf-8")).items():
                    earlier = {"may_be_seen": False} if table == "scores" else {}  # benches of 0.1.0 do not say
                    tables[table] += [earlier | record for record in records]
    return {name: pd.DataFrame(records) for name, records in tables.items()}


def _pairs(judge: Judge, task: BenchTask, encoders: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of rows that are both finished."""
    more = [(row, network) for row in (MODEL, FINETUNED) for network in task.networks]
    more += [(MODEL, encoder) for encoder in encoders]
    rows = judge.rows
    return [pair for pair in (*COMPARED, *more, (FINETUNED, MODEL)) if rows.keys() >= set(pair)]


def _facts(gain: Gain) -> dict[str, float]:
    low, high = gain.bounds()
    return {"gain": gain.value, "low": low, "high": high, "p_bootstrap": gain.p_bootstrap}


def _endpoints(config: BenchConfig) -> pd.DataFrame:
    """Each comparison over the primary endpoints, at Holm's levels, on the recordings that decide."""
    judges = {}
    for name, task in config.chosen.items():
        counts = task.primary and not trained_on(config, task.shards)
        predictions = predictions_of(config, name) if counts else None
        if predictions is not None:
            decided = decided_on(config, name)
            if decided is not None:
                predictions = predictions[predictions["recording"].isin(decided)]
            judges[name] = Judge(task, predictions, config.n_bootstrap, config.seed)
    tables = []
    comparisons = [(MODEL, TWIN), (MODEL, FEATURES), (WITH_MODEL, WITH_TWIN)]
    for row, against in comparisons:
        gains = {
            name: judge.gain(row, against, flips=True)
            for name, judge in judges.items()
            if judge.rows.keys() >= {row, against}
        }
        if gains:
            people = {name: judges[name].rows[row].n_people for name in gains}
            table = holm(gains)
            table.insert(0, "against", against)
            table.insert(0, "row", row)
            tables.append(table.assign(n_people=table["endpoint"].map(people)))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def decided_on(config: BenchConfig, name: str) -> list[str] | None:
    """Recordings that decide a task, as a finished run of it states; None = all."""
    for job in jobs_of(config, name):
        record = config.out / job.folder / "run.json"
        if record.is_file():
            with checked(record):
                return json.loads(record.read_text(encoding="utf-8")).get("decided_on")
    return None


def _operating(config: BenchConfig, name: str, judge: Judge) -> list[dict[str, Any]]:
    """Sensitivity at 95 % specificity and calibration of every row, of targets with classes or labels."""
    target = config.tasks[name].target
    if not target.class_names:
        return []
    records = []
    prefix = "macro_" if target.kind == "multilabel" else ""
    for row, score in judge.rows.items():
        found = sensitivities(score.of, target.class_names, _SUBGROUP_DRAWS, config.seed)
        values = score.of.values.mean(axis=-1)
        calibration = {key: METRICS[f"{prefix}{key}"].value(score.of.truth, values) for key in ("brier", "ece")}
        for label, interval in found.items():
            records.append(
                {
                    "task": name,
                    "row": row,
                    "label": label,
                    "sensitivity": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    **(calibration if label in ("mean", target.class_names[-1]) else {}),
                }
            )
    return records


def _subgroups(config: BenchConfig, name: str, predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """Scores of the model and of the features by sex, age band, device and site, where known."""
    path = config.out / Job(name, AS_IT_IS, "frozen").folder / "recordings.parquet"
    if not path.is_file():
        return []
    with checked(path):
        group_columns = groups(pd.read_parquet(path))
    task = config.tasks[name]
    shown = predictions[predictions["method"].isin([MODEL, FEATURES])]
    if not len(group_columns.columns) or not len(shown):
        return []
    table = subgroup_table(shown, group_columns, Scoring(task.target, _SUBGROUP_DRAWS, config.seed))
    return table.assign(task=name).to_dict("records")


def _notes(config: BenchConfig, name: str) -> list[str]:
    """Notes of the runs of a task as it is, each sentence once."""
    found: list[str] = []
    for job in jobs_of(config, name):
        record = config.out / job.folder / "run.json"
        if record.is_file():
            with checked(record):
                found += json.loads(record.read_text(encoding="utf-8"))["notes"]
    if trained_on(config, config.tasks[name].shards):
        database = Path(config.tasks[name].shards).name
        found.append(
            f"The makers of the model say that they trained on {database}: its rows may have been seen in training, "
            "and take part in no comparison."
        )
    found += public_notes(config, name)
    return list(dict.fromkeys(found))


def _runs(config: BenchConfig) -> pd.DataFrame:
    """Seconds of the finished runs."""
    records = []
    for name, task in config.tasks.items():
        for condition in (AS_IT_IS, *task.conditions):
            for job in jobs_of(config, name, condition):
                seconds = seconds_taken(config.out / job.folder)
                if seconds is not None:
                    rows = job.encoder or job.group
                    records.append({"task": name, "condition": condition, "rows": rows, "seconds": seconds})
    return pd.DataFrame(records)
