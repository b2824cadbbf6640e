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
