"""What a pretraining run is: one typed dataclass, loaded from YAML, saved beside the weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from biosig.errors import UsageError
from biosig.models.encoder import Encoder
from biosig.pretrain.masking import BlockMasking
from biosig.pretrain.objective import DecoderConfig, Objective
from biosig.pretrain.optimizer import OptimizerConfig
from biosig.pretrain.reconstruction import MaskedReconstruction
from biosig.pretrain.reve_masking import ReveMasking
from biosig.pretrain.reve_reconstruction import ReveReconstruction


@dataclass(frozen=True)
class SourceConfig:
    """A shard folder to learn from.

    Parameters
    ----------
    shards : Path
        Folder with an index.
    query : str, optional
        A pandas expression over index and label columns ("strat_fold <= 8"): which recordings to take.
    """

    shards: Path
    query: str | None = None


@dataclass(frozen=True)
class PretrainConfig:
    """A pretraining run.

    Parameters
    ----------
    out : Path
        The run folder: config, log, checkpoint while it runs, and in the end `model/`.
    sources : list of SourceConfig
        Recordings to learn from; kinds may be mixed at will.
    model : str
        Preset.
    window : float
        Seconds per window.
    stride : float, optional
        Seconds from one window to the next; default `window`.
    steps : int
        Optimiser steps.
    batch_tokens : int
        Tokens per step.
    masking : BlockMasking or ReveMasking
        What is hidden; the keys that are given tell which of the two is meant.
    position_noise : float
        Metres: deviation of the noise on the channels' positions in training.
    objective : {"reconstruction", "reve"}
        What the encoder is trained for.
    decoder : DecoderConfig
        Size of the decoder.
    global_weight : float
        Weight of the reconstruction from the pooled token.
    optimizer : OptimizerConfig
        Optimiser and schedule.
    validation : float
        Share of each source's subjects whose windows are kept out of training and give the validation loss.
    validate_every, checkpoint_every, log_every : int
        Steps between validations, checkpoints, log lines.
    precision : {"auto", "float32", "bfloat16"}
        "auto" = bfloat16 on CUDA, float32 elsewhere.
    device : str
        "auto" = CUDA where there is one.
    workers : int
        Background processes that read and prepare batches; 0 = none.
    seed : int
        Seeds weights, order, masks and the validation subjects.
    """

    out: Path
    sources: list[SourceConfig]
    model: str = "biosig-small"
    window: float = 10.0
    stride: float | None = None
    steps: int = 10000
    batch_tokens: int = 16384
    masking: BlockMasking | ReveMasking = field(default_factory=BlockMasking)
    position_noise: float = 0.0
    objective: Literal["reconstruction", "reve"] = "reconstruction"
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    global_weight: float = 0.1
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    validation: float = 0.1
    validate_every: int = 500
    checkpoint_every: int = 500
    log_every: int = 10
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("A pretraining run needs at least one entry in sources.")
        if not 0 <= self.validation < 1:
            raise UsageError(f"validation is {self.validation:g}; it is a share of the subjects, from 0 to below 1.")
        if not 0 <= self.position_noise < 1:
            raise UsageError(f"position_noise is {self.position_noise:g}; it is in metres: 0.0025 moves by 2.5 mm.")
        for name in ("steps", "batch_tokens", "validate_every", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1.")

    def make_objective(self, encoder: Encoder) -> Objective:
        """What this run trains `encoder` with."""
        cls = {"reconstruction": MaskedReconstruction, "reve": ReveReconstruction}[self.objective]
        return cls(encoder, self.decoder, self.global_weight)
