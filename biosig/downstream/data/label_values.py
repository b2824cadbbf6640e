"""Label values per recording as arrays; recordings whose value is missing are left out and counted.

Shape letters: R recordings, K classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError, UsageError

if TYPE_CHECKING:
    from biosig.shards.dataset import ShardDataset

Floats = NDArray[np.float64]

SUBJECT_COLUMNS = ("age", "sex")
"""Facts about the subject that can be targets like any label."""


def label_values(ds: ShardDataset, label: str) -> list[Any]:
    """The label's value in each recording, None where there is none.

    Raises
    ------
    DataError
        If no recording has the label.
    """
    if label in SUBJECT_COLUMNS:
        values = ds.to_pandas()[label].tolist()
    else:
        # Not from the data frame of labels, in which one missing value makes every 1 a 1.0.
        labels = [json.loads(text) for text in ds.table["labels"].to_pylist()]
        known = dict.fromkeys(name for recording_labels in labels for name in recording_labels)
        if label not in known:
            present = ", ".join(dict.fromkeys([*known, *SUBJECT_COLUMNS]))
            raise DataError(f"No recording has the label '{label}'; labels present: {present}.")
        values = [recording_labels.get(label) for recording_labels in labels]
    return [None if value is None or value != value else value for value in values]


def single_label_targets(values: Sequence[Any], classes: Mapping[str, Sequence[str]]) -> tuple[Floats, list[str]]:
    """The class number of each recording (R,), NaN where it is in none or in several; and notes that count them."""
    truth = np.full(len(values), math.nan)
    none, several = 0, 0
    for row, value in enumerate(values):
        present = _codes(value)
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


def multi_label_targets(
    values: Sequence[Any], classes: Mapping[str, Sequence[str]], label: str
) -> tuple[Floats, list[str]]:
    """The classes of each recording, (R, K) of 0 and 1; a row of NaN where it has no value at all."""
    truth = np.full((len(values), len(classes)), math.nan)
    for row, value in enumerate(values):
        present = _codes(value)
        if present:
            truth[row] = [bool(present & set(meant)) for meant in classes.values()]
    return truth, _absent(truth[:, 0], label)


def numeric_targets(values: Sequence[Any], label: str) -> tuple[Floats, list[str]]:
    """The value of each recording (R,), NaN where it has none; and notes that count them.

    Raises
    ------
    UsageError
        If a value is not a number.
    """
    texts = [value for value in values if value is not None and not isinstance(value, int | float)]
    if texts:
        raise UsageError(f"'{label}' holds {texts[0]!r}, which is not a number: sort its values with target.classes.")
    truth = np.array([math.nan if value is None else float(value) for value in values], np.float64)
    return truth, _absent(truth, label)


def survival_targets(
    times: Sequence[Any], events: Sequence[Any], time_label: str, event_label: str
) -> tuple[Floats, list[str]]:
    """Time under observation, and 1 if the event ended it or 0 if not, (R, 2); NaN where one of them is missing.

    Raises
    ------
    UsageError
        If a time is negative or not a number, or an event is neither yes nor no.
    """
    (time, time_notes), (event, event_notes) = numeric_targets(times, time_label), numeric_targets(events, event_label)
    if (time < 0).any():
        raise UsageError(f"'{time_label}' holds {np.nanmin(time):g}: a time under observation cannot be negative.")
    odd = event[np.isfinite(event) & ~np.isin(event, (0, 1))]
    if len(odd):
        raise UsageError(f"'{event_label}' holds {odd[0]:g}; give 1 where the event happened, 0 where it did not.")
    truth = np.stack((time, event), axis=1)
    truth[np.isnan(truth).any(axis=1)] = math.nan
    return truth, [*time_notes, *event_notes]


def _codes(value: Any) -> set[str]:
    """The values of a label as text; all items of a list."""
    items = value if isinstance(value, list | tuple) else [value]
    return {str(item) for item in items if item is not None}


def _absent(truth: Floats, label: str) -> list[str]:
    absent = int((~np.isfinite(truth)).sum())
    return [f"{absent} of {len(truth)} recordings have no {label} and are left out."] if absent else []
