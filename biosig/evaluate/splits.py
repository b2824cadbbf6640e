"""Splits by subject, or by what subjects share, and the check that no one is on both sides.

Splitting windows or recordings lets a model recognise the person instead of the condition; it turned 53 % into
99.8 % in published EEG work (Brookshire et al., Front. Neurosci. 2024). There is no other split here.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

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
    """Refuse rows whose subject is not known.

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

    Parameters
    ----------
    subjects : sequence of str, shape (N,)
        Whose each row is.
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
    names = np.asarray(subjects, str)
    n_subjects = len(np.unique(names))
    if not 2 <= n_folds <= n_subjects:
        raise UsageError(
            f"{n_folds} folds over {n_subjects} subjects: choose n_folds from 2 to the number of subjects."
        )
    if y is None:
        parts = list(GroupKFold(n_folds, shuffle=True, random_state=seed).split(names, groups=names))
    else:
        if min(len(np.unique(names[y == k])) for k in np.unique(y)) < 2:
            raise UsageError(
                "A class occurs in one subject only, so it cannot be both learned and tested: merge or drop it."
            )
        if np.bincount(y).max() < n_folds:
            raise UsageError(f"Every class has fewer rows than there are folds ({n_folds}): use fewer folds.")
        with warnings.catch_warnings():
            # A class smaller than the number of folds is legal: scores are pooled over folds before they are rated.
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
            parts = list(splitter.split(names, y, groups=names))
    folds = [Fold(np.asarray(train, np.int64), np.asarray(test, np.int64)) for train, test in parts]
    check_disjoint(names, folds)
    for number, fold in enumerate(folds):
        if not len(fold.test):
            raise UsageError(f"Fold {number} of {n_folds} has no subject to test: use fewer folds or another seed.")
        if y is not None and len(absent := np.setdiff1d(y, y[fold.train])):
            raise UsageError(
                f"The training part of fold {number} of {n_folds} has no row of class {absent[0]}: use fewer folds or "
                "another seed."
            )
    return folds


def connected_groups(*columns: Sequence[str] | NDArray[Any]) -> NDArray[np.str_]:
    """The smallest groups of rows that share nothing with each other, in any column.

    Two people of one site are of one group, and so are two sites that one person was recorded at.

    Parameters
    ----------
    *columns : sequence of str, shape (N,)
        Subjects, sites and so on of each row.

    Returns
    -------
    ndarray of str, shape (N,)
        The group of each row, named after its first subject (the first name of the first column).
    """
    codes, n_names = [], 0
    for column in columns:
        _, code = np.unique(np.asarray(column, str), return_inverse=True)
        codes.append(code + n_names)
        n_names += int(code.max()) + 1
    ends = [np.concatenate(side) for side in ([codes[0]] * len(codes), codes)]
    graph = coo_array((np.ones(len(ends[0]), np.int8), (ends[0], ends[1])), shape=(n_names, n_names))
    group = connected_components(graph, directed=False)[1][codes[0]]
    first = np.unique(group, return_index=True)[1]
    return np.asarray(columns[0], str)[first][group]


def manifest(subjects: Sequence[str] | NDArray[Any], folds: Sequence[DataclassInstance]) -> dict[str, Any]:
    """The subjects of every part of each fold and a SHA-256 over them, to be saved beside a result.

    Parameters
    ----------
    subjects : sequence of str, shape (N,)
        Whose each row is.
    folds : sequence of Fold or Parts
        Row numbers of each part, by its name.

    Returns
    -------
    dict
        PART_subjects: a list of subjects for each fold. sha256: of the JSON of these lists.
    """
    names = np.asarray(subjects, str)
    parts = [part.name for part in fields(folds[0])]
    listed = {f"{part}_subjects": [np.unique(names[getattr(fold, part)]).tolist() for fold in folds] for part in parts}
    return {**listed, "sha256": hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()}
