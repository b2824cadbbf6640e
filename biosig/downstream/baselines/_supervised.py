"""Base class of supervised networks with an input and a training of their own; it imports no torch."""

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
    """Training of a network.

    Parameters
    ----------
    stage : TrainingStage
        The training stage, with the largest number of epochs.
    per_minute : float
        Seconds of signal per minute of the budget: a third of the rate of one idle core of a current CPU, so that the
        plan depends on no clock and the budget rarely ends a fit.
    longest : float
        Largest number of seconds of a window in one pass.
    """

    stage: TrainingStage
    per_minute: float
    longest: float = np.inf

    def within(self, minutes: float, durations: Floats) -> TrainingStage:
        """The stage with as many epochs as the budget allows, one at least.

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
        """Windows per step: as the stage says, or fewer for a small training part, so that an epoch has eight steps."""
        return int(np.clip(n_windows // 8, 4, self.stage.batch_size))


def in_volts(context: BaselineContext, kind: str) -> bool:
    """True if every channel of a kind in the windows' recordings has a unit of voltage."""
    from biosig.signal.units import is_voltage

    windows = context.windows.stored
    recordings = (windows.ds[int(row)] for row in np.unique(windows.recording))
    return all(is_voltage(channel.unit) for one in recordings for channel in one.channels if channel.kind == kind)


class SupervisedNetwork(Baseline):
    """A network from scratch: the validation part chooses the number of epochs, and is then trained on too.

    Attributes
    ----------
    recipe : NetworkSpec
        Its training.
    """

    recipe: ClassVar[NetworkSpec]

    @abstractmethod
    def examples(self, context: BaselineContext, job: FitJob) -> BatchSource:
        """Source of the network's input."""

    @abstractmethod
    def make(self, context: BaselineContext, examples: BatchSource, n_outputs: int) -> nn.Module:
        """Make the network with random weights."""

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Train every weight."""
        from biosig.downstream.baselines._budget import train_within_budget

        examples, n_outputs = self.examples(context, job), len(context.objective(job.parts).names)
        return train_within_budget(context, job, lambda: self.make(context, examples, n_outputs), examples, self.recipe)

    def remarks(self, context: BaselineContext) -> list[str]:
        """Remarks on fits that the budget ended."""
        ended = [title for title in context.stopped if title.startswith(f"{self.name}, ")]
        if not ended:
            return []
        return [
            f"{self.name}: {len(ended)} fits took longer than {context.network_minutes:g} minutes and were ended there "
            f"(the first is {ended[0]}), so that another run may differ: raise network_minutes."
        ]
