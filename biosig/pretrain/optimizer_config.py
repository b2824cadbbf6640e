"""Configuration of an optimiser and its learning-rate schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from biosig.errors import UsageError


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
        How often the schedule is run through; from the second cycle on the rate rises from `final_lr`.
    clip_norm : float, optional
        Largest norm of a step's gradient; None = any.
    """

    name: Literal["adamw", "stable_adamw"] = "adamw"
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
