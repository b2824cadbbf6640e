"""What the methods of a fine-tuning table share, and what one fit of one of them is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.contexts import Contexts
from biosig.downstream.examples import FrozenExamples
from biosig.downstream.inputs import PartialWindows
from biosig.downstream.objective import Objective
from biosig.downstream.parts import Parts
from biosig.downstream.prepared import PreparedWindows
from biosig.downstream.settings import FineTuneConfig
from biosig.evaluate.baselines.features import feature_table
from biosig.evaluate.calibration import Calibration, fit_calibration
from biosig.evaluate.metrics import Floats
from biosig.progress import Progress
from biosig.recording import Recording

if TYPE_CHECKING:
    from biosig.models.model import Model


@dataclass(frozen=True)
class Bench:
    """What all methods of a run share.

    Parameters
    ----------
    config : FineTuneConfig
        The run.
    model : Model
        On trial.
    windows : PreparedWindows
        N windows, or spans, which are what is rated.
    y : ndarray, shape (N, ...)
        Their truth, as in `LabelledWindows`.
    frozen : FrozenExamples
        What encoders read, and its tokens by the model as it is: the windows, or those in which the spans lie.
    progress : callable, optional
        Called after each epoch.
    spans : Contexts, optional
        How the N lie in what encoders read; None = they are what encoders read.
    """

    config: FineTuneConfig
    model: Model
    windows: PreparedWindows
    y: NDArray[Any]
    frozen: FrozenExamples
    progress: Progress | None = None
    spans: Contexts | None = None

    @cached_property
    def contexts(self) -> Contexts:
        """How the N lie in what encoders read."""
        return self.spans or Contexts.alone(self.windows.windows)

    @cached_property
    def features(self) -> tuple[Floats, list[str]]:
        """Hand-made features (N, F) of every window as it was stored, and remarks on them."""
        table, remarks = feature_table(self._stored())
        return table.to_numpy(np.float64), remarks

    def _stored(self) -> Iterator[Recording]:
        windows, channels = self.windows.windows, self.windows.channels
        for row in range(len(windows)):
            window = windows.read(row)
            yield with_channels(window, channels) if channels else window
            if self.progress:
                self.progress("handmade: windows", row + 1, len(windows))

    @cached_property
    def inputs(self) -> dict[str, PartialWindows]:
        """What encoders read, with fewer channels, by name."""
        return {name: PartialWindows(self.read, keep) for name, keep in self.config.inputs.items()}

    @property
    def read(self) -> PreparedWindows:
        """What encoders read."""
        return self.frozen.prepared

    def objective(self, parts: Parts) -> Objective:
        """The loss, fitted to the training part, of methods that give each of the N an output of its own."""
        return Objective.fitted(self.config.target, self.y[parts.train], self.config.loss)

    def objective_in_context(self, parts: Parts) -> Objective:
        """The same of encoders, which may give several outputs for what they read."""
        every = self.config.target.every if self.contexts.n_spans > 1 else 0.0
        return replace(self.objective(parts), n_spans=self.contexts.n_spans, every=every)

    def calibration(self, parts: Parts, scores: Floats) -> Calibration:
        """Fitted to the scores (n, K) or (n,) of the validation part."""
        return fit_calibration(self.config.calibration, self.config.target.kind, self.y[parts.validation], scores)


@dataclass(frozen=True)
class Run:
    """One fit of one method.

    Parameters
    ----------
    method : str
        Its name in the table.
    number : int
        Of the method, for its random numbers.
    fold, seed : int
        Which parts, and which random numbers.
    parts : Parts
        Rows to fit on, to choose by, and to test.
    weights : Path, optional
        Folder for the tuned model's weights.
    work : Path, optional
        Folder that is kept while the run is not finished.
    """

    method: str
    number: int
    fold: int
    seed: int
    parts: Parts
    weights: Path | None = None
    work: Path | None = None

    @property
    def key(self) -> list[int]:
        """Of its random numbers: they do not depend on which other methods are in the table."""
        return [self.seed, self.fold, self.number]

    @property
    def name(self) -> str:
        """For folders."""
        return f"fold-{self.fold}-seed-{self.seed}"

    @property
    def title(self) -> str:
        """For progress."""
        return f"{self.method}, fold {self.fold}, seed {self.seed}"


def with_channels(window: Recording, channels: Collection[str]) -> Recording:
    """The window with the channels of these names or kinds only."""
    rows = [[i for i, c in enumerate(s.channels) if c.name in channels or c.kind in channels] for s in window.streams]
    return replace(window, streams=[s.pick(picked) for s, picked in zip(window.streams, rows, strict=True) if picked])
