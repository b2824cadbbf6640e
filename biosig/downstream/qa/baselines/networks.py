"""Networks of the model's architecture: without signals, and from random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biosig.downstream.qa.baselines import QA_BASELINES, QaBaseline

if TYPE_CHECKING:
    from biosig.downstream.qa.context import QaContext
    from biosig.evaluate.metrics import Floats


@QA_BASELINES.register
class QuestionOnly(QaBaseline):
    """The same network, which reads only the question."""

    name = "question_only"
    rank = 10

    def fit_predict(self, context: QaContext) -> Floats:
        """Tune it as the model is tuned."""
        from biosig.downstream.qa.tuning import tune_and_predict

        return tune_and_predict(context, context.model, self.name, signals=False)


@QA_BASELINES.register
class RandomWeights(QaBaseline):
    """The same network, tuned from random weights."""

    name = "random_weights"
    rank = 30

    def fit_predict(self, context: QaContext) -> Floats:
        """Tune it as the model is tuned."""
        from biosig.downstream.qa.tuning import tune_and_predict

        return tune_and_predict(context, context.model.with_random_weights(context.config.seed + 1), self.name)
