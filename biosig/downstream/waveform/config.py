"""Configuration of waveform prediction: rebuilding absent channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from biosig.downstream.data.split_config import QuerySplit, SubjectKFold
from biosig.downstream.data.task_config import TaskConfig
from biosig.downstream.waveform.baselines import WAVEFORM_BASELINES, default_waveform_baselines
from biosig.errors import UsageError
from biosig.pretrain.objectives.configs.decoder import DecoderConfig
from biosig.training.config import Training


@dataclass(frozen=True)
class WaveformConfig(TaskConfig):
    """A waveform prediction: inputs, targets, split and training.

    Fields of `TaskConfig` come first.

    Parameters
    ----------
    inputs : list of str
        The channels that the model reads: names, or kinds for all channels of that kind.
    targets : list of str
        The channels to rebuild: names, or kinds that a recording has one channel of. A recording may lack some.
    split : SubjectKFold or QuerySplit
        The subjects that are trained on, that choose the epoch, and that are tested.
    length : float
        Seconds per window.
    stride : float, optional
        Seconds from one onset to the next; None = `length`.
    decoder : DecoderConfig
        Size of the head.
    training : Training
        Length and rate of the training.
    baselines : list
        Names of `biosig.downstream.waveform.baselines.WAVEFORM_BASELINES`.
    cache_gb : float
        Prepared windows that may stay in memory, in gigabytes; others are read again in each epoch.
    keep_weights : bool
        True to write the tuned models to `out`, one per fold.
    """

    old_names: ClassVar[Mapping[str, str]] = {"keep_gb": "cache_gb"}
    inputs: list[str]
    targets: list[str]
    split: SubjectKFold | QuerySplit
    length: float = 10.0
    stride: float | None = None
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    training: Training = field(default_factory=Training)
    baselines: list[Annotated[str, WAVEFORM_BASELINES]] = field(default_factory=default_waveform_baselines)
    cache_gb: float = 4.0
    keep_weights: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.inputs or not self.targets or len(set(self.targets)) < len(self.targets):
            raise UsageError(f"inputs are {self.inputs} and targets {self.targets}: give one or more, targets once.")
