"""The windows of a task with the label of each, y, for every kind of target (`biosig.downstream.data.target_config`).

Every recording or event that takes no part is counted with the reason, so that cohorts can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biosig.batches.windows import Windows, event_windows, fixed_length_windows
from biosig.downstream.data.interval_windows import windows_in_intervals
from biosig.downstream.data.label_values import (
    label_values,
    multi_label_targets,
    numeric_targets,
    single_label_targets,
    survival_targets,
)
from biosig.downstream.data.span_labels import span_labels
from biosig.downstream.data.target_config import (
    ClassTarget,
    EventTarget,
    MultiLabelTarget,
    NumberTarget,
    SurvivalTarget,
    Target,
    WindowPlan,
)
from biosig.errors import DataError, UsageError

if TYPE_CHECKING:
    from biosig.evaluate.metrics import Kind
    from biosig.shards.dataset import ShardDataset


@dataclass(frozen=True)
class LabelledWindows:
    """The windows of a task, and their labels.

    Parameters
    ----------
    windows : Windows
        N windows.
    y : ndarray
        By the target's kind: class numbers (N,) int64; 0 or 1 per class (N, K) float64; values (N,) float64; time and
        event (N, 2) float64.
    target : Target
        The target that y is of.
    notes : list of str
        Recordings and events that were left out, with the reason.
    """

    windows: Windows
    y: NDArray[Any]
    target: Target
    notes: list[str]

    @property
    def strata(self) -> NDArray[np.int64] | None:
        """Groups (N,) to spread evenly over folds: classes, each window's rarest class, events; None for numbers."""
        return stratification_labels(self.y, self.target.kind)


def stratification_labels(y: NDArray[Any], kind: Kind) -> NDArray[np.int64] | None:
    """Groups (N,) to spread evenly over folds; see `LabelledWindows.strata`."""
    if kind == "classes":
        return y
    if kind == "survival":
        return y[:, 1].astype(np.int64)
    if kind == "number":
        return None
    by_rarity = np.argsort(y.sum(axis=0))  # [K]
    present = y[:, by_rarity] > 0
    rarest = np.where(present.any(axis=1), by_rarity[present.argmax(axis=1)], y.shape[1])
    return np.unique(rarest, return_inverse=True)[1].astype(np.int64)


def has_class(y: NDArray[Any], kind: Kind, number: int) -> NDArray[np.bool_]:
    """Mask of the windows (N,) that have the class of this number, for classes and multilabel."""
    return y[:, number] > 0 if kind == "multilabel" else y == number


def label_windows(ds: ShardDataset, target: Target, plan: WindowPlan) -> LabelledWindows:
    """Draw the windows of a task and look up the label of each.

    Parameters
    ----------
    ds : ShardDataset
        Any query of an index.
    target : Target
        The labels to predict.
    plan : WindowPlan
        `before`/`after` around events, `length`/`stride` within events and for all other targets.

    Raises
    ------
    UsageError
        If the plan does not suit the target.
    DataError
        If no recording has the label, or a class is left without windows.
    """
    if isinstance(target, EventTarget):
        labelled = (_spans if target.label_interval else _event_windows)(ds, target, plan)
    else:
        labelled = _grid_windows(ds, target, plan)
    if plan.max_windows is not None:
        labelled = _limited(labelled, plan.max_windows, plan.spread)
    y = labelled.y
    for number, name in enumerate(target.class_names):
        if not has_class(y, target.kind, number).any():
            raise DataError(
                f"No window is left for class '{name}' "
                f"({' '.join(labelled.notes).rstrip('.') or 'nothing left out'}): "
                "correct the target, the query or the windows."
            )
    if not len(y):
        raise DataError(f"No window of {plan.length:g} s is left: choose a shorter windows.length.")
    return labelled


def _limited(labelled: LabelledWindows, max_windows: int, spread: bool) -> LabelledWindows:
    """The first windows of each recording, and of each class of events in it, or as many that lie evenly over it."""
    windows, y = labelled.windows, labelled.y
    by_class = isinstance(labelled.target, EventTarget)
    of_class = y if by_class else np.zeros(len(y), np.int64)
    order = np.lexsort((windows.onset, of_class, windows.recording))
    begins = np.flatnonzero(np.diff(windows.recording[order], prepend=-1) | np.diff(of_class[order], prepend=-1))
    size = np.diff(begins, append=len(y))
    place, n = np.arange(len(y)) - np.repeat(begins, size), np.repeat(size, size)
    # Of `max_windows` equal stretches each gives its first window.
    chosen = place * max_windows // n != (place - 1) * max_windows // n if spread else place < max_windows
    kept = np.sort(order[chosen])
    each = " and class" if by_class else ""
    kind = f"first {max_windows} windows" if max_windows > 1 else "first window"
    if spread:
        kind = f"{max_windows} windows that lie evenly over it"
    note = f"Of each recording{each} the {kind} take part, {len(kept)} of {len(y)} in all."
    return LabelledWindows(windows[kept], y[kept], labelled.target, [*labelled.notes, note])


def _spans(ds: ShardDataset, target: EventTarget, plan: WindowPlan) -> LabelledWindows:
    n_spans = (plan.length or 0.0) / target.label_interval
    if n_spans < 1 or abs(n_spans - round(n_spans)) > 1e-6 or plan.stride or plan.after or plan.before:
        raise UsageError(
            f"Labels every {target.label_interval:g} s need windows.length in seconds, a multiple of that, and no "
            "other key of windows."
        )
    counts = {name: recordings_matching(ds, expression) for name, expression in target.where.items()}
    windows, y, notes = span_labels(ds, target.events, counts, target.label_interval, bool(target.background_class))
    return LabelledWindows(windows, y, target, notes)


def _event_windows(ds: ShardDataset, target: EventTarget, plan: WindowPlan) -> LabelledWindows:
    wanted_labels = sorted({label for labels in target.events.values() for label in labels})
    events = ds.annotations[ds.annotations["label"].isin(wanted_labels)]
    if plan.length is not None and plan.after is None and plan.before is None:
        windows = windows_in_intervals(ds, wanted_labels, plan.length, plan.stride)
        left_out, why = (
            int((events["duration"] < plan.length).sum()),
            f"are shorter than one window of {plan.length:g} s",
        )
    elif plan.after is not None and plan.length is None and plan.stride is None:
        windows = event_windows(ds, wanted_labels, plan.before or 0.0, plan.after)
        left_out, why = len(events) - len(windows), "lie too close to an end of their recording"
    else:
        raise UsageError(
            "Events need windows.after (and perhaps windows.before) for one window around each, or windows.length "
            "(and perhaps windows.stride) for the windows within each, in seconds."
        )
    notes = [f"{left_out} of {len(events)} events {why}."] if left_out else []
    y = _event_classes(ds, windows, target)
    elsewhere = int((y < 0).sum())
    if elsewhere:
        notes.append(f"{elsewhere} of {len(y)} windows are of events that mean no class in their recording.")
    return LabelledWindows(windows[y >= 0], y[y >= 0], target, notes)


def _event_classes(ds: ShardDataset, windows: Windows, target: EventTarget) -> NDArray[np.int64]:
    """The class number of each window, -1 where its event counts for no class."""
    event_labels = np.asarray(windows.label, object)
    y = np.full(len(windows), -1, np.int64)
    for number, (name, labels) in enumerate(target.events.items()):
        counts = np.isin(event_labels, labels)
        if name in target.where:
            counts &= recordings_matching(ds, target.where[name])[windows.recording]
        if (y[counts] >= 0).any():
            first = int(np.flatnonzero(counts & (y >= 0))[0])
            raise UsageError(
                f"'{event_labels[first]}' in recording '{ds[int(windows.recording[first])].id}' means both "
                f"'{target.class_names[y[first]]}' and '{name}': let target.where tell them apart."
            )
        y[counts] = number
    return y


def recordings_matching(ds: ShardDataset, expression: str) -> NDArray[np.bool_]:
    """Mask of the recordings that a query finds, shape (n_recordings,)."""
    return np.isin(ds.to_pandas()["recording"], ds.query(expression).to_pandas()["recording"])


def _grid_windows(ds: ShardDataset, target: Target, plan: WindowPlan) -> LabelledWindows:
    if plan.length is None or plan.before is not None or plan.after is not None:
        what = "A number per window" if target.unit == "window" else "A recording's label"
        raise UsageError(f"{what} needs windows.length in seconds, and no windows.before or windows.after.")
    windows = fixed_length_windows(ds, plan.length, plan.stride)
    if isinstance(target, NumberTarget) and target.unit == "window":
        return _numbers_of_windows(windows, target)
    truth, notes = _recordings_truth(ds, target)
    known = np.all(np.isfinite(truth.reshape(len(truth), -1)), axis=1)  # (n_recordings,)
    too_short = len(np.setdiff1d(np.flatnonzero(known), windows.recording))
    if too_short:
        notes.append(f"{too_short} recordings are shorter than one window of {plan.length:g} s.")
    windows = windows[known[windows.recording]]
    y = truth[windows.recording]
    return LabelledWindows(windows, y.astype(np.int64) if isinstance(target, ClassTarget) else y, target, notes)


def _numbers_of_windows(windows: Windows, target: NumberTarget) -> LabelledWindows:
    from biosig.downstream.data.channel_targets import event_rates, window_values

    of, name = (window_values, target.target_channel) if target.target_channel else (event_rates, target.rate)
    y = of(windows, name, target.valid_range)
    present = np.flatnonzero(np.isfinite(y))
    absent = len(y) - len(present)
    notes = [f"{absent} of {len(y)} windows have no {name} and are left out."] if absent else []
    return LabelledWindows(windows[present], y[present], target, notes)


def _recordings_truth(ds: ShardDataset, target: Target) -> tuple[NDArray[np.float64], list[str]]:
    if isinstance(target, SurvivalTarget):
        times, events = label_values(ds, target.time), label_values(ds, target.event)
        return survival_targets(times, events, target.time, target.event)
    assert isinstance(target, ClassTarget | MultiLabelTarget | NumberTarget)
    values = label_values(ds, target.label)
    if isinstance(target, ClassTarget):
        return single_label_targets(values, target.classes)
    if isinstance(target, MultiLabelTarget):
        return multi_label_targets(values, target.labels, target.label)
    return numeric_targets(values, target.label)
