"""Splits by subject, or by a value that subjects share, and the check that no subject is on both sides.

A split by window or recording lets a model recognise the person instead of the condition; it turned 53 % into
99.8 % in published EEG work (Brookshire et al., Front. Neurosci. 2024). There is no such split here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from biosig.errors import DataError, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers to fit on (`train`) and to score (`test`), each (n,) int64."""

    train: Rows
    test: Rows


def check_subjects(subjects: Sequence[Any] | NDArray[Any], recordings: Sequence[Any] | NDArray[Any]) -> None:
    """Refuse rows without a subject.

    Raises
    ------
    DataError
        Naming a recording without a subject, and how to give one.
    """
    unknown = [
        str(recording)
        for subject, recording in zip(subjects, recordings, strict=True)
        if not isinstance(subject, str) or not subject
    ]
    if unknown:
        raise DataError(
            f"{len(set(unknown))} recordings have no subject (the first is '{unknown[0]}'), so no split can keep "
            "people apart: ingest again with --labels and --subject-column, or with --subject-pattern."
        )


def check_disjoint(subjects: Sequence[str] | NDArray[Any], folds: Sequence[Fold]) -> None:
    """Refuse folds in which a subject is on both sides.

    Raises
    ------
    DataError
        Naming the subject and the fold.
    """
    names = np.asarray(subjects)
    for number, fold in enumerate(folds):
        shared = np.intersect1d(names[fold.train], names[fold.test])
        if len(shared):
            raise DataError(
                f"Subject '{shared[0]}' is in both the training and the test part of fold {number} ({len(shared)} such "
                "subjects): split by subject, for example with biosig.evaluate.splits.group_folds."
            )


def group_folds(
    subjects: Sequence[str] | NDArray[Any],
    n_folds: int = 5,
    seed: int = 0,
    y: NDArray[Any] | None = None,
) -> list[Fold]:
    """Folds in which every subject is tested exactly once.

    Subjects are dealt in the order of a hash of the seed and their name (`drawn_order`), among those with the same
    classes: each fold gets as many of them as any other, but for a rest, which goes where its rarest class is rarest.
    So the folds depend on names, classes and the seed alone, not on the order or the number of rows, and one more
    subject moves few of the others. Names that are made of content (`biosig.evaluate.duplicates.Duplicates.people`)
    give the same folds wherever the same recordings are split.

    Parameters
    ----------
    subjects : sequence of str, shape (N,)
        Subject of each row.
    n_folds : int
        Number of folds.
    seed : int
        Shuffles subjects between folds.
    y : ndarray of int, shape (N,), optional
        Classes to spread evenly over the folds as far as subjects allow; omit for numbers.

    Raises
    ------
    UsageError
        If there are fewer subjects than folds, or a training part would lack a class.
    """
    names, subject = np.unique(np.asarray(subjects, str), return_inverse=True)
    if not 2 <= n_folds <= len(names):
        raise UsageError(
            f"{n_folds} folds over {len(names)} subjects: choose n_folds from 2 to the number of subjects."
        )
    classes, code = np.unique(np.zeros(len(subject)) if y is None else y, return_inverse=True)
    has = np.zeros((len(names), len(classes)), bool)  # (subjects, classes)
    has[subject, code] = True
    if y is not None and has.sum(axis=0).min() < 2:
        raise UsageError(
            "A class occurs in one subject only, so it cannot be both learned and tested: merge or drop it."
        )
    fold_of = _dealt(names, has, n_folds, seed)[subject]  # (N,)
    folds = [Fold(np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number)) for number in range(n_folds)]
    for number, fold in enumerate(folds):
        if not len(fold.test):
            raise UsageError(f"Fold {number} of {n_folds} has no subject to test: use fewer folds or another seed.")
        if len(absent := np.setdiff1d(code, code[fold.train])):
            raise UsageError(
                f"The training part of fold {number} of {n_folds} has no row of class {classes[absent[0]]}: use fewer "
                "folds or another seed."
            )
    return folds


def held_out_fold(
    subjects: Sequence[str] | NDArray[Any], share: float, seed: int = 0, y: NDArray[Any] | None = None
) -> Fold:
    """A share of the subjects as `test`, the others as `train`: of the `group_folds` that large, one with most classes.

    Parameters
    ----------
    subjects, seed, y
        As in `group_folds`.
    share : float
        One fold of 1 / `share`; at most a half.
    """
    folds = group_folds(subjects, round(1 / share), seed, y)
    return folds[0] if y is None else max(folds, key=lambda fold: len(np.unique(y[fold.test])))


def drawn_order(names: Sequence[str] | NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Row numbers that put names in the order of the SHA-256 of seed and name: the same on any machine."""
    digests = [_digest(str(name), seed) for name in names]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), np.int64)


def _digest(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _dealt(names: NDArray[np.str_], has: NDArray[np.bool_], n_folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each subject, who `has` some classes (subjects, classes)."""
    n_with = has.sum(axis=0)
    patterns, pattern_of = np.unique(has, axis=0, return_inverse=True)
    rarest_first = [sorted(np.flatnonzero(pattern).tolist(), key=n_with.__getitem__) for pattern in patterns]
    order = drawn_order(names, seed)
    fold_of = np.full(len(names), -1)
    dealt = np.zeros((n_folds, has.shape[1]), np.int64)  # subjects with each class
    total = np.zeros(n_folds, np.int64)
    for pattern in sorted(range(len(patterns)), key=lambda one: n_with[rarest_first[one]].tolist()):
        members = order[pattern_of[order] == pattern]
        places = np.full(n_folds, len(members) // n_folds)
        n_even = int(places.sum())
        for rank, member in enumerate(members.tolist()):
            first = int(_digest(names[member], seed)[-12:], 16) % n_folds
            wanted = [(first + step) % n_folds for step in range(n_folds)]
            if rank < n_even:
                fold = next(one for one in wanted if places[one])
            else:  # `places` is 0 by now, and -1 in folds that got one of the rest
                fold = min(wanted, key=lambda one: (-places[one], *dealt[one, rarest_first[pattern]], total[one]))
            places[fold] -= 1
            dealt[fold, rarest_first[pattern]] += 1
            total[fold] += 1
            fold_of[member] = fold
    return fold_of


def connected_groups(*columns: Sequence[str] | NDArray[Any]) -> NDArray[np.str_]:
    """Split rows into the smallest groups that share no value with each other, in any column.

    Two people of one site are in one group, and so are two sites that one person was recorded at.

    Parameters
    ----------
    *columns : sequence of str, shape (N,)
        Content hashes, subjects, sites and so on of each row.

    Returns
    -------
    ndarray of str, shape (N,)
        The group of each row, by the smallest of its names in the first column.
    """
    codes, n_names = [], 0
    names = np.unique(np.asarray(columns[0], str))
    for column in columns:
        _, code = np.unique(np.asarray(column, str), return_inverse=True)
        codes.append(code + n_names)
        n_names += int(code.max()) + 1
    ends = [np.concatenate(side) for side in ([codes[0]] * len(codes), codes)]
    graph = coo_array((np.ones(len(ends[0]), np.int8), (ends[0], ends[1])), shape=(n_names, n_names))
    group = connected_components(graph, directed=False)[1]
    smallest = np.unique(group[: len(names)], return_index=True)[1]  # `names` is sorted
    return names[smallest][group[codes[0]]]


def people(rows: pd.DataFrame) -> NDArray[np.str_]:
    """The person of each row (N,) of a table of predictions, by whom its scores are resampled.

    It is the column `person` (`biosig.evaluate.duplicates.Duplicates.people`), by which folds were dealt too. Older
    tables have the content hash alone, which joins subjects with equal signals, and those of version 0.1.0 have the
    subject.
    """
    if "person" in rows:
        return rows["person"].to_numpy(str)
    subjects = rows["subject"].to_numpy(str)
    return connected_groups(rows["content"].to_numpy(str), subjects) if "content" in rows else subjects


def manifest(
    subjects: Sequence[str] | NDArray[Any],
    folds: Sequence[DataclassInstance],
    people: NDArray[np.str_] | None = None,
) -> dict[str, Any]:
    """The subjects of every part of each fold and a SHA-256 over them, to be saved beside a result.

    Parameters
    ----------
    subjects : sequence of str, shape (N,)
        Subject of each row.
    folds : sequence of Fold or Parts
        Row numbers of each part, by its name.
    people : ndarray of str, shape (N,), optional
        Likewise, by names that are made of content (`biosig.evaluate.duplicates.Duplicates.people`).

    Returns
    -------
    dict
        PART_subjects: a list of subjects for each fold. sha256: of the JSON of these lists. With `people` also
        content_sha256: of likewise lists of them, which is the same under other pseudonyms.
    """
    listed = _listed(subjects, folds)
    hashes = {"sha256": _sha256(listed)}
    if people is not None:
        hashes["content_sha256"] = _sha256(_listed(people, folds))
    return {**listed, **hashes}


def _listed(names: Sequence[str] | NDArray[Any], folds: Sequence[DataclassInstance]) -> dict[str, list[list[str]]]:
    names = np.asarray(names, str)
    parts = [part.name for part in fields(folds[0])]
    return {f"{part}_subjects": [np.unique(names[getattr(fold, part)]).tolist() for fold in folds] for part in parts}


def _sha256(listed: dict[str, list[list[str]]]) -> str:
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
