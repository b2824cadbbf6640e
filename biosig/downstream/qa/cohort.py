"""The questions of a run, made or read, split so that nobody is in two parts; and the window shown of each ECG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biosig.batches.windows import Windows
from biosig.downstream.parts import Parts
from biosig.downstream.qa.facts import facts_of
from biosig.downstream.qa.generate import generate
from biosig.downstream.qa.questions import Question, read_questions
from biosig.downstream.qa.settings import Files, Made, QaConfig
from biosig.errors import DataError
from biosig.evaluate.splits import check_subjects, group_folds
from biosig.shards.dataset import ShardDataset


@dataclass(frozen=True)
class Cohort:
    """Questions and their parts.

    Parameters
    ----------
    questions : list of Question
        N of them, those of the training part first, then those that choose the epoch, then those of the test.
    parts : Parts
        Their numbers.
    subjects : ndarray of str, shape (N,)
        Whose the first ECG of each is: by them intervals are drawn.
    windows : Windows
        One per recording that is asked about.
    window_of : dict of str to int
        Recording → its window.
    notes : list of str
        Who was left out and why.
    """

    questions: list[Question]
    parts: Parts
    subjects: NDArray[np.str_]
    windows: Windows
    window_of: dict[str, int]
    notes: list[str]


def make_cohort(ds: ShardDataset, config: QaConfig) -> Cohort:
    """Make or read the questions of a run.

    Raises
    ------
    DataError
        If recordings have no subject, or share an id, or a part has no question.
    """
    index = ds.to_pandas()
    if index["recording"].duplicated().any():
        twice = index["recording"][index["recording"].duplicated()].iloc[0]
        raise DataError(f"Two recordings in {config.shards} have the id '{twice}': ingest each source once.")
    check_subjects(index["subject"].tolist(), index["recording"].tolist())
    subject_of = dict(zip(index["recording"], index["subject"], strict=True))
    short = set(index["recording"][index["duration"] < config.seconds - 1e-6])
    three = _made(ds, config.questions, config.seed) if isinstance(config.questions, Made) else _read(config.questions)
    known, notes = [], [_standing_note(config)]
    for name, questions in zip(("training", "validation", "test"), three, strict=True):
        kept = [q for q in questions if all(r in subject_of and r not in short for r in q.recordings)]
        if len(kept) < len(questions):
            notes.append(
                f"{len(questions) - len(kept)} of {len(questions)} {name} questions are about recordings that are not "
                f"there or shorter than {config.seconds:g} s and are left out."
            )
        known.append(kept)
    for later, name in ((2, "test"), (1, "validation")):
        people = {subject_of[r] for q in known[later] for r in q.recordings}
        for earlier in range(later):
            kept = [q for q in known[earlier] if not people & {subject_of[r] for r in q.recordings}]
            if len(kept) < len(known[earlier]):
                notes.append(
                    f"{len(known[earlier]) - len(kept)} questions of another part are about people of the {name} part "
                    "and are left out."
                )
            known[earlier] = kept
    return _joined(known, subject_of, ds, config, notes)


def _joined(
    known: Sequence[list[Question]], subject_of: dict[str, str], ds: ShardDataset, config: QaConfig, notes: list[str]
) -> Cohort:
    for name, questions in zip(("training", "validation", "test"), known, strict=True):
        if not questions:
            raise DataError(
                f"The {name} part has no question about a recording of {config.shards}: ingest the recordings that "
                "are asked about, or correct questions.recording."
            )
    questions = [q for part in known for q in part]
    ends = np.cumsum([len(part) for part in known])
    asked = {r for q in questions for r in q.recordings}
    rows = np.flatnonzero(ds.to_pandas()["recording"].isin(asked))
    ids = ds.to_pandas()["recording"].iloc[rows]
    windows = Windows(ds, rows, np.zeros(len(rows)), np.full(len(rows), config.seconds))
    return Cohort(
        questions,
        Parts(*np.split(np.arange(ends[-1]), ends[:-1])),
        np.array([subject_of[q.recordings[0]] for q in questions]),
        windows,
        {recording: number for number, recording in enumerate(ids)},
        notes,
    )


def _made(ds: ShardDataset, made: Made, seed: int) -> list[list[Question]]:
    facts = facts_of(ds)
    folds = group_folds([one.subject for one in facts], made.folds, seed)
    test, validation = folds[0].test, folds[1].test
    train = np.setdiff1d(folds[0].train, validation)
    return [
        generate([facts[i] for i in rows.tolist()], made.most, [seed, part])
        for part, rows in enumerate((train, validation, test))
    ]


def _read(files: Files) -> list[list[Question]]:
    return [read_questions(path, files.recording) for path in (files.train, files.validation, files.test)]


def _standing_note(config: QaConfig) -> str:
    if isinstance(config.questions, Files):
        return "Questions are those of ECG-QA."
    return (
        "Questions are made from PTB-XL's codes, age and sex and the axis measured in I and aVF, after ECG-QA's "
        "templates; they are not ECG-QA's, and no score here can be compared with one of its."
    )
