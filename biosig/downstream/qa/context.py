"""Questions, windows, answers and settings that all methods of a question-answering run share."""

from __future__ import annotations

from dataclasses import dataclass

from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.qa.answer_vocabulary import AnswerSet
from biosig.downstream.qa.config import QaConfig
from biosig.downstream.qa.splits import Cohort
from biosig.evaluate.metrics import Floats
from biosig.models.model import Model
from biosig.progress import Progress


@dataclass(frozen=True)
class QaContext:
    """Inputs that all methods of a run share.

    Parameters
    ----------
    config : QaConfig
        The run.
    model : Model
        The model under test.
    cohort : Cohort
        N questions.
    words : list of list of int
        Word ids of each question.
    windows : PreparedWindows
        Windows of the recordings.
    answers : AnswerSet
        K answers.
    y : ndarray, shape (N, K)
        Labels of the answers.
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
