"""Configuration of training a head for waveforms or reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from biosig.errors import UsageError
from biosig.pretrain.optimizer_config import OptimizerConfig


@dataclass(frozen=True)
class Training:
    """How long and how fast.

    Parameters
    ----------
    epochs : int
        Passes over the training part at most.
    batch_size : int
        Windows per step.
    patience : int
        Epochs without a better validation score after which training ends.
    encoder : {"tuned", "frozen"}
        Whether the encoder is trained with the head.
    optimizer : OptimizerConfig
        Optimiser, and its schedule over all epochs.
    """

    epochs: int = 40
    batch_size: int = 16
    patience: int = 10
    encoder: Literal["tuned", "frozen"] = "tuned"
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.patience) < 1:
            raise UsageError(
                f"training has epochs {self.epochs}, batch_size {self.batch_size} and patience {self.patience}: each "
                "must be 1 or more."
            )
