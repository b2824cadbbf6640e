"""Training and test people of a task, without a condition and under each of its conditions.

Shape letters: N windows, n rows of a part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from biosig.batches.stacked import StackedSet
from biosig.batches.windows import Windows
from biosig.bench.config import BenchConfig, BenchTask, Condition, OtherSet
from biosig.downstream.data.degradations import with_degraded_test
from biosig.downstream.data.label_windows import LabelledWindows, has_class
from biosig.downstream.data.picked_channels import pick_channels
from biosig.downstream.data.splits import Split, make_parts
from biosig.downstream.data.task import Task, open_task
from biosig.downstream.probe.config import ProbeConfig
from biosig.errors import UsageError
from biosig.evaluate.splits import Rows
from biosig.models.model import Model

N_DRAWS = 3
"""Draws of the training recordings or people of a condition with `known`; their scores are averaged."""

SEEDS_PER_DRAW = 1000
"""The column `seed` of predictions is the draw of the known people times this, plus the draw of a random twin."""


@dataclass(frozen=True)
class Setting:
    """Windows, labels and parts of one run.

    Parameters
    ----------
    probe : ProbeConfig
        Configuration of frozen rows and baselines.
    task : Task
        N windows and their labels.
    parts : list of Split
        One per fold, those of a second draw after those of the first.
    n_folds : int
        Number of parts in one draw.
    notes : list of str
        Notes on the labels and the parts.
    """

    probe: ProbeConfig
    task: Task
    parts: list[Split]
    n_folds: int
    notes: list[str]


def probe_config(config: BenchConfig, task: BenchTask, condition: Condition | None = None) -> ProbeConfig:
    """The configuration of a task's frozen rows and baselines."""
    condition = condition or Condition()
    return ProbeConfig(
        config.models[0],
        f"{config.shards}/{task.shards}",
        task.target,
        task.windows,
        query=task.query,
        channels=condition.channels or task.channels,
        split=task.split,
        align=condition.align or task.align,
        layer=config.layer,
        pooling=config.pooling,
        draws=config.draws,
        network_minutes=config.network_minutes,
        seed=config.seed,
        device=config.device,
    )


def read_as_named(config: BenchConfig, models: Sequence[Model]) -> BenchConfig:
    """Let the weights choose layer and pooling, if they name a readout for every modality."""
    named = all(contract.readout for model in models for contract in model.contract.values())
    return replace(config, layer=None, pooling=None) if named else config


def setting_of(config: BenchConfig, task: BenchTask, condition: Condition | None = None) -> Setting:
    """Prepare windows, labels and parts of a task under a condition.

    Raises
    ------
    UsageError
        If there are too few people for the folds, or for the condition.
    DataError
        If a recording has no subject, or a class has no window.
    """
    condition = condition or Condition()
    probe = probe_config(config, task, condition)
    opened = open_task(probe.shards, task.query, task.target, task.windows)
    parts, notes = make_parts(task.split, opened.labelled, config.seed, opened.copies)
    notes = [*opened.labelled.notes, *notes]
    n_folds = len(parts)
    if condition.tested_on is not None:
        opened, parts = _tested_elsewhere(opened, parts[0], condition.tested_on, config)
        n_folds = 1
    if condition.known is not None:
        parts = [
            known_only(part, opened, condition.known, condition.known_by, [config.seed, number, draw])
            for draw in range(N_DRAWS)
            for number, part in enumerate(parts)
        ]
    if condition.degrade:
        opened, parts = with_degraded_test(opened, parts, condition.degrade)
    return Setting(probe, opened, parts, n_folds, notes)


def known_only(part: Split, task: Task, n: int, by: str, key: Sequence[int]) -> Split:
    """Reduce the training side of a part to `n` recordings or people, a quarter of them for validation.

    One of each class is drawn first, so that every class is present.

    Raises
    ------
    UsageError
        If the part has fewer.
    """
    rng = np.random.default_rng(key)
    pool = np.union1d(part.train, part.validation)
    unit = (task.people if by == "subject" else task.recordings)[pool].astype(str)
    names = rng.permutation(np.unique(unit))
    if len(names) < n:
        raise UsageError(f"known is {n} {by}s, and a fold has {len(names)}: give fewer.")
    y, kind = task.labelled.y[pool], task.labelled.target.kind
    firsts = [_first_with(names, unit, has_class(y, kind, k)) for k in range(len(task.labelled.target.class_names))]
    chosen = list(dict.fromkeys([*(name for name in firsts if name), *names.tolist()]))[:n]
    learned, validation = chosen[: -max(1, n // 4)], chosen[-max(1, n // 4) :]
    return Split(pool[np.isin(unit, learned)], pool[np.isin(unit, validation)], part.test)


def _first_with(names: NDArray[np.str_], unit: NDArray[np.str_], has: NDArray[np.bool_]) -> str | None:
    names_with_class = set(unit[has].tolist())
    return next((name for name in names.tolist() if name in names_with_class), None)


def _tested_elsewhere(task: Task, part: Split, other: OtherSet, config: BenchConfig) -> tuple[Task, list[Split]]:
    """Train on all people of the task, and test all people of another database who are not among them."""
    second = open_task(f"{config.shards}/{other.shards}", other.query, other.target, other.windows)
    one, two = task.labelled.windows, pick_channels(second.labelled.windows, other.channels)
    windows = Windows(
        StackedSet(one.ds, two.ds),
        np.concatenate((one.recording, two.recording + len(one.ds))),
        np.concatenate((one.onset, two.onset)),
        np.concatenate((one.duration, two.duration)),
    )
    labelled = LabelledWindows(
        windows,
        np.concatenate((task.labelled.y, second.labelled.y)),
        task.labelled.target,
        [*task.labelled.notes, *second.labelled.notes],
    )
    columns = {
        name: np.concatenate((getattr(task, name), getattr(second, name)))
        for name in ("recordings", "subjects", "contents")
    }
    both = hashlib.sha256(f"{task.shards_hash} {second.shards_hash}".encode()).hexdigest()
    stacked = Task(labelled, shards_hash=both, **columns)
    learned: Rows = np.arange(len(task.subjects))
    tested = len(learned) + np.arange(len(second.subjects))
    people = stacked.people  # copies are known across databases too
    strangers = tested[~np.isin(people[tested], people[learned])]
    if not len(strangers):
        raise UsageError(f"All people of {other.shards} are among the training people: name another database.")
    return stacked, [Split(np.setdiff1d(learned, part.validation), part.validation, strangers)]
