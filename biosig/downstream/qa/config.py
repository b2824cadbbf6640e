"""Configuration of question answering: the same settings and data give the same table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from biosig.downstream.data.task_config import TaskConfig
from biosig.downstream.qa.baselines import QA_BASELINES, default_qa_baselines
from biosig.errors import UsageError
from biosig.training.config import TrainingStage


@dataclass(frozen=True)
class GeneratedQuestions:
    """Questions made from the recordings' labels and signals (`biosig.downstream.qa.templates`).

    Parameters
    ----------
    most : int
        Largest number of questions of one text, per answer and part.
    folds : int
        Number of groups of subjects: one is tested, one chooses the epoch, the others are trained on.
    """

    name: ClassVar[str] = "generated"
    most: int
    folds: int = 5

    def __post_init__(self) -> None:
        if self.most < 1 or self.folds < 3:
            raise UsageError(f"questions.most is {self.most} and folds is {self.folds}: give 1 and 3 or more.")


@dataclass(frozen=True)
class QuestionFiles:
    """The files of ECG-QA.

    Parameters
    ----------
    train, validation, test : str
        JSON files, or folders of JSON files.
    recording : str
        Format of an ecg_id as the id of a recording: PTB-XL's 17 as 00017_hr.
    """

    name: ClassVar[str] = "files"
    train: str
    validation: str
    test: str
    recording: str = "{:05d}_hr"


@dataclass(frozen=True)
class QaConfig(TaskConfig):
    """A question-answering run: model, questions, training and baselines.

    Fields of `TaskConfig` come first.

    Parameters
    ----------
    questions : GeneratedQuestions or Files
        Source of the questions.
    seconds : float
        Length of the window at the start of each recording, in seconds.
    channels : list of str
        Names of channels, or modalities, to use; none = all that the model reads.
    probe : TrainingStage
        First: the head alone, on the frozen encoder's vectors of each question.
    tune : TrainingStage
        Then: the encoder too; 0 epochs leave it out.
    baselines : list
        Names of `biosig.downstream.qa.baselines.QA_BASELINES`.
    cache_gb : float
        Prepared windows that may stay in memory, in gigabytes.
    """

    old_names: ClassVar[Mapping[str, str]] = {"keep_gb": "cache_gb"}
    questions: GeneratedQuestions | QuestionFiles
    seconds: float = 10.0
    channels: list[str] = field(default_factory=list)
    probe: TrainingStage = field(default_factory=lambda: TrainingStage(1e-3, 60, 2, 10, 0.1, 64, 0.01, mixup=False))
    tune: TrainingStage = field(default_factory=lambda: TrainingStage(1e-4, 5, 1, 3, 0.1, 32, 0.01, mixup=False))
    baselines: list[Annotated[str, QA_BASELINES]] = field(default_factory=default_qa_baselines)
    cache_gb: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.probe.mixup or self.tune.mixup:
            raise UsageError("Questions cannot be mixed: set mixup to false in probe and tune.")
