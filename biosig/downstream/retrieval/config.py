"""Configuration of retrieval: matching recordings and their reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from biosig.downstream.data.split_config import QuerySplit, SubjectKFold
from biosig.downstream.data.task_config import TaskConfig
from biosig.errors import UsageError
from biosig.training.config import Training


@dataclass(frozen=True)
class RetrievalConfig(TaskConfig):
    """A retrieval: model, recordings, split and training.

    Fields of `TaskConfig` come first.

    Parameters
    ----------
    split : SubjectKFold or QuerySplit
        The subjects that are trained on, that choose the epoch, and that are tested.
    length : float
        Seconds of the first window of each recording, which is used.
    tokenizer : Path, optional
        A tokenizer.json or a BERT's vocab.txt, for a model without one; None = the model's.
    cut_reports : bool
        True to cut reports that are longer than the model reads; else they are an error.
    embed_dim : int
        Width of the common space.
    training : Training
        Training of the matching; the other reports of a batch are the negatives.
    at : list of int
        The k of recall@k.
    cache_gb : float
        Prepared windows that may stay in memory, in gigabytes.
    keep_weights : bool
        True to write the tuned models to `out`, one per fold.
    """

    old_names: ClassVar[Mapping[str, str]] = {"keep_gb": "cache_gb"}
    split: SubjectKFold | QuerySplit
    length: float = 10.0
    tokenizer: Path | None = None
    cut_reports: bool = False
    embed_dim: int = 128
    training: Training = field(default_factory=lambda: Training(batch_size=64))
    at: list[int] = field(default_factory=lambda: [1, 5, 10])
    cache_gb: float = 4.0
    keep_weights: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.training.batch_size < 2:
            raise UsageError("training.batch_size is 1: the contrastive loss needs negatives, give 2 or more.")
