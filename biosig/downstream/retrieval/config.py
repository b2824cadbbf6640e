"""Configuration of matching recordings and their reports."""

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
    """What to match, and how.

    Fields of `TaskConfig` come first.

    Parameters
    ----------
    split : SubjectKFold or QuerySplit
        Who is trained on, who chooses the epoch, who is tested.
    length : float
        Seconds of the window, which is the first of each recording.
    tokenizer : Path, optional
        A tokenizer.json or a BERT's vocab.txt, for a model without one; None = the model's.
    cut_reports : bool
        Whether reports longer than the model reads are cut; else they are an error.
    embed_dim : int
        Width of the common space.
    training : Training
        How long and how fast; a batch is what a signal's report is told from.
    at : list of int
        The k of recall@k.
    cache_gb : float
        Prepared windows that may stay in memory, in gigabytes.
    keep_weights : bool
        Whether the tuned models are written to `out`, one per fold.
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
            raise UsageError("training.batch_size is 1: a report is told from the others of its batch, take 2 or more.")
