"""Training, validation and test parts with disjoint subjects, and disjoint sites if the split names them.

The validation part chooses the epoch, so that the test part is used once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biosig.batches.mapped_recordings import original
from biosig.batches.windows import Windows
from biosig.downstream.data.label_values import label_values
from biosig.downstream.data.label_windows import LabelledWindows, has_class, recordings_matching
from biosig.downstream.data.split_config import QuerySplit, SubjectKFold
from biosig.errors import DataError, UsageError
from biosig.evaluate.duplicates import duplicates_of
from biosig.evaluate.splits import Fold, Rows, check_disjoint, connected_groups, group_folds, held_out_fold
from biosig.shards.dataset import ShardDataset

Strata = NDArray[np.int64] | None
"""Strata to spread evenly over folds (N,), or None."""


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers to fit on, to choose the epoch on, and to test, each (n,) int64."""

    train: Rows
    validation: Rows
    test: Rows


def tested_rows(parts: Sequence[Split]) -> Rows:
    """The rows of all test parts, ascending, each once."""
    return np.unique(np.concatenate([part.test for part in parts]))


def make_parts(
    split: SubjectKFold | QuerySplit, labelled: LabelledWindows, seed: int, contents: Contents | None = None
) -> tuple[list[Split], list[str]]:
    """Make the parts of each fold, with notes on them.

    Parameters
    ----------
    split : SubjectKFold or QuerySplit
        Configuration of the split.
    labelled : LabelledWindows
        N windows of a shard dataset, and their labels.
    seed : int
        Seed of the folds and the validation subjects.
    contents : Contents, optional
        Contents of the windows, if already computed.

    Raises
    ------
    UsageError
        If there are too few subjects, or a part lacks a class.
    DataError
        If a subject is in two parts.
    """
    windows, strata = labelled.windows, labelled.stratification_labels
    contents = contents or content_of(windows)
    apart = [windows.subjects.astype(str)]
    groups = groups_of(split, windows, contents)
    notes = list(contents.notes)
    if isinstance(split, QuerySplit):
        parts, unused = _by_query(split, windows, strata, groups, seed)
        notes += unused + _shared_content(contents, parts)
    else:
        apart.append(contents.group)
        if split.by != "subject":
            apart.append(recording_values(windows, split.by))
            n_groups = len(np.unique(groups))
            notes.append(f"Parts share no {split.by} either: {n_groups} groups of subjects hang together.")
            _check_groups(split, groups)
        parts = [
            Split(*_with_validation(fold.train, split.validation, strata, groups, seed + number), fold.test)
            for number, fold in enumerate(_folds(split.folds, strata, groups, seed))
        ]
    for part in parts:
        pairs = ((part.train, part.test), (part.train, part.validation), (part.validation, part.test))
        for names in apart:
            check_disjoint(names, [Fold(*pair) for pair in pairs])
        _check_truth(labelled, part.train, "training")
        _check_truth(labelled, part.validation, "validation")
    _check_truth(labelled, np.concatenate([part.test for part in parts]), "test")
    return parts, notes


@dataclass(frozen=True, slots=True)
class Contents:
    """Person of each window (N,), group of its recording's equal or near copies (N,), and notes on these.

    Subjects who share a signal are one person (`biosig.evaluate.duplicates.Duplicates.people`).
    """

    people: NDArray[np.str_]
    group: NDArray[np.str_]
    notes: list[str]


def content_of(windows: Windows) -> Contents:
    """Find the windows' recordings that hold the same signal, under any names and subjects."""
    rows, first, window_recording = np.unique(windows.recording, return_index=True, return_inverse=True)
    recordings = [windows.ds[int(row)] for row in rows]
    names = [one.id for one in recordings]
    found = duplicates_of(recordings)
    people = found.people(windows.subjects[first], [one.content_hash for one in recordings])
    return Contents(people[window_recording], np.array(names, str)[found.group][window_recording], found.notes(names))


def groups_of(split: SubjectKFold | QuerySplit, windows: Windows, contents: Contents) -> NDArray[np.str_]:
    """Groups that a split keeps together (N,): people, or people connected by values of `split.by`."""
    if isinstance(split, SubjectKFold) and split.by != "subject":
        return connected_groups(contents.people, recording_values(windows, split.by))
    return contents.people


def _shared_content(contents: Contents, parts: list[Split]) -> list[str]:
    """A note on copies of one recording on both sides of a split by query."""
    (part,) = parts
    learned = np.union1d(contents.group[part.train], contents.group[part.validation])
    shared = np.intersect1d(learned, contents.group[part.test])
    if not len(shared):
        return []
    return [
        f"Copies of {len(shared)} recordings of the test part are in the training or validation part (the first is of "
        f"'{shared[0]}'), so the score is too good: leave them out with a query."
    ]


def recording_values(windows: Windows, label: str) -> NDArray[np.str_]:
    """Session of each window's recording (N,), or a label of it such as the site.

    Raises
    ------
    DataError
        If a recording has no value, or several.
    """
    windows = original(windows)
    ds = windows.ds
    assert isinstance(ds, ShardDataset)
    index = ds.to_pandas()
    values = index[label].tolist() if label == "session" else label_values(ds, label)
    for row in np.unique(windows.recording).tolist():
        if values[row] is None or isinstance(values[row], list):
            raise DataError(
                f"Recording '{index['recording'][row]}' has {'no' if values[row] is None else 'several values of'} "
                f"{label}, and one is needed to keep recordings apart by it: leave it out with a query."
            )
    return np.array([str(value) for value in values])[windows.recording]


def _check_groups(split: SubjectKFold, groups: NDArray[np.str_]) -> None:
    n_groups, wanted = len(np.unique(groups)), 3 if split.folds == "subjects" else split.folds
    if n_groups < wanted:
        raise UsageError(
            f"Subjects connected by their values of {split.by} form {n_groups} groups, and the split needs "
            f"{wanted}: choose fewer folds, or by: subject."
        )


def _folds(n_folds: int | str, strata: Strata, groups: NDArray[np.str_], seed: int) -> list[Fold]:
    if isinstance(n_folds, int):
        return group_folds(groups, n_folds, seed, strata)
    everyone = np.unique(groups)
    return [Fold(np.flatnonzero(groups != one), np.flatnonzero(groups == one)) for one in everyone]


def _with_validation(
    train: Rows, share: float, strata: Strata, groups: NDArray[np.str_], seed: int
) -> tuple[Rows, Rows]:
    """Divide training rows into those to fit and, of other groups, those that choose the epoch."""
    among = None if strata is None else strata[train]
    inner = held_out_fold(groups[train], share, seed, among)
    return train[inner.train], train[inner.test]


def _by_query(
    split: QuerySplit, windows: Windows, strata: Strata, groups: NDArray[np.str_], seed: int
) -> tuple[list[Split], list[str]]:
    windows = original(windows)
    ds = windows.ds
    assert isinstance(ds, ShardDataset)
    train, test = (_rows(expression, windows, ds) for expression in (split.train, split.test))
    if isinstance(split.validation, str):
        validation = _rows(split.validation, windows, ds)
    else:
        train, validation = _with_validation(train, split.validation, strata, groups, seed)
    unused = len(windows) - len(train) - len(validation) - len(test)
    notes = [f"{unused} of {len(windows)} windows are in no part of the split and are left out."] if unused > 0 else []
    return [Split(train, validation, test)], notes


def _rows(expression: str, windows: Windows, ds: ShardDataset) -> Rows:
    rows = np.flatnonzero(recordings_matching(ds, expression)[windows.recording])
    if not len(rows):
        raise UsageError(f"No window is in the part {expression!r} of the split: correct the expression or the query.")
    return rows


def _check_truth(labelled: LabelledWindows, rows: Rows, part: str) -> None:
    """Refuse a part without an event, or without windows of both sides of a class."""
    y, target = labelled.y[rows], labelled.target
    if target.kind == "survival" and not y[:, 1].any():
        raise UsageError(f"The {part} part has no event: use fewer folds, a larger share, or another seed.")
    for number, name in enumerate(target.class_names):
        present = has_class(y, target.kind, number)
        if not present.any() or present.all():
            raise UsageError(
                f"The {part} part has {'no' if not present.any() else 'only'} windows of class '{name}': use fewer "
                "folds, a larger share, or another seed."
            )
