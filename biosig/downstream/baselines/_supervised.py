"""Supervised networks with an input and a training of their own: what their baselines share, without torch."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from biosig.downstream.baseline import Baseline
from biosig.evaluate.metrics import Floats
from biosig.training.config import TrainingStage

if TYPE_CHECKING:
    from torch import nn

    from biosig.downstream.baselines.context import BaselineContext, FitJob, FoldPredictions
    from biosig.downstream.data.batch_sources import BatchSource


@dataclass(frozen=True)
class NetworkSpec:
    """How a network is trained.

    Parameters
    ----------
    stage : TrainingStage
        Its epochs are the most that are trained.
    per_minute : float
        Seconds of signal that a minute of the budget stands for: a third of what one quiet core of a current CPU
        trains on, so that the plan hangs on no clock and the budget is rarely met.
    longest : float
        Seconds of a window that one pass sees at most.
    """

    stage: TrainingStage
    per_minute: float
    longest: float = np.inf

    def within(self, minutes: float, durations: Floats) -> TrainingStage:
        """The stage with as many epochs as the budget has room for, one at least.

        Parameters
        ----------
        minutes : float
            The budget.
        durations : ndarray, shape (n,)
            Seconds of all windows of an epoch.
        """
        room = minutes * self.per_minute / max(float(np.minimum(durations, self.longest).sum()), 1e-9)
        return replace(self.stage, epochs=int(np.clip(room, 1, self.stage.epochs)))

    def batches_for(self, n_windows: int) -> int:
        """Windows per step: as the stage says, of a small training part fewer, so that an epoch has eight steps."""
        return int(np.clip(n_windows // 8, 4, self.stage.batch_size))


def in_volts(context: BaselineContext, kind: str) -> bool:
    """Whether every channel of a kind in the windows' recordings has a voltage for unit."""
    from biosig.signal.units import is_voltage

    windows = context.windows.stored
    recordings = (windows.ds[int(row)] for row in np.unique(windows.recording))
    return all(is_voltage(channel.unit) for one in recordings for channel in one.channels if channel.kind == kind)


class SupervisedNetwork(Baseline):
    """A network from scratch, whose number of epochs the validation part chooses, and which then learns from it too.

    Attributes
    ----------
    recipe : NetworkSpec
        How it is trained.
    """

    recipe: ClassVar[NetworkSpec]

    @abstractmethod
    def examples(self, context: BaselineContext, job: FitJob) -> BatchSource:
        """What the network reads."""

    @abstractmethod
    def make(self, context: BaselineContext, examples: BatchSource, n_outputs: int) -> nn.Module:
        """The network with random weights."""

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Train every weight."""
        from biosig.downstream.baselines._budget import train_within_budget

        examples, n_outputs = self.examples(context, job), len(context.objective(job.parts).names)
        return train_within_budget(context, job, lambda: self.make(context, examples, n_outputs), examples, self.recipe)

    def remarks(self, context: BaselineContext) -> list[str]:
        """Which fits the budget ended."""
        ended = [title for title in context.stopped if title.startswith(f"{self.name}, ")]
        if not ended:
            return []
        return [
            f"{self.name}: {len(ended)} fits took longer than {context.network_minutes:g} minutes and were ended there "
            f"(the first is {ended[0]}), so that another run may differ: raise network_minutes."
        ]
