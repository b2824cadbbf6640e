"""The most frequent answer to each template of questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biosig.downstream.qa.baselines import QA_BASELINES, QaBaseline

if TYPE_CHECKING:
    from biosig.downstream.qa.context import QaContext
    from biosig.evaluate.metrics import Floats


@QA_BASELINES.register
class MostFrequent(QaBaseline):
    """The most frequent answer to the template in the training part."""

    name = "most_frequent"
    rank = 0

    def fit_predict(self, context: QaContext) -> Floats:
        """Count the answers of the training part."""
        cohort = context.cohort
        return context.answers.most_frequent([cohort.questions[row] for row in cohort.parts.test.tolist()])
