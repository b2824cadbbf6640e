"""Inputs of a baseline: the windows, labels and settings that all share, and one fit to do.

Shape letters: N windows or spans, n rows of a part, K classes or labels, F features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from biosig.evaluate.metrics import Floats

if TYPE_CHECKING:
    from biosig.batches.input_contract import InputContract
    from biosig.downstream.data.batch_sources import FrozenExamples
    from biosig.downstream.data.label_windows import Target
    from biosig.downstream.data.sequences import SpanLayout
    from biosig.downstream.data.splits import Split
    from biosig.downstream.data.window_dataset import PreparedWindows
    from biosig.downstream.finetune.config import TrainingSpec
    from biosig.downstream.finetune.losses import LossConfig, TaskLoss
    from biosig.evaluate.calibration import Calibration, Method
    from biosig.models.model import Model
    from biosig.progress import Progress
    from biosig.recording import Recording
    from biosig.training.config import TrainingStage


class FoldPredictions(NamedTuple):
    """Predictions of one fit: probabilities (n, K), or values (n,)."""

    validation: Floats | None
    """Of the validation part, to which a calibration is fitted; None where nothing is to be calibrated."""
    test: Floats
    """Of the test part."""


@dataclass(frozen=True)
class BaselineContext:
    """Windows, labels and settings that all methods of a table share.

    Parameters
    ----------
    model : Model
        On trial.
    windows : PreparedWindows
        N windows, or spans, each of which is scored.
    y : ndarray, shape (N, ...)
        Their labels, as in `biosig.downstream.data.label_windows.LabelledWindows`.
    target : Target
        What is predicted.
    frozen : FrozenExamples
        What encoders read, and its tokens by the model as it is: the windows, or those in which the spans lie.
    training : TrainingSpec
        How a classifier on the model's encoder is made and trained.
    scratch, network : TrainingStage
        How the encoder from random weights, and a supervised network, are trained.
    loss : LossConfig
        How errors weigh.
    network_width : int
        Channels of xresnet's first stage, and S4's features.
    network_minutes : float
        What one fit of a network with a recipe of its own may take, at most, in processor time over the threads.
    calibration : {"none", "temperature", "isotonic"}
        What is fitted to the predictions of the validation part.
    seed : int
        Of what is not repeated with the seeds of a job, such as trees on features.
    keep_bytes : float
        Tokens of a frozen encoder that may stay in memory.
    progress : callable, optional
        Called after each epoch.
    people : ndarray of str, shape (N,), optional
        Whose each is, by content (`biosig.downstream.data.task.Task.people`), for folds within the training part; None
        = by the subjects' names, on which these folds then hang.
    spans : SpanLayout, optional
        How the N lie in what encoders read; None = they are what encoders read.
    """

    model: Model
    windows: PreparedWindows
    y: NDArray[Any]
    target: Target
    frozen: FrozenExamples
    training: TrainingSpec
    scratch: TrainingStage
    network: TrainingStage
    loss: LossConfig
    network_width: int = 64
    network_minutes: float = 5.0
    calibration: Method = "none"
    seed: int = 0
    keep_bytes: float = 4e9
    progress: Progress | None = None
    people: NDArray[np.str_] | None = None
    spans: SpanLayout | None = None
    stopped: list[str] = field(default_factory=list)
    """Titles of fits that took longer than `network_minutes` and were ended there."""

    @cached_property
    def contexts(self) -> SpanLayout:
        """How the N lie in what encoders read."""
        from biosig.downstream.data.sequences import SpanLayout

        return self.spans or SpanLayout.alone(self.windows.windows)

    @property
    def groups(self) -> NDArray[np.str_]:
        """The person of each window (N,), whose windows folds within the training part keep together."""
        return self.windows.windows.subjects.astype(str) if self.people is None else self.people

    @property
    def read(self) -> PreparedWindows:
        """What encoders read."""
        return self.frozen.prepared

    @cached_property
    def features(self) -> tuple[Floats, list[str]]:
        """Features (N, F) of every window as it was stored (`biosig.features`), and remarks on them."""
        from biosig.downstream.baselines.models.physiology import feature_matrix

        return feature_matrix(self._stored_windows("features"))

    @cached_property
    def features_0_1(self) -> tuple[Floats, list[str]]:
        """Features (N, F) as version 0.1.0 measured them, and remarks on them."""
        from biosig.downstream.baselines.models.features import feature_table

        table, remarks = feature_table(self._stored_windows("features of 0.1.0"))
        return table.to_numpy(np.float64), remarks

    @cached_property
    def _own(self) -> dict[tuple[str, InputContract], PreparedWindows]:
        return {}

    def prepared(self, modality: str, contract: InputContract) -> PreparedWindows:
        """The windows as they were stored, one modality of them at a contract of a baseline's own; made once."""
        from biosig.downstream.data.window_dataset import PreparedWindows

        if (modality, contract) not in self._own:
            of, channels = self.windows.stored, self.windows.channels
            made = PreparedWindows(of, {modality: contract}, keep_bytes=self.keep_bytes, channels=sorted(channels))
            self._own[modality, contract] = made
        return self._own[modality, contract]

    def stored_window(self, row: int) -> Recording:
        """A window as it was stored, with the channels that take part."""
        from biosig.downstream.data.picked_channels import with_channels

        window, channels = self.windows.windows.read(row), self.windows.channels
        return with_channels(window, channels) if channels else window

    def _stored_windows(self, stage: str) -> Iterator[Recording]:
        for row in range(len(self.windows)):
            yield self.stored_window(row)
            if self.progress:
                self.progress(f"{stage}: windows", row + 1, len(self.windows))

    def objective(self, parts: Split) -> TaskLoss:
        """The loss, fitted to the training part, of methods that give each of the N an output of its own."""
        from biosig.downstream.finetune.losses import TaskLoss

        return TaskLoss.fitted(self.target, self.y[parts.train], self.loss)

    def encoder_objective(self, parts: Split) -> TaskLoss:
        """The same for encoders, which may give several outputs for what they read."""
        every = self.target.label_interval if self.contexts.n_spans > 1 else 0.0
        return replace(self.objective(parts), n_spans=self.contexts.n_spans, every=every)

    def fit_calibration(self, parts: Split, scores: Floats) -> Calibration:
        """Fitted to the scores (n, K) or (n,) of the validation part."""
        from biosig.evaluate.calibration import fit_calibration

        return fit_calibration(self.calibration, self.target.kind, self.y[parts.validation], scores)


@dataclass(frozen=True)
class FitJob:
    """One fit of one method.

    Parameters
    ----------
    method : str
        Its name in the table.
    parts : Split
        Rows to fit on, to choose by, and to test.
    fold, seed : int
        Which parts, and which random numbers.
    seed_id : int
        Of the method.
    folder : Path, optional
        Where the fit keeps what it needs to go on after it was killed.
    """

    method: str
    parts: Split
    fold: int = 0
    seed: int = 0
    seed_id: int = 0
    folder: Path | None = None

    @property
    def key(self) -> Sequence[int]:
        """Seeds its random numbers, which do not depend on what else is in the table."""
        return [self.seed, self.fold, self.seed_id]

    @property
    def name(self) -> str:
        """For folders."""
        return f"fold-{self.fold}-seed-{self.seed}"

    @property
    def title(self) -> str:
        """For progress."""
        return f"{self.method}, fold {self.fold}, seed {self.seed}"
