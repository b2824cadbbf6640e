"""Who answers: the model on trial and what it has to beat, each from the parts to scores of the test's answers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from biosig.downstream.bench import with_channels
from biosig.downstream.examples import Examples
from biosig.downstream.objective import Objective
from biosig.downstream.prepared import PreparedWindows
from biosig.downstream.qa.answerer import Answerer
from biosig.downstream.qa.answers import AnswerSet
from biosig.downstream.qa.cohort import Cohort
from biosig.downstream.qa.examples import FrozenQuestions, QuestionExamples
from biosig.downstream.qa.settings import QaConfig
from biosig.downstream.training import fit, predict
from biosig.evaluate.baselines.features import feature_table
from biosig.evaluate.metrics import Floats
from biosig.models.model import Model
from biosig.progress import Progress
from biosig.training.seeding import seeded

_TREES = {"learning_rate": 0.1, "max_iter": 100, "max_leaf_nodes": 15, "min_samples_leaf": 5}


@dataclass(frozen=True)
class Bench:
    """What all methods of a run share.

    Parameters
    ----------
    config : QaConfig
        The run.
    model : Model
        On trial.
    cohort : Cohort
        N questions.
    words : list of list of int
        Word ids of each.
    windows : PreparedWindows
        What is shown.
    answers : AnswerSet
        K answers.
    y : ndarray, shape (N, K)
        Truth.
    progress : callable, optional
        Called after each epoch.
    """

    config: QaConfig
    model: Model
    cohort: Cohort
    words: list[list[int]]
    windows: PreparedWindows
    answers: AnswerSet
    y: Floats
    progress: Progress | None = None


def test_scores(bench: Bench, method: str) -> Floats:
    """Scores of the answers (n, K) to the questions of the test part."""
    test = bench.cohort.parts.test
    if method == "most_frequent":
        return bench.answers.most_frequent([bench.cohort.questions[row] for row in test.tolist()])
    if method == "handmade":
        return _boosted(_features(bench), bench.y, bench.cohort.parts.train, test, bench.config.seed)
    model = bench.model.with_random_weights(bench.config.seed + 1) if method == "random_weights" else bench.model
    return _tuned(bench, model, method)


def _tuned(bench: Bench, model: Model, method: str) -> Floats:
    """The head on the frozen encoder, then all of it."""
    config, cohort = bench.config, bench.cohort
    signals = method != "question_only"
    examples = QuestionExamples(
        cohort.questions, bench.words, bench.windows, cohort.window_of, model.device, signals=signals
    )
    objective = Objective("answers", bench.answers.answers)
    with seeded([config.seed, 0]):
        answerer = Answerer(copy.deepcopy(model.encoder), len(bench.answers.answers)).to(model.device)
    answerer.train_head_only()
    shown: Examples = FrozenQuestions(examples, answerer)
    for number, (stage, what) in enumerate(((config.probe, "head"), (config.tune, "tune"))):
        if stage.epochs:
            if stage is config.tune:
                answerer.requires_grad_(True)
                shown = examples
            key = [config.seed, 1 + number]
            title = f"{method}, {what}"
            fit(answerer, shown, bench.y, objective, cohort.parts, stage, "adamw", key, bench.progress, title)
    return predict(answerer, shown, objective, cohort.parts.test, config.tune.batch_size)


def _features(bench: Bench) -> Floats:
    """The question's number and template, hand-made features of the first ECG, and the second's less the first's."""
    windows, channels = bench.cohort.windows, bench.config.channels
    shown = (windows.read(row) for row in range(len(windows)))
    table = feature_table(with_channels(window, channels) if channels else window for window in shown)[0].to_numpy()
    first, second = (
        table[[bench.cohort.window_of[question.recordings[place]] for question in bench.cohort.questions]]
        for place in (0, -1)
    )
    asked = np.array([[question.question_id, question.template_id] for question in bench.cohort.questions], np.float64)
    return np.concatenate((asked, first, second - first), axis=1)


def _boosted(X: Floats, y: Floats, train: NDArray[np.int64], test: NDArray[np.int64], seed: int) -> Floats:
    """Gradient-boosted trees for each answer, fitted where it can be chosen."""
    scores = np.zeros((len(test), y.shape[1]))
    for k, column in enumerate(y[train].T):
        rows = train[np.isfinite(column)]
        right = y[rows, k] > 0
        scores[:, k] = right.mean()
        if 0 < right.sum() < len(rows):
            trees = HistGradientBoostingClassifier(random_state=seed, **_TREES).fit(X[rows], right)
            scores[:, k] = trees.predict_proba(X[test])[:, 1]
    return scores


def word_ids(model: Model, questions: Sequence[str]) -> list[list[int]]:
    """The words of each question, as it stands: what a report is cleaned of may be what is asked about.

    Raises
    ------
    UsageError
        If the model reads no text, has no tokenizer, or a question is longer than it reads.
    """
    known = {text: model.tokenizer.encode(text, clean=False) if model.tokenizer else text for text in set(questions)}
    return model.word_ids([known[text] for text in questions], len(questions))
