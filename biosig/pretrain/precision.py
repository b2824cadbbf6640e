"""Precision of a run's matrix products, chosen by a short trial: which is faster depends on processor and encoder.

bfloat16 is faster on GPUs and on processors with instructions for it, and slower on most others.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch

from biosig.device import autocast
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.objectives.views import Views

Precision = Literal["float32", "bfloat16"]

SECONDS = 0.5
"""Seconds of a trial; it is longer where two steps of each precision are."""

THRESHOLD = 0.9
"""bfloat16 is taken if it needs less than this share of float32's time: it rounds."""


@dataclass(frozen=True)
class Trial:
    """Result of a trial: seconds of one step forwards and backwards by precision, infinite where it overflowed."""

    seconds: Mapping[Precision, float]

    @property
    def choice(self) -> Precision:
        """The precision to train in."""
        return "bfloat16" if self.seconds["bfloat16"] < THRESHOLD * self.seconds["float32"] else "float32"

    def __str__(self) -> str:
        found = " and ".join(f"{seconds:.3g} s in {name}" for name, seconds in self.seconds.items())
        return f"Precision: {self.choice}. In a trial a step took {found}."


def try_precisions(objective: Objective, look: Callable[[Objective], Views | None]) -> Trial | None:
    """Time steps on one batch, float32 and bfloat16 in turn; the objective stays as it is.

    Parameters
    ----------
    objective : Objective
        On its device. A copy of it takes the steps.
    look : callable
        Gives the copy's views of a batch of the run; None = there is none, and no trial.

    Notes
    -----
    The time of a step is the shortest that was seen, after one that is not looked at; on CPUs it is the processor's, so
    that other work on the machine decides nothing.
    """
    trial = copy.deepcopy(objective)
    views = look(trial)
    if views is None:
        return None
    device = next(trial.parameters()).device
    taken: dict[Precision, list[float]] = {"float32": [], "bfloat16": []}
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(taken["bfloat16"]) < 2:
        for precision, seconds in taken.items():
            seconds.append(_step(trial, views, precision, device))
    return Trial({name: min(seconds[1:]) for name, seconds in taken.items()})


def _step(trial: Objective, views: Views, precision: Precision, device: torch.device) -> float:
    """Seconds of one step, infinite where the loss is not finite in bfloat16."""
    fresh = replace(views)  # with nothing computed yet
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    with autocast(device, precision):
        loss = trial(fresh)["loss"]
    loss.backward()
    finite = bool(loss.isfinite())  # waits for a GPU
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    trial.zero_grad()
    return clock() - began if finite or precision == "float32" else float("inf")
