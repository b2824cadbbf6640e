"""Trees on hand-made features and the question's number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.qa.baselines import QA_BASELINES, QaBaseline

if TYPE_CHECKING:
    from biosig.downstream.qa.context import QaContext
    from biosig.evaluate.metrics import Floats
    from biosig.recording import Recording

_TREES = {"learning_rate": 0.1, "max_iter": 100, "max_leaf_nodes": 15, "min_samples_leaf": 5}


@QA_BASELINES.register
class Handmade(QaBaseline):
    """Boosted trees for each answer."""

    name = "handmade"
    rank = 20

    def fit_predict(self, context: QaContext) -> Floats:
        """Fit the training part; nothing is chosen by the validation part."""
        from biosig.downstream.baselines.models.physiology import feature_matrix

        return _answers(context, feature_matrix(_shown(context))[0])


@QA_BASELINES.register
class HandmadeOf01(QaBaseline):
    """Boosted trees on the features of version 0.1.0, with the same numbers to the bit."""

    name = "handmade-0.1"

    def fit_predict(self, context: QaContext) -> Floats:
        """Fit the training part; nothing is chosen by the validation part."""
        from biosig.downstream.baselines.models.features import feature_table

        return _answers(context, feature_table(_shown(context))[0].to_numpy())


def _shown(context: QaContext) -> Iterator[Recording]:
    """The ECGs with the chosen channels."""
    from biosig.downstream.data.picked_channels import with_channels

    windows, channels = context.cohort.windows, context.config.channels
    for row in range(len(windows)):
        window = windows.read(row)
        yield with_channels(window, channels) if channels else window


def _answers(context: QaContext, table: Floats) -> Floats:
    """Predict from the question's number and template, the first ECG's features, and the second's minus these."""
    first, second = (
        table[[context.cohort.window_of[question.recordings[place]] for question in context.cohort.questions]]
        for place in (0, -1)
    )
    asked = np.array(
        [[question.question_id, question.template_id] for question in context.cohort.questions], np.float64
    )
    X, parts = np.concatenate((asked, first, second - first), axis=1), context.cohort.parts
    return _boosted(X, context.y, parts.train, parts.test, context.config.seed)


def _boosted(X: Floats, y: Floats, train: NDArray[np.int64], test: NDArray[np.int64], seed: int) -> Floats:
    """Fit gradient-boosted trees for each answer, on the questions that it can be chosen for."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    from biosig.downstream.baselines.models.boosting import measured

    scores = np.zeros((len(test), y.shape[1]))
    for k, column in enumerate(y[train].T):
        rows = train[np.isfinite(column)]
        right = y[rows, k] > 0
        scores[:, k] = right.mean()
        if 0 < right.sum() < len(rows):
            X_train, X_test = measured(X[rows], X[test])
            trees = HistGradientBoostingClassifier(random_state=seed, **_TREES).fit(X_train, right)
            scores[:, k] = trees.predict_proba(X_test)[:, 1]
    return scores
