"""Settings of optimisers and of training stages, and the learning rate at every step; no torch is imported here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from biosig.errors import UsageError

OptimizerName = Literal["adamw", "stable_adamw"]


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimiser and schedule.

    Parameters
    ----------
    name : {"adamw", "stable_adamw"}
        AdamW, or AdamW with clipped updates.
    lr : float
        Peak learning rate.
    betas : tuple of 2 float
        As in MAE (He 2022, appendix A.1): a second moment that follows changing masks.
    eps : float
        Added to the root of the second moment.
    weight_decay : float
        Decoupled.
    decay_all : bool
        Decay every parameter; else matrices only, and norms, biases, embeddings and single vectors are left alone.
    schedule : {"cosine", "trapezoid"}
        After the warm-up: half a cosine to `final_lr`; or the peak, and a linear descent as long as the warm-up.
    warmup : float
        Share of the steps in which the rate rises.
    final_lr : float
        Rate at the last step, as a share of `lr`.
    cycles : int
        Number of runs through the schedule; from the second cycle on the rate rises from `final_lr`.
    clip_norm : float, optional
        Largest norm of a step's gradient; None = any.
    """

    name: OptimizerName = "adamw"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.05
    decay_all: bool = False
    schedule: Literal["cosine", "trapezoid"] = "cosine"
    warmup: float = 0.1
    final_lr: float = 0.01
    cycles: int = 1
    clip_norm: float | None = 1.0

    def __post_init__(self) -> None:
        if self.cycles < 1:
            raise UsageError(f"optimizer.cycles is {self.cycles}; it must be at least 1.")
        if not 0 <= self.warmup <= 0.5:
            raise UsageError(f"optimizer.warmup is {self.warmup:g}; it is a share of the steps, from 0 to 0.5.")

    def learning_rate(self, step: int, steps: int) -> float:
        """Rate of step 1 … `steps`."""
        cycle = (step - 1) * self.cycles // steps
        first, last = (math.ceil(c * steps / self.cycles) for c in (cycle, cycle + 1))  # all cycles end within the run
        step, steps = step - first, last - first
        warmup = max(round(self.warmup * steps), 1)
        if step <= warmup:
            start = self.final_lr if cycle else 0.0
            return self.lr * (start + (1 - start) * step / warmup)
        if self.schedule == "trapezoid":
            height = min((steps - step) / warmup, 1.0)
        else:
            height = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))
        return self.lr * (self.final_lr + (1 - self.final_lr) * height)


@dataclass(frozen=True)
class Training:
    """Epochs of one run whose learning rate is a function of the step.

    Parameters
    ----------
    epochs : int
        Passes over the training part at most.
    batch_size : int
        Windows per step.
    patience : int
        Epochs without a better validation score after which training ends.
    encoder : {"tuned", "frozen"}
        True if the encoder is trained with the head.
    optimizer : OptimizerConfig
        Optimiser, and its schedule over all epochs.
    """

    lr_key: ClassVar[str] = "training.optimizer.lr"  # the setting to lower where the loss is not finite
    plateau_after: ClassVar[float] = math.inf  # scores never change the rate
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

    @property
    def clip_norm(self) -> float | None:
        """Largest norm of a step's gradient; None = any."""
        return self.optimizer.clip_norm

    def learning_rate(self, step: int, n_steps: int) -> float:
        """Rate of a step, counted from 1 over all epochs of `n_steps` each."""
        return self.optimizer.learning_rate(step, self.epochs * n_steps)


@dataclass(frozen=True)
class TrainingStage:
    """One stage of a fine-tuning, or the training of a baseline network.

    Betas 0.92 and 0.999, eps 1e-9 and gradients of norm 2 at most are those of REVE's released fine-tuning
    (arXiv:2510.21585).

    Parameters
    ----------
    lr : float
        Peak learning rate.
    epochs : int
        Passes over the training part at most; 0 leaves the stage out.
    warmup : int
        Epochs in which the rate rises: as (10^(s/S) - 1) / 9 (REVE's released code), or in a line with the schedule
        "linear".
    schedule : {"plateau", "linear"}
        Halved when validation gets no better for five epochs (REVE's released code), or falling in a line to nothing
        at the last epoch (CSFM, arXiv:2507.01045).
    layer_decay : float
        The rate of a block is this share of that of the block after it, the last block's of that of the head.
    patience : int
        Epochs without a better validation score after which the stage ends.
    dropout : float
        Share of the pooled features that is dropped, and dropout inside networks.
    batch_size : int
        Windows per step.
    weight_decay : float
        Decoupled, on all parameters.
    mixup : bool
        True if windows of a batch are mixed in pairs (`biosig.downstream.data.mixup`).
    ema : float
        Decay of a moving average of the weights, which is then scored and kept
        (`biosig.training.weights.MovingAverage`); 0 = none.
    """

    lr_key: ClassVar[str] = "the stage's lr"
    clip_norm: ClassVar[float | None] = 2.0
    lr: float
    epochs: int
    warmup: int = 3
    patience: int = 10
    dropout: float = 0.1
    batch_size: int = 32
    weight_decay: float = 0.01
    mixup: bool = True
    schedule: Literal["plateau", "linear"] = "plateau"
    layer_decay: float = 1.0
    ema: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.warmup < 0 or self.patience < 1 or self.batch_size < 1:
            raise UsageError(
                f"A stage has epochs {self.epochs}, warmup {self.warmup}, patience {self.patience} and batch_size "
                f"{self.batch_size}: the first two cannot be negative, the others must be 1 or more."
            )
        if not 0 < self.layer_decay <= 1:
            raise UsageError(f"layer_decay is {self.layer_decay:g}; it is a share, above 0 and at most 1.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is {self.dropout:g}; it is a share, from 0 to below 1.")
        if not 0 <= self.ema < 1:
            raise UsageError(f"ema is {self.ema:g}; it is a share, from 0 (no average) to below 1.")

    def optimizer(self, name: OptimizerName) -> OptimizerConfig:
        """The optimiser of that name for this stage; its rate follows the stage's own schedule."""
        return OptimizerConfig(name, self.lr, (0.92, 0.999), 1e-9, self.weight_decay, decay_all=True)

    @property
    def plateau_after(self) -> float:
        """Epochs after which the rate is halved where validation gets no better."""
        return self.warmup if self.schedule == "plateau" else math.inf

    def learning_rate(self, step: int, n_steps: int) -> float | None:
        """Rate of a step, counted from 1 over all epochs of `n_steps` each; None leaves it as it is."""
        number, of_epoch = divmod(step - 1, n_steps)
        epoch = number + (of_epoch + 1) / n_steps
        if self.schedule == "linear":
            rising = epoch / self.warmup if self.warmup else 1.0
            return self.lr * min(rising, (self.epochs - epoch) / max(self.epochs - self.warmup, 1))
        return self.lr * ((10 ** (epoch / self.warmup) - 1) / 9) if self.warmup and epoch <= self.warmup else None
