"""Answer vocabulary: the closed set of answers to each template in the training part.

Shape letters: N questions, K answers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from biosig.downstream.qa.questions import Question
from biosig.evaluate.metrics import Floats
from biosig.evaluate.metrics.exact_match import decided


@dataclass(frozen=True)
class AnswerSet:
    """All answers of the training part.

    Parameters
    ----------
    answers : tuple of str
        K answers in alphabetical order.
    of_template : dict of int to tuple of str
        Answers of each template.
    usual : dict of int to tuple of str
        Most frequent answer of each template, the first of equals.
    """

    answers: tuple[str, ...]
    of_template: dict[int, tuple[str, ...]]
    usual: dict[int, tuple[str, ...]]

    @classmethod
    def of(cls, training: Sequence[Question]) -> AnswerSet:
        """Collect the answers of the training part."""
        given: dict[int, Counter[tuple[str, ...]]] = defaultdict(Counter)
        for question in training:
            given[question.template_id][question.answer] += 1
        of_template = {t: tuple(sorted({a for answer in counts for a in answer})) for t, counts in given.items()}
        usual = {t: min(counts, key=lambda answer: (-counts[answer], answer)) for t, counts in given.items()}
        return cls(tuple(sorted({a for answers in of_template.values() for a in answers})), of_template, usual)

    def truth(self, questions: Sequence[Question]) -> Floats:
        """Labels (N, K): 1 for right answers, 0 for the template's other answers, NaN for the rest.

        A right answer that is absent from the training part has no column, so every method answers such a question
        wrongly.
        """
        y = np.full((len(questions), len(self.answers)), np.nan)
        for row, question in enumerate(questions):
            for answer in self.of_template.get(question.template_id, ()):
                y[row, self.answers.index(answer)] = float(answer in question.answer)
        return y

    def most_frequent(self, questions: Sequence[Question]) -> Floats:
        """Scores (N, K) of 1 for the most frequent answer of each question's template."""
        scores = np.zeros((len(questions), len(self.answers)))
        for row, question in enumerate(questions):
            for answer in self.usual.get(question.template_id, ()):
                scores[row, self.answers.index(answer)] = 1.0
        return scores

    def chosen(self, y: Floats, scores: Floats) -> list[tuple[str, ...]]:
        """The answers that `decided` chooses, as text."""
        return [tuple(self.answers[k] for k in np.flatnonzero(row)) for row in decided(y, scores)]
