"""The methods of a fine-tuning table: the model on trial and its baselines, each from parts to test predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from biosig.downstream.classifier import save_classifier
from biosig.downstream.examples import DenseExamples, Examples, FrozenExamples, PackedExamples
from biosig.downstream.linear import uninformed
from biosig.downstream.objective import Objective
from biosig.downstream.parts import Parts
from biosig.downstream.prepared import PreparedWindows
from biosig.downstream.seeding import seeded
from biosig.downstream.settings import FineTuneConfig
from biosig.downstream.training import fit, predict
from biosig.downstream.tuning import fine_tune, new_classifier
from biosig.evaluate.baselines.eegnet import EEGNet
from biosig.evaluate.baselines.shallow import ShallowFBCSPNet
from biosig.evaluate.baselines.tangent import tangent_space_predictions
from biosig.evaluate.metrics import Floats
from biosig.progress import Progress

if TYPE_CHECKING:
    from biosig.models.model import Model

FIXED_MONTAGE = ("eegnet", "shallow", "tangent")
"""Methods that need all windows to have the same channels and length."""

SEEDLESS = ("chance", "tangent")
"""Methods without anything random."""


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
        N windows.
    y : ndarray, shape (N, ...)
        Their truth, as in `LabelledWindows`.
    frozen : FrozenExamples
        The windows, and their tokens by the model as it is.
    progress : callable, optional
        Called after each epoch.
    """

    config: FineTuneConfig
    model: Model
    windows: PreparedWindows
    y: NDArray[Any]
    frozen: FrozenExamples
    progress: Progress | None = None

    def objective(self, parts: Parts) -> Objective:
        """The loss, fitted to the training part."""
        return Objective.fitted(self.config.target, self.y[parts.train], self.config.loss)


@dataclass(frozen=True)
class Run:
    """One fit of one method.

    Parameters
    ----------
    method : str
        Its name in the table.
    fold, seed : int
        Which parts, and which random numbers.
    parts : Parts
        Rows to fit on, to choose by, and to test.
    weights : Path, optional
        Folder for the tuned model's weights.
    """

    method: str
    fold: int
    seed: int
    parts: Parts
    weights: Path | None = None

    @property
    def key(self) -> list[int]:
        """Of its random numbers: they do not depend on which other methods are in the table."""
        return [self.seed, self.fold, list(_METHODS).index(self.method)]

    @property
    def title(self) -> str:
        """For progress."""
        return f"{self.method}, fold {self.fold}, seed {self.seed}"


def test_predictions(bench: Bench, run: Run) -> Floats:
    """Predictions (n, K) or (n,) of the test part's windows, by one fit of one method."""
    return _METHODS[run.method](bench, run)


def _tuned(bench: Bench, run: Run) -> Floats:
    objective = bench.objective(run.parts)
    classifier = fine_tune(
        bench.model.encoder,
        bench.frozen,
        bench.y,
        objective,
        run.parts,
        bench.config,
        run.key,
        bench.progress,
        run.title,
    )
    if run.weights is not None:
        save_classifier(classifier, run.weights / f"fold-{run.fold}-seed-{run.seed}", _card(bench, run))
    packed = PackedExamples(bench.windows, bench.model.device)
    return predict(classifier, packed, objective, run.parts.test, bench.config.tune.batch_size)


def _from_scratch(bench: Bench, run: Run) -> Floats:
    encoder = bench.model.with_random_weights(int(np.random.default_rng(run.key).integers(2**31))).encoder
    classifier = new_classifier(encoder, bench.objective(run.parts), bench.windows, bench.config, run.key)
    return _fitted(bench, run, classifier, PackedExamples(bench.windows, bench.model.device))


def _network(cls: type[EEGNet | ShallowFBCSPNet]) -> Callable[[Bench, Run], Floats]:
    def predictions(bench: Bench, run: Run) -> Floats:
        (stream,) = bench.windows[0]
        n_chans, n_times = stream.values.shape
        with seeded(run.key):
            network = cls(n_chans, n_times, _sfreq(bench), len(bench.objective(run.parts).names))
        dense = DenseExamples(bench.windows, bench.model.device)
        return _fitted(bench, run, network.to(bench.model.device), dense)

    return predictions


def _fitted(bench: Bench, run: Run, network: nn.Module, examples: Examples) -> Floats:
    stage, objective = bench.config.stage_of(run.method), bench.objective(run.parts)
    fit(
        network,
        examples,
        bench.y,
        objective,
        run.parts,
        stage,
        bench.config.optimizer,
        run.key,
        bench.progress,
        run.title,
    )
    return predict(network, examples, objective, run.parts.test, stage.batch_size)


def _tangent(bench: Bench, run: Run) -> Floats:
    x_train, x_validation, x_test = (
        np.stack([bench.windows[row][0].values for row in rows.tolist()]).astype(np.float64)
        for rows in (run.parts.train, run.parts.validation, run.parts.test)
    )
    y_train, y_validation = bench.y[run.parts.train], bench.y[run.parts.validation]
    return tangent_space_predictions(x_train, y_train, x_validation, y_validation, x_test, _sfreq(bench))


def _chance(bench: Bench, run: Run) -> Floats:
    return uninformed(bench.y[run.parts.train], len(run.parts.test), bench.config.target.kind)


_METHODS: dict[str, Callable[[Bench, Run], Floats]] = {
    "model": _tuned,
    "chance": _chance,
    "from_scratch": _from_scratch,
    "eegnet": _network(EEGNet),
    "shallow": _network(ShallowFBCSPNet),
    "tangent": _tangent,
}


def _sfreq(bench: Bench) -> float:
    (stream,) = bench.windows[0]
    return bench.model.contract[stream.modality].sfreq


def _card(bench: Bench, run: Run) -> str:
    """The model card of tuned weights."""
    name, start = bench.model.name, "trained" if bench.model.trained else "random"
    return "\n".join(
        [
            f"# {name}, tuned to {bench.config.target.title}",
            "",
            f"From {start} weights of revision {bench.model.revision}, on {len(run.parts.train)} windows; "
            f"{len(run.parts.validation)} chose the epoch, {len(run.parts.test)} were never seen (fold {run.fold}, "
            f"seed {run.seed}).",
            "",
            "`biosig.downstream.classifier.load_classifier` reads the encoder with its head, `biosig.load_model` the "
            "encoder alone. What holds for the weights that it was tuned from holds for these, their licence included.",
            "",
            "For research, not a medical device.",
            "",
        ]
    )
