"""Templates of questions after ECG-QA, filled from facts of recordings; equal facts and seed give equal questions.

No answer to a question is drawn more often than all its others together, so that "no" to everything is right half of
the time at most. Beside ECG-QA's attributes scp_code and heart_axis there are age and sex, which its files do not have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from biosig.downstream.qa.clinical_facts import AXES, FINDINGS, KINDS, ClinicalFacts
from biosig.downstream.qa.questions import Question

N_PAIRS = 2000
"""Pairs of recordings of different people that comparisons are drawn from."""

AGES = (40, 60, 75)

Answer = tuple[str, ...]
Ecgs = tuple[ClinicalFacts, ...]


@dataclass(frozen=True)
class Template:
    """A template with its blanks filled in.

    Parameters
    ----------
    template_id : int
        Number of the template.
    form : str
        "verify", "choose" or "query".
    attribute_type : str
        Attribute of the question.
    text : str
        The question.
    answer : callable
        The facts of its ECGs → the right answer; None if it is not known.
    """

    template_id: int
    form: str
    attribute_type: str
    text: str
    answer: Callable[..., Answer | None]


def generate(facts: Sequence[ClinicalFacts], most: int, seed: int | Sequence[int]) -> list[Question]:
    """Generate all kinds of questions about some recordings.

    Parameters
    ----------
    facts : sequence of ClinicalFacts
        Facts of recordings of one part of a split, those of one subject in order of time: comparisons are of two of
        them.
    most : int
        Largest number of questions of one text, per answer.
    seed : int or sequence of int
        Draws ECGs.

    Returns
    -------
    list of Question
        Questions with text, type and an answer that the facts give.
    """
    rng = np.random.default_rng(seed)
    singles = [(one,) for one in facts]
    comparisons = {"consecutive": _consecutive(facts), "irrelevant": _irrelevant(facts, rng)}
    questions: list[Question] = []
    for number, asked in enumerate(_single_questions()):
        questions += _drawn(asked, number, f"single-{asked.form}", singles, most, rng)
    for number, asked in enumerate(_comparisons()):
        for offset, (kind, pairs) in enumerate(comparisons.items()):
            numbered = 1000 * (1 + offset) + number
            questions += _drawn(asked, numbered, f"comparison_{kind}-{asked.form}", pairs, most, rng)
    return questions


def _drawn(
    asked: Template, question_id: int, question_type: str, ecgs: Sequence[Ecgs], most: int, rng: np.random.Generator
) -> Iterator[Question]:
    """Draw questions of one text about ECGs, by their answers."""
    by_answer: dict[Answer, list[Ecgs]] = defaultdict(list)
    for shown in ecgs:
        answer = asked.answer(*shown)
        if answer is not None:
            by_answer[answer].append(shown)
    sizes = {answer: min(len(group), most) for answer, group in by_answer.items()}
    for answer in sorted(by_answer):
        n = min(sizes[answer], sum(sizes.values()) - sizes[answer])
        for i in np.sort(rng.permutation(len(by_answer[answer]))[:n]).tolist():
            recordings = tuple(facts.recording for facts in by_answer[answer][i])
            yield Question(
                asked.template_id, question_id, question_type, asked.attribute_type, asked.text, answer, recordings
            )


def _single_questions() -> Iterator[Template]:
    for code, name in FINDINGS.items():
        yield Template(1, "verify", "scp_code", f"Does this ECG show {name}?", lambda e, c=code: _yes(c in e.codes))
    codes = list(FINDINGS)
    for a, b in zip(codes, codes[1:] + codes[:1], strict=True):
        text = f"Which does this ECG show, {FINDINGS[a]} or {FINDINGS[b]}?"
        yield Template(
            2, "choose", "scp_code", text, lambda e, a=a, b=b: _of([FINDINGS[c] for c in (a, b) if c in e.codes])
        )
    yield Template(3, "query", "scp_code", "What kinds of finding does this ECG show?", lambda e: _kinds(e.kinds))
    for axis in AXES:
        yield Template(
            4, "verify", "heart_axis", f"Does this ECG show {axis}?", lambda e, a=axis: _yes(e.axis == a, e.axis)
        )
    for axis in AXES[1:]:
        text = f"Which does this ECG show, {AXES[0]} or {axis}?"
        yield Template(
            5, "choose", "heart_axis", text, lambda e, a=axis: _of([a for a in (AXES[0], a) if a == e.axis], e.axis)
        )
    yield Template(6, "query", "heart_axis", "What is the direction of the heart axis?", lambda e: e.axis and (e.axis,))
    yield Template(7, "verify", "sex", "Is this the ECG of a man?", lambda e: _yes(e.sex == "male", e.sex))
    for years in AGES:
        text = f"Is this the ECG of a person older than {years} years?"
        yield Template(8, "verify", "age", text, lambda e, y=years: None if e.age is None else _yes(e.age > y))
    yield Template(
        9, "query", "age", "How old is this person?", lambda e: None if e.age is None else (_age_group(e.age),)
    )


def _comparisons() -> Iterator[Template]:
    for code, name in FINDINGS.items():
        text = f"Does the second ECG show {name} that the first does not show?"
        yield Template(10, "verify", "scp_code", text, lambda a, b, c=code: _yes(c in b.codes - a.codes))
    text = "What kinds of finding does the second ECG show that the first does not show?"
    yield Template(11, "query", "scp_code", text, lambda a, b: _kinds(b.kinds - a.kinds))
    text = "Do the two ECGs show the same heart axis?"
    yield Template(12, "verify", "heart_axis", text, lambda a, b: _yes(a.axis == b.axis, a.axis and b.axis))


def _yes(holds: bool, known: object = True) -> Answer | None:
    return ("yes" if holds else "no",) if known else None


def _of(answers: list[str], known: object = True) -> Answer | None:
    return tuple(sorted(answers)) or ("none",) if known else None


def _kinds(kinds: frozenset[str]) -> Answer:
    return tuple(sorted(KINDS[kind] for kind in kinds if kind in KINDS)) or ("none",)


def _age_group(age: float) -> str:
    return "below 40 years" if age < 40 else "40 to 64 years" if age < 65 else "65 years or more"


def _consecutive(facts: Sequence[ClinicalFacts]) -> list[Ecgs]:
    """Pairs of consecutive ECGs of one subject."""
    ecgs_by_subject: dict[str, list[ClinicalFacts]] = defaultdict(list)
    for one in facts:
        ecgs_by_subject[one.subject].append(one)
    return [pair for ecgs in ecgs_by_subject.values() for pair in pairwise(ecgs)]


def _irrelevant(facts: Sequence[ClinicalFacts], rng: np.random.Generator) -> list[Ecgs]:
    """Random pairs of different people, each pair once."""
    drawn = dict.fromkeys(map(tuple, rng.integers(len(facts), size=(N_PAIRS, 2)).tolist()))
    return [(facts[i], facts[j]) for i, j in drawn if facts[i].subject != facts[j].subject]
