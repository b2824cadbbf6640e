"""Questions about one ECG or two, and reading the files of ECG-QA."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biosig.errors import UnreadableError, UsageError
from biosig.text_files import read_json

QUESTION_TYPES = (
    "single-verify",
    "single-choose",
    "single-query",
    "comparison_consecutive-verify",
    "comparison_consecutive-query",
    "comparison_irrelevant-verify",
    "comparison_irrelevant-query",
)
"""Question types of ECG-QA (Oh et al. 2023, arXiv:2306.15681): verify = yes or no, choose = of two, query = of all;
comparisons are of two ECGs, of one patient in a row (consecutive) or of two patients (irrelevant)."""


@dataclass(frozen=True)
class Question:
    """One question with its answer.

    Parameters
    ----------
    template_id, question_id : int
        The template, and the template with its blanks filled in; paraphrases share the latter.
    question_type : str
        One of `QUESTION_TYPES`.
    attribute_type : str
        Attribute of the question: scp_code, heart_axis, …
    question : str
        The text.
    answer : tuple of str
        All right answers, in alphabetical order.
    recordings : tuple of str
        Ids of the one or two recordings that it is about.
    """

    template_id: int
    question_id: int
    question_type: str
    attribute_type: str
    question: str
    answer: tuple[str, ...]
    recordings: tuple[str, ...]


def read_questions(path: str | Path, recording: str = "{:05d}_hr") -> list[Question]:
    """Read a file of ECG-QA, or a folder of such files (train/0.json, train/10000.json, …).

    Parameters
    ----------
    path : path
        JSON: a list of questions, each with template_id, question_id, question_type, attribute_type, question, answer
        and ecg_id.
    recording : str
        Format of an ecg_id as the id of a recording: PTB-XL's 17 as 00017_hr.

    Raises
    ------
    UsageError
        If there is no such file, or no file in the folder.
    UnreadableError
        If a file holds something else.
    """
    path = Path(path)
    files = sorted(path.rglob("*.json"), key=lambda file: (len(file.stem), file.stem)) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise UsageError(f"There are no questions in {path}: give a JSON file of ECG-QA, or a folder of such files.")
    return [question for file in files for question in _read_file(file, recording)]


def _read_file(path: Path, recording: str) -> list[Question]:
    try:
        return [_question(entry, recording) for entry in read_json(path, largest=2**30)]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise UnreadableError(
            f"{path} holds no questions of ECG-QA ({type(error).__name__}: {error}): give one of its JSON files, and "
            "questions.recording with a format for its ecg_id, as in {:05d}_hr."
        ) from error


def _question(entry: dict[str, Any], recording: str) -> Question:
    if entry["question_type"] not in QUESTION_TYPES or len(entry["ecg_id"]) != 1 + (
        "single" not in entry["question_type"]
    ):
        raise ValueError(f"a {entry['question_type']} question about {len(entry['ecg_id'])} ECGs")
    return Question(
        template_id=int(entry["template_id"]),
        question_id=int(entry["question_id"]),
        question_type=entry["question_type"],
        attribute_type=str(entry["attribute_type"]),
        question=str(entry["question"]),
        answer=tuple(sorted(str(answer) for answer in entry["answer"])),
        recordings=tuple(recording.format(number) for number in entry["ecg_id"]),
    )
