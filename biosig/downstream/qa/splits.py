"""Splits of questions, made or read, with disjoint people; and the window of each ECG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biosig.batches.windows import Windows
from biosig.downstream.data.splits import Split
from biosig.downstream.qa.clinical_facts import facts_of
from biosig.downstream.qa.config import GeneratedQuestions, QaConfig, QuestionFiles
from biosig.downstream.qa.questions import Question, read_questions
from biosig.downstream.qa.templates import generate
from biosig.errors import DataError
from biosig.evaluate.duplicates import duplicates_in
from biosig.evaluate.splits import check_subjects, group_folds
from biosig.shards.dataset import ShardDataset

PART_NAMES = ("training", "validation", "test")


@dataclass(frozen=True)
class Cohort:
    """Questions and their parts.

    Parameters
    ----------
    questions : list of Question
        N questions: those of the training part, then those that choose the epoch, then those of the test part.
    parts : Split
        Numbers of the questions in each part.
    subjects, people : ndarray of str, shape (N,)
        Subject of the first ECG of each, and its person, by whom intervals are resampled.
    windows : Windows
        One window per recording of a question.
    window_of : dict of str to int
        Recording → its window.
    notes : list of str
        Questions that were left out, with the reason.
    """

    questions: list[Question]
    parts: Split
    subjects: NDArray[np.str_]
    people: NDArray[np.str_]
    windows: Windows
    window_of: dict[str, int]
    notes: list[str]


def make_cohort(ds: ShardDataset, config: QaConfig) -> Cohort:
    """Make or read the questions of a run.

    Raises
    ------
    DataError
        If recordings have no subject, or a part has no question.
    """
    index = ds.to_pandas()
    check_subjects(index["subject"].tolist(), index["recording"].tolist())
    found = duplicates_in(ds)
    people = found.people(index["subject"], index["content_hash"])
    asked = config.questions
    three = _made(ds, people, asked, config.seed) if isinstance(asked, GeneratedQuestions) else _read(asked)
    long_enough = (index["duration"] >= config.seconds - 1e-6).to_numpy()
    person_of = dict(zip(index["recording"][long_enough], people[long_enough].tolist(), strict=True))
    subject_of = dict(zip(index["recording"], index["subject"], strict=True))
    three, absent = _present(three, person_of, config.seconds)
    three, shared = _apart(three, person_of)
    for name, questions in zip(PART_NAMES, three, strict=True):
        if not questions:
            raise DataError(
                f"The {name} part has no question about a recording of {config.shards}: ingest the recordings that "
                "are asked about, or correct questions.recording."
            )
    questions = [question for part in three for question in part]
    ends = np.cumsum([len(part) for part in three])
    rows = np.flatnonzero(index["recording"].isin({r for question in questions for r in question.recordings}))
    return Cohort(
        questions,
        Split(*np.split(np.arange(ends[-1]), ends[:-1])),
        np.array([subject_of[question.recordings[0]] for question in questions]),
        np.array([person_of[question.recordings[0]] for question in questions]),
        Windows(ds, rows, np.zeros(len(rows)), np.full(len(rows), config.seconds)),
        {recording: number for number, recording in enumerate(index["recording"].iloc[rows])},
        [_source_note(config), *found.notes(index["recording"].tolist()), *absent, *shared],
    )


def _present(
    three: Sequence[list[Question]], person_of: Mapping[str, str], seconds: float
) -> tuple[list[list[Question]], list[str]]:
    """Keep the questions of each part about present recordings, with notes on the others."""
    kept = [[q for q in part if all(r in person_of for r in q.recordings)] for part in three]
    return kept, [
        f"{len(before) - len(after)} of {len(before)} {name} questions are about recordings that are not there or "
        f"shorter than {seconds:g} s and are left out."
        for name, before, after in zip(PART_NAMES, three, kept, strict=True)
        if len(after) < len(before)
    ]


def _apart(three: Sequence[list[Question]], person_of: Mapping[str, str]) -> tuple[list[list[Question]], list[str]]:
    """Remove questions about people of a later part from each part, with notes on them."""
    kept, notes = list(three), []
    for later in (2, 1):
        people = {person_of[r] for q in kept[later] for r in q.recordings}
        for earlier in range(later):
            apart = [q for q in kept[earlier] if not people & {person_of[r] for r in q.recordings}]
            if len(apart) < len(kept[earlier]):
                notes.append(
                    f"{len(kept[earlier]) - len(apart)} {PART_NAMES[earlier]} questions are about people of the "
                    f"{PART_NAMES[later]} part and are left out."
                )
            kept[earlier] = apart
    return kept, notes


def _made(ds: ShardDataset, people: NDArray[np.str_], made: GeneratedQuestions, seed: int) -> list[list[Question]]:
    facts = facts_of(ds, people)
    folds = group_folds([one.subject for one in facts], made.folds, seed)
    test, validation = folds[0].test, folds[1].test
    train = np.setdiff1d(folds[0].train, validation)
    return [
        generate([facts[i] for i in rows.tolist()], made.most, [seed, part])
        for part, rows in enumerate((train, validation, test))
    ]


def _read(files: QuestionFiles) -> list[list[Question]]:
    return [read_questions(path, files.recording) for path in (files.train, files.validation, files.test)]


def _source_note(config: QaConfig) -> str:
    if isinstance(config.questions, QuestionFiles):
        return "Questions are those of ECG-QA."
    return (
        "Questions are made from PTB-XL's codes, age and sex and the axis measured in I and aVF, after ECG-QA's "
        "templates; they are not ECG-QA's, and no score here can be compared with one of its."
    )
