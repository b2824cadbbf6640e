"""What a pretraining run is: one typed dataclass, loaded from YAML, saved beside the weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from biosig.errors import UsageError
from biosig.pretrain.masking import BlockMasking
from biosig.pretrain.reconstruction import DecoderConfig


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
class OptimizerConfig:
    """AdamW with linear warm-up and cosine decay.

    Parameters
    ----------
    lr : float
        Peak learning rate.
    betas : tuple of 2 float
        As in MAE (He 2022, appendix A.1): a second moment that follows changing masks.
    weight_decay : float
        On matrices only; norms, biases, embeddings and single vectors are left alone.
    warmup : float
        Share of the steps in which the rate rises.
    final_lr : float
        Rate at the last step, as a share of `lr`.
    clip_norm : float
        Largest norm of a step's gradient.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    warmup: float = 0.1
    final_lr: float = 0.01
    clip_norm: float = 1.0


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
    masking: BlockMasking = field(default_factory=BlockMasking)
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
        for name in ("steps", "batch_tokens", "validate_every", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1.")
