"""Tuning of a question-answering network to the training part."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from biosig.downstream.data.batch_sources import BatchSource
from biosig.downstream.finetune.fit import fit, predict
from biosig.downstream.finetune.losses import TaskLoss
from biosig.downstream.qa.batch_sources import FrozenQuestions, QuestionExamples
from biosig.downstream.qa.context import QaContext
from biosig.downstream.qa.model import QAModel
from biosig.evaluate.metrics import Floats
from biosig.models.model import Model
from biosig.training.seeding import seeded


def tune_and_predict(context: QaContext, model: Model, method: str, signals: bool = True) -> Floats:
    """Train the head on the frozen encoder, then everything; return scores of the answers (n, K) of the test part.

    Parameters
    ----------
    context : QaContext
        The run.
    model : Model
        The model with the encoder, which is copied.
    method : str
        Name of the method in progress.
    signals : bool
        True if the network reads the signals.
    """
    config, cohort = context.config, context.cohort
    examples = QuestionExamples(
        cohort.questions, context.words, context.windows, cohort.window_of, model.device, signals=signals
    )
    objective = TaskLoss("answers", context.answers.answers)
    with seeded([config.seed, 0]):
        answerer = QAModel(copy.deepcopy(model.encoder), len(context.answers.answers)).to(model.device)
    answerer.train_head_only()
    shown: BatchSource = FrozenQuestions(examples, answerer)
    for number, (stage, what) in enumerate(((config.probe, "head"), (config.tune, "tune"))):
        if stage.epochs:
            if stage is config.tune:
                answerer.requires_grad_(True)
                shown = examples
            key = [config.seed, 1 + number]
            title = f"{method}, {what}"
            fit(answerer, shown, context.y, objective, cohort.parts, stage, "adamw", key, context.progress, title)
    return predict(answerer, shown, objective, cohort.parts.test, config.tune.batch_size)


def word_ids(model: Model, questions: Sequence[str]) -> list[list[int]]:
    """Word ids of each question, without the cleaning of reports, which may remove the subject of a question.

    Raises
    ------
    UsageError
        If the model cannot read text, has no tokenizer, or a question is too long for it.
    """
    known = {text: model.tokenizer.encode(text, clean=False) if model.tokenizer else text for text in set(questions)}
    return model.word_ids([known[text] for text in questions], len(questions))
