"""The closed set of answers: what the training part answers each template with.

Shape letters: N questions, K answers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from biosig.downstream.qa.questions import Question
from biosig.evaluate.metrics import Floats
from biosig.evaluate.metrics.answers import decided


@dataclass(frozen=True)
class AnswerSet:
    """All answers that the training part gives.

    Parameters
    ----------
    answers : tuple of str
        K of them, in order of the alphabet.
    of_template : dict of int to tuple of str
        Those that each template is answered with.
    usual : dict of int to tuple of str
        What each template is answered with most often, the first of equals.
    """

    answers: tuple[str, ...]
    of_template: dict[int, tuple[str, ...]]
    usual: dict[int, tuple[str, ...]]

    @classmethod
    def of(cls, training: Sequence[Question]) -> AnswerSet:
        """From the questions of the training part."""
        given: dict[int, Counter[tuple[str, ...]]] = defaultdict(Counter)
        for question in training:
            given[question.template_id][question.answer] += 1
        of_template = {t: tuple(sorted({a for answer in counts for a in answer})) for t, counts in given.items()}
        usual = {t: min(counts, key=lambda answer: (-counts[answer], answer)) for t, counts in given.items()}
        return cls(tuple(sorted({a for answers in of_template.values() for a in answers})), of_template, usual)

    def truth(self, questions: Sequence[Question]) -> Floats:
        """1 for what is right, 0 for what the template is answered with otherwise, NaN for all else, (N, K).

        A right answer that the training part never gave has no column, so such a question is answered wrongly by all.
        """
        y = np.full((len(questions), len(self.answers)), np.nan)
        for row, question in enumerate(questions):
            for answer in self.of_template.get(question.template_id, ()):
                y[row, self.answers.index(answer)] = float(answer in question.answer)
        return y

    def most_frequent(self, questions: Sequence[Question]) -> Floats:
        """What each question's template is answered with most often, as scores (N, K)."""
        scores = np.zeros((len(questions), len(self.answers)))
        for row, question in enumerate(questions):
            for answer in self.usual.get(question.template_id, ()):
                scores[row, self.answers.index(answer)] = 1.0
        return scores

    def chosen(self, y: Floats, scores: Floats) -> list[tuple[str, ...]]:
        """In words what `decided` chooses."""
        return [tuple(self.answers[k] for k in np.flatnonzero(row)) for row in decided(y, scores)]
