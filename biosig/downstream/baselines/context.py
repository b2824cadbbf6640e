"""Inputs of a baseline: the windows, labels and settings that all share, and the job of one fit.

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
    """Predictions of the validation part, to which a calibration is fitted; None if there is no calibration."""
    test: Floats
    """Predictions of the test part."""


@dataclass(frozen=True)
class BaselineContext:
    """Windows, labels and settings that all methods of a table share.

    Parameters
    ----------
    model : Model
        The model under test.
    windows : PreparedWindows
        N windows, or spans, each of which is scored.
    y : ndarray, shape (N, ...)
        Their labels, as in `biosig.downstream.data.label_windows.LabelledWindows`.
    target : Target
        The prediction target.
    frozen : FrozenExamples
        Input of encoders, with its tokens by the pretrained model: the windows, or those that contain the spans.
    training : TrainingSpec
        Head and training stages of a classifier on the model's encoder.
    scratch, network : TrainingStage
        Training stages of the encoder from random weights, and of a supervised network.
    loss : LossConfig
        Weights of errors.
    network_width : int
        Channels of xresnet's first stage, and S4's features.
    network_minutes : float
        Longest time of one fit of a network with a recipe of its own, in processor time over the threads.
    calibration : {"none", "temperature", "isotonic"}
        Calibration to fit to the predictions of the validation part.
    seed : int
        Seed of fits that are not repeated with the seeds of a job, such as trees on features.
    keep_bytes : float
        Tokens of a frozen encoder that may stay in memory.
    progress : callable, optional
        Called after each epoch.
    people : ndarray of str, shape (N,), optional
        Person of each, by content (`biosig.downstream.data.task.Task.people`), for folds within the training part; None
        = by the subjects' names, on which these folds then depend.
    spans : SpanLayout, optional
        Layout of the N in the input of encoders; None = they are the input.
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
        """Layout of the N in the input of encoders."""
        from biosig.downstream.data.sequences import SpanLayout

        return self.spans or SpanLayout.alone(self.windows.windows)

    @property
    def groups(self) -> NDArray[np.str_]:
        """The person of each window (N,); folds within the training part keep a person's windows together."""
        return self.windows.windows.subjects.astype(str) if self.people is None else self.people

    @property
    def read(self) -> PreparedWindows:
        """Input of encoders."""
        return self.frozen.prepared

    @cached_property
    def features(self) -> tuple[Floats, list[str]]:
        """Features (N, F) of every stored window (`biosig.features`), and remarks on them."""
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
        """One modality of the stored windows, prepared once for a baseline's own contract."""
        from biosig.downstream.data.window_dataset import PreparedWindows

        if (modality, contract) not in self._own:
            stored, channels = self.windows.stored, self.windows.channels
            made = PreparedWindows(stored, {modality: contract}, keep_bytes=self.keep_bytes, channels=sorted(channels))
            self._own[modality, contract] = made
        return self._own[modality, contract]

    def stored_window(self, row: int) -> Recording:
        """A stored window with the chosen channels."""
        from biosig.downstream.data.picked_channels import with_channels

        window, channels = self.windows.windows.read(row), self.windows.channels
        return with_channels(window, channels) if channels else window

    def _stored_windows(self, stage: str) -> Iterator[Recording]:
        for row in range(len(self.windows)):
            yield self.stored_window(row)
            if self.progress:
                self.progress(f"{stage}: windows", row + 1, len(self.windows))

    def objective(self, parts: Split) -> TaskLoss:
        """The loss, fitted to the training part, of methods with one output for each of the N."""
        from biosig.downstream.finetune.losses import TaskLoss

        return TaskLoss.fitted(self.target, self.y[parts.train], self.loss)

    def encoder_objective(self, parts: Split) -> TaskLoss:
        """The loss of encoders, which may give several outputs for one window."""
        every = self.target.label_interval if self.contexts.n_spans > 1 else 0.0
        return replace(self.objective(parts), n_spans=self.contexts.n_spans, every=every)

    def fit_calibration(self, parts: Split, scores: Floats) -> Calibration:
        """Fit the calibration to the scores (n, K) or (n,) of the validation part."""
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
        Rows to fit on, to select on, and to test.
    fold, seed : int
        Number of the fold, and the seed.
    seed_id : int
        Id of the method that sets its random numbers apart.
    folder : Path, optional
        Folder of the fit's unfinished work, from which a killed fit resumes.
    """

    method: str
    parts: Split
    fold: int = 0
    seed: int = 0
    seed_id: int = 0
    folder: Path | None = None

    @property
    def key(self) -> Sequence[int]:
        """Seed of its random numbers, which does not depend on other rows of the table."""
        return [self.seed, self.fold, self.seed_id]

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"fold-{self.fold}-seed-{self.seed}"

    @property
    def title(self) -> str:
        """Title of the job for progress."""
        return f"{self.method}, fold {self.fold}, seed {self.seed}"
