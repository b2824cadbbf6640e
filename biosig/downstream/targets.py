"""From labels to y: which windows take part in a task, and what is true of each.

Three sorts of target: classes of a recording's label, classes of annotated events, and a number (age, say). Every
recording or event that takes no part is counted with the reason, because a cohort that shrinks in silence is a cohort
that nobody can compare with.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from biosig.batches.windows import Windows, around, grid
from biosig.errors import DataError, UsageError

if TYPE_CHECKING:
    from biosig.evaluate.metrics import Task
    from biosig.shards.dataset import ShardDataset

SUBJECT_COLUMNS = ("age", "sex")
"""Facts about the subject that can be targets like any label."""


@dataclass(frozen=True)
class Target:
    """What to predict. Give `label` with `classes`, `events`, or `label` alone for a number.

    Parameters
    ----------
    label : str
        A recording label, or "age" or "sex".
    classes : dict
        Class name → the label values that mean it. A recording belongs to a class when it has one of the values; of
        a list of values those that no class names are disregarded; a recording with values of two classes, or of
        none, is left out and counted. So {normal: [NORM], abnormal: [MI, CD]} leaves out who has both NORM and MI.
    events : dict
        Class name → annotation labels. Every such event gives one window.
    where : dict
        Class name → the recordings in which its events count, as a pandas expression over the index and the labels;
        all, where a class is not named. So T1 can mean the left fist in one run and both fists in another.
    """

    label: str = ""
    classes: dict[str, list[str]] = field(default_factory=dict)
    events: dict[str, list[str]] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.label) == bool(self.events):
            raise UsageError("A target needs either 'label' (a recording's label) or 'events' (annotations), not both.")
        if self.classes and not self.label:
            raise UsageError("'classes' sorts the values of a recording's label: name it with 'label'.")
        groups = self.events or self.classes
        if len(groups) == 1:
            raise UsageError(f"The target has the one class '{next(iter(groups))}': name two or more.")
        unknown = [name for name in self.where if name not in self.events]
        if unknown:
            raise UsageError(f"'where' names '{unknown[0]}', which is no class of events: name one of 'events'.")
        everywhere = [values for name, values in groups.items() if name not in self.where]
        repeated = [value for value, n in Counter(v for values in everywhere for v in values).items() if n > 1]
        if repeated:
            raise UsageError(f"'{repeated[0]}' stands in two classes of the target: a value can mean one class only.")

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their numbers; empty for a number."""
        return tuple(self.events or self.classes)

    @property
    def task(self) -> Task:
        """Whether classes or numbers are predicted."""
        return "classes" if self.class_names else "number"


@dataclass(frozen=True)
class WindowPlan:
    """Where windows lie, in seconds: `length` and `stride` for labels, `before` and `after` for events.

    Parameters
    ----------
    length, stride : float, optional
        Seconds per window, and from one onset to the next (default `length`).
    before, after : float, optional
        Seconds before and after an event's onset; `before` defaults to 0.
    """

    length: float | None = None
    stride: float | None = None
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True)
class LabelledWindows:
    """The windows that take part, and their truth.

    Parameters
    ----------
    windows : Windows
        N of them.
    y : ndarray, shape (N,)
        Class numbers (int64), or values (float64).
    class_names : tuple of str
        Empty for a number.
    unit : {"recording", "window"}
        What the label belongs to, hence what is scored.
    notes : list of str
        Who was left out and why.
    """

    windows: Windows
    y: NDArray[Any]
    class_names: tuple[str, ...]
    unit: Literal["recording", "window"]
    notes: list[str]


def label_windows(ds: ShardDataset, target: Target, plan: WindowPlan) -> LabelledWindows:
    """Draw the windows of a task and look up what is true of each.

    Parameters
    ----------
    ds : ShardDataset
        Any query of an index.
    target : Target
        What to predict.
    plan : WindowPlan
        `before`/`after` for a target of events, `length`/`stride` for all others.

    Raises
    ------
    UsageError
        If the plan does not suit the target.
    DataError
        If no recording has the label, or a class is left without windows.
    """
    labelled = _event_windows(ds, target, plan) if target.events else _recording_windows(ds, target, plan)
    for number, name in enumerate(labelled.class_names):
        if not (labelled.y == number).any():
            raise DataError(
                f"No window is left for class '{name}' "
                f"({' '.join(labelled.notes).rstrip('.') or 'nothing left out'}): "
                "correct the target, the query or the windows."
            )
    if not len(labelled.y):
        raise DataError(f"No window of {plan.length:g} s is left: choose a shorter windows.length.")
    return labelled


def _event_windows(ds: ShardDataset, target: Target, plan: WindowPlan) -> LabelledWindows:
    if plan.after is None or plan.length is not None or plan.stride is not None:
        raise UsageError("Events need windows.after (and perhaps windows.before) in seconds, and no windows.length.")
    wanted = sorted({label for labels in target.events.values() for label in labels})
    windows = around(ds, wanted, plan.before or 0.0, plan.after)
    n_events = int(ds.annotations["label"].isin(wanted).sum())
    notes = []
    if n_events > len(windows):
        notes.append(f"{n_events - len(windows)} of {n_events} events lie too close to an end of their recording.")
    y = _event_classes(ds, windows, target)
    elsewhere = int((y < 0).sum())
    if elsewhere:
        notes.append(f"{elsewhere} of {n_events} events are in recordings where they mean no class.")
    return LabelledWindows(windows[y >= 0], y[y >= 0], target.class_names, "window", notes)


def _event_classes(ds: ShardDataset, windows: Windows, target: Target) -> NDArray[np.int64]:
    """The class number of each window, -1 where its event counts for none."""
    happened = np.asarray(windows.label, object)
    y = np.full(len(windows), -1, np.int64)
    for number, (name, labels) in enumerate(target.events.items()):
        counts = np.isin(happened, labels)
        if name in target.where:
            counts &= matching(ds, target.where[name])[windows.recording]
        if (y[counts] >= 0).any():
            first = int(np.flatnonzero(counts & (y >= 0))[0])
            raise UsageError(
                f"'{happened[first]}' in recording '{ds[int(windows.recording[first])].id}' means both "
                f"'{target.class_names[y[first]]}' and '{name}': let target.where tell them apart."
            )
        y[counts] = number
    return y


def matching(ds: ShardDataset, expression: str) -> NDArray[np.bool_]:
    """Which recordings a query finds, shape (n_recordings,)."""
    return np.isin(ds.to_pandas()["recording"], ds.query(expression).to_pandas()["recording"])


def _recording_windows(ds: ShardDataset, target: Target, plan: WindowPlan) -> LabelledWindows:
    if plan.length is None or plan.before is not None or plan.after is not None:
        raise UsageError("A recording's label needs windows.length in seconds, and no windows.before or windows.after.")
    values = _values(ds, target.label)
    if target.classes:
        truth, notes = _classes(values, target.classes)
    else:
        truth, notes = _numbers(values, target.label)
    windows = grid(ds, plan.length, plan.stride)
    too_short = len(np.setdiff1d(np.flatnonzero(np.isfinite(truth)), windows.recording))
    if too_short:
        notes.append(f"{too_short} recordings are shorter than one window of {plan.length:g} s.")
    windows = windows[np.isfinite(truth[windows.recording])]
    y = truth[windows.recording]
    return LabelledWindows(windows, y.astype(np.int64) if target.classes else y, target.class_names, "recording", notes)


def _values(ds: ShardDataset, label: str) -> list[Any]:
    """The label's value in each recording, None where there is none."""
    if label in SUBJECT_COLUMNS:
        values = ds.to_pandas()[label].tolist()
    else:
        # Not from the data frame of labels, in which one missing value makes every 1 a 1.0.
        labels = [json.loads(text) for text in ds.table["labels"].to_pylist()]
        known = dict.fromkeys(name for of_one in labels for name in of_one)
        if label not in known:
            present = ", ".join(dict.fromkeys([*known, *SUBJECT_COLUMNS]))
            raise DataError(f"No recording has the label '{label}'; labels present: {present}.")
        values = [of_one.get(label) for of_one in labels]
    return [None if value is None or value != value else value for value in values]


def _classes(values: Sequence[Any], classes: Mapping[str, Sequence[str]]) -> tuple[NDArray[np.float64], list[str]]:
    """The class number of each recording, NaN where it takes no part."""
    truth = np.full(len(values), math.nan)
    none, several = 0, 0
    for row, value in enumerate(values):
        present = {str(item) for item in (value if isinstance(value, list | tuple) else [value])}
        matching = [number for number, meant in enumerate(classes.values()) if present & set(meant)]
        if len(matching) == 1:
            truth[row] = matching[0]
        none += not matching
        several += len(matching) > 1
    notes = []
    if none:
        notes.append(f"{none} of {len(values)} recordings belong to no class and are left out.")
    if several:
        notes.append(f"{several} of {len(values)} recordings belong to several classes and are left out.")
    return truth, notes


def _numbers(values: Sequence[Any], label: str) -> tuple[NDArray[np.float64], list[str]]:
    """The value of each recording, NaN where there is none."""
    words = [value for value in values if value is not None and not isinstance(value, int | float)]
    if words:
        raise UsageError(f"'{label}' holds {words[0]!r}, which is no number: sort its values with target.classes.")
    truth = np.array([math.nan if value is None else float(value) for value in values], np.float64)
    absent = int((~np.isfinite(truth)).sum())
    return truth, [f"{absent} of {len(values)} recordings have no {label} and are left out."] if absent else []
