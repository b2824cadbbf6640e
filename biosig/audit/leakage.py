"""Leakage: a check for test recordings that pretraining saw, and for subjects on both sides of a split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.audit.context import AuditContext
from biosig.audit.result import Finding, Verdict
from biosig.errors import DataError, UnreadableError
from biosig.evaluate.duplicates import find_duplicates
from biosig.evaluate.ledger import overlap
from biosig.text_files import read_json

_PARTS = "_subjects"  # how splits.json ends the names of its parts


def leakage(context: AuditContext) -> Iterator[Finding]:
    """Compare the recordings with the pretraining ledger, and find those that the task holds under two subjects."""
    windows = context.task.labelled.windows
    rows = np.unique(windows.recording)
    stored = [windows.ds[int(row)] for row in rows]
    hashes, names = [r.content_hash for r in stored], [r.id for r in stored]
    subjects = windows.subjects[np.unique(windows.recording, return_index=True)[1]].astype(str).tolist()
    marks = [r.fingerprint for r in stored]
    yield _pretraining(context, hashes, subjects, names, marks)
    yield twins(find_duplicates(hashes, marks).group, subjects, names)


def _pretraining(
    context: AuditContext, hashes: Sequence[str], subjects: Sequence[str], names: Sequence[str], marks: Sequence[bytes]
) -> Finding:
    check, expected = "seen in pretraining", "0"
    model = context.model
    if not model.trained:
        return Finding(check, 0.0, expected, "ok", f"{model.name} has random weights, which have seen nothing.")
    found = overlap(model.folder, hashes, subjects, names, marks) if model.folder else None
    if found is None:
        sentence = f"{model.no_ledger} So nobody can say that it has not seen the test part."
        return Finding(check, float("nan"), expected, "warn", sentence)
    verdict: Verdict = "fail" if found.recordings else "ok" if found.complete and not found else "warn"
    return Finding(check, float(len(found.recordings)), expected, verdict, found.sentence())


def twins(groups: NDArray[np.int64], subjects: Sequence[str], names: Sequence[str]) -> Finding:
    """Find copies (`biosig.evaluate.duplicates`) with two subject names, which a split by subject would separate."""
    pairs = [(names[first], names[i]) for i, first in enumerate(groups.tolist()) if subjects[first] != subjects[i]]
    check, expected = "one recording, two subjects", "0"
    if not pairs:
        return Finding(
            check, 0.0, expected, "ok", "No two recordings with equal or near samples are said to be of two subjects."
        )
    return Finding(
        check,
        float(len(pairs)),
        expected,
        "fail",
        f"{len(pairs)} recordings are equal or near copies of one that is said to be of another subject (the first: "
        f"'{pairs[0][1]}' is '{pairs[0][0]}'), so one person has two names; splits keep the two together.",
    )


def split_on_file(folder: Path) -> Finding:
    """Check whether the parts in the splits.json of a result folder share a subject.

    Raises
    ------
    DataError
        If the file is damaged, or was changed after it was written.
    """
    path = folder / "splits.json"
    try:
        content = read_json(path, largest=2**28)
        parts = {name: lists for name, lists in content.items() if name.endswith(_PARTS)}
        written = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    except UnreadableError:
        raise
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is damaged or absent ({error}): run the task again.") from error
    if content.get("sha256") != written:
        raise DataError(f"{path} does not have the SHA-256 that it states: it was changed; run the task again.")
    return subjects_apart(parts)


def subjects_apart(parts: Mapping[str, Sequence[Sequence[Any]]]) -> Finding:
    """Check whether a subject is in two parts of one fold; `parts` maps a part to its subjects, fold by fold."""
    shared = [
        (str(subject), fold, one.removesuffix(_PARTS), other.removesuffix(_PARTS))
        for i, one in enumerate(parts)
        for other in list(parts)[i + 1 :]
        for fold, (ours, others) in enumerate(zip(parts[one], parts[other], strict=True))
        for subject in sorted(set(ours) & set(others))
    ]
    check, expected = "subjects on both sides", "0"
    if not shared:
        n = len(next(iter(parts.values()), ()))
        return Finding(check, 0.0, expected, "ok", f"No subject is in two parts of any of {n} folds.")
    subject, fold, one, other = shared[0]
    n_subjects = len({name for name, *_ in shared})
    return Finding(
        check,
        float(n_subjects),
        expected,
        "fail",
        f"{n_subjects} subjects are on both sides (the first: '{subject}', in the {one} and the {other} part of fold "
        f"{fold}), so the score is no test on unknown people.",
    )
