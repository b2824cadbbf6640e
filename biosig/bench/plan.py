"""Plan of a bench: its runs, the cheap rows first, with their expected durations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from biosig.bench.config import GROUPS, BenchConfig, BenchTask, Condition, Group
from biosig.errors import UsageError

UNDER_CONDITIONS: tuple[Group, ...] = ("frozen", "features")
"""Groups of rows that are also made under conditions."""

AS_IT_IS = "as it is"
"""Name of a task's own setting, beside its conditions."""

_SECONDS: dict[Group, float] = {
    "frozen": 4.0,
    "features": 1.5,
    "handmade-0.1": 3.0,
    "features_network": 2.0,
    "public": 20.0,
    "network": 30.0,
    "finetuned": 60.0,
}
"""Seconds for a hundred windows of a task on one core of 2024, all folds: a guess, until a run of the same kind has
been timed."""


@dataclass(frozen=True)
class Job:
    """One run: some rows of a task, under one condition.

    Parameters
    ----------
    task, condition : str
        Names; `AS_IT_IS` is the task without a condition.
    group : str
        Group of rows.
    n_windows : int
        Windows of the task.
    encoder : str
        The public encoder of a run of the group `public`.
    """

    task: str
    condition: str
    group: Group
    n_windows: int = 0
    encoder: str = ""

    @property
    def folder(self) -> str:
        """Folder of its predictions, below the bench's."""
        return "/".join(["rows", self.task, _as_name(self.condition), self.group, *filter(None, [self.encoder])])

    @property
    def title(self) -> str:
        """Title of the run for progress."""
        condition = "" if self.condition == AS_IT_IS else f", {self.condition}"
        return f"{self.task}{condition}: {self.encoder or self.group}"


@dataclass(frozen=True)
class Plan:
    """All runs of a bench.

    Parameters
    ----------
    jobs : list of Job
        All runs in their order.
    done : set of Job
        Runs with predictions in the folder.
    seconds : dict
        Expected or measured duration of each run.
    """

    jobs: list[Job]
    done: frozenset[Job]
    seconds: dict[Job, float]

    @property
    def to_do(self) -> list[Job]:
        """Runs without predictions yet."""
        return [job for job in self.jobs if job not in self.done]

    def table(self) -> pd.DataFrame:
        """A row per task and group of rows: number of runs, number done, minutes expected of the rest."""
        rows = [
            {"task": j.task, "rows": j.group, "runs": 1, "done": j in self.done, "minutes": 0.0}
            | ({} if j in self.done else {"minutes": self.seconds[j] / 60})
            for j in self.jobs
        ]
        return pd.DataFrame(rows).groupby(["task", "rows"], sort=False).sum().reset_index()


def plan(config: BenchConfig, n_windows: dict[str, int], public: Mapping[str, Collection[str]] | None = None) -> Plan:
    """List the runs of a bench, and mark those that are done.

    Parameters
    ----------
    config : BenchConfig
        The bench.
    n_windows : dict of str to int
        Windows of each task.
    public : mapping of str to collection of str, optional
        Names of the tasks that each public encoder reads.
    """
    encoders = public or {}
    jobs = [
        Job(name, condition, group, n_windows.get(name, 0), encoder)
        for group in GROUPS
        if group in config.groups
        for name, task in config.chosen.items()
        for condition in _conditions(config, task, group)
        for encoder in ([e for e, reads in encoders.items() if name in reads] if group == "public" else [""])
        if group != "network" or task.networks
    ]
    jobs.sort(key=lambda job: job.condition != AS_IT_IS)  # every row of the tasks as they are, then the conditions
    took = {job: seconds for job in jobs if (seconds := seconds_taken(config.out / job.folder)) is not None}
    return Plan(jobs, frozenset(took), {job: took.get(job, _expected(job, took)) for job in jobs})


def jobs_of(config: BenchConfig, name: str, condition: str = AS_IT_IS) -> list[Job]:
    """All runs of a task under a condition that may have left rows, in the order of the tables."""
    groups: Sequence[Group] = GROUPS if condition == AS_IT_IS else UNDER_CONDITIONS
    return [
        Job(name, condition, group, encoder=encoder)
        for group in groups
        for encoder in (config.public if group == "public" else [""])
    ]


def condition_of(task: BenchTask, name: str) -> Condition | None:
    """A task's condition; None for the task as it is."""
    return None if name == AS_IT_IS else task.conditions[name]


def seconds_taken(folder: Path) -> float | None:
    """Read the duration of a run in seconds; None if it is not done.

    Raises
    ------
    UnreadableError
        If its record is damaged.
    """
    import json

    from biosig.file_sums import checked

    record = folder / "run.json"
    if not record.is_file():
        return None
    with checked(record, "delete its folder, and the bench makes these rows again"):
        return float(json.loads(record.read_text(encoding="utf-8"))["seconds"])


def _conditions(config: BenchConfig, task: BenchTask, group: Group) -> list[str]:
    more = list(task.conditions) if config.conditions and group in UNDER_CONDITIONS else []
    if AS_IT_IS in more:
        raise UsageError(f"A condition has the name '{AS_IT_IS}' of the task without conditions: give another name.")
    return [AS_IT_IS, *more]


def _expected(job: Job, took: dict[Job, float]) -> float:
    """Seconds expected of a run: by the time per window of runs of the same rows, else by the guess of `_SECONDS`."""
    rows = (job.group, job.encoder)
    same = [other for other in took if (other.group, other.encoder) == rows and other.n_windows]
    if same:
        near = [other for other in same if other.task == job.task] or same
        return sum(took[other] for other in near) / sum(other.n_windows for other in near) * job.n_windows
    return _SECONDS[job.group] * job.n_windows / 100


def _as_name(condition: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in condition)
