"""The methods of a fine-tuning table: the model on trial and its baselines, each from parts to test predictions."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from biosig.downstream.classifier import save_classifier
from biosig.downstream.examples import DenseExamples, Examples, FrozenExamples, PackedExamples
from biosig.downstream.inputs import PartialWindows
from biosig.downstream.linear import DEFAULT_PENALTY, fit_predict, uninformed
from biosig.downstream.objective import Objective
from biosig.downstream.parts import Parts
from biosig.downstream.prepared import PreparedWindows
from biosig.downstream.seeding import seeded
from biosig.downstream.settings import FineTuneConfig
from biosig.downstream.training import fit, predict
from biosig.downstream.tuning import fine_tune, new_classifier
from biosig.evaluate.baselines.boosting import boosted_predictions
from biosig.evaluate.baselines.eegnet import EEGNet
from biosig.evaluate.baselines.features import feature_table
from biosig.evaluate.baselines.s4 import S4
from biosig.evaluate.baselines.shallow import ShallowFBCSPNet
from biosig.evaluate.baselines.tangent import tangent_space_predictions
from biosig.evaluate.baselines.xresnet import XResNet
from biosig.evaluate.metrics import Floats
from biosig.progress import Progress
from biosig.recording import Recording

if TYPE_CHECKING:
    from biosig.models.model import Model

FIXED_MONTAGE = ("eegnet", "shallow", "tangent", "xresnet", "s4")
"""Methods that need all windows to have the same channels and length."""

SEEDLESS = ("chance", "tangent", "handmade", "age")
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

    @cached_property
    def features(self) -> tuple[Floats, list[str]]:
        """Hand-made features (N, F) of every window as it was stored, and remarks on them."""
        windows, channels = self.windows.windows, self.windows.channels
        read = (windows.read(row) for row in range(len(windows)))
        table, remarks = feature_table(with_channels(window, channels) if channels else window for window in read)
        return table.to_numpy(np.float64), remarks

    @cached_property
    def inputs(self) -> dict[str, PartialWindows]:
        """The windows with fewer channels, by name."""
        return {name: PartialWindows(self.windows, keep) for name, keep in self.config.inputs.items()}

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


def test_predictions(bench: Bench, run: Run) -> dict[str, Floats]:
    """Predictions (n, K) or (n,) of the test part's windows, by one fit of one method; of the model by each input."""
    return _METHODS[run.method](bench, run)


def _tuned(bench: Bench, run: Run) -> dict[str, Floats]:
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
    named = {"model": bench.windows} | {f"model, {name}": windows for name, windows in bench.inputs.items()}
    size, device = bench.config.tune.batch_size, bench.model.device
    return {
        name: predict(classifier, PackedExamples(windows, device), objective, run.parts.test, size)
        for name, windows in named.items()
    }


def _random_weights(bench: Bench, run: Run) -> Floats:
    encoder = bench.model.with_random_weights(int(np.random.default_rng(run.key).integers(2**31))).encoder
    classifier = new_classifier(encoder, bench.objective(run.parts), bench.windows, bench.config, run.key)
    classifier.train_head_only()
    frozen = FrozenExamples(bench.windows, encoder, bench.model.device, bench.config.keep_gb * 1e9)
    return _fitted(bench, run, classifier, frozen)


def _from_scratch(bench: Bench, run: Run) -> Floats:
    encoder = bench.model.with_random_weights(int(np.random.default_rng(run.key).integers(2**31))).encoder
    classifier = new_classifier(encoder, bench.objective(run.parts), bench.windows, bench.config, run.key)
    return _fitted(bench, run, classifier, PackedExamples(bench.windows, bench.model.device))


def _network(make: Callable[[Bench, int, int], nn.Module]) -> Callable[[Bench, Run], Floats]:
    """A method of a network that takes arrays, from what makes one for a number of channels and of outputs."""

    def predictions(bench: Bench, run: Run) -> Floats:
        n_chans = sum(len(stream.values) for stream in bench.windows[0])
        with seeded(run.key):
            network = make(bench, n_chans, len(bench.objective(run.parts).names))
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


def _handmade(bench: Bench, run: Run) -> Floats:
    return _from_features(bench, run, bench.features[0])


def _age(bench: Bench, run: Run) -> Floats:
    windows = bench.windows.windows
    ages = windows.ds.to_pandas()["age"].to_numpy(np.float64)
    return _from_features(bench, run, ages[windows.recording, None])


def _from_features(bench: Bench, run: Run, X: Floats) -> Floats:
    """A linear Cox model of a time to an event, boosted trees of all else."""
    y, parts = bench.y, run.parts
    if bench.config.target.kind == "survival":
        return fit_predict(X[parts.train], y[parts.train], X[parts.test], DEFAULT_PENALTY, "survival")
    train, validation = ((X[rows], y[rows]) for rows in (parts.train, parts.validation))
    return boosted_predictions(train, validation, X[parts.test], bench.config.target.kind, bench.config.seed)


def _chance(bench: Bench, run: Run) -> Floats:
    return uninformed(bench.y[run.parts.train], len(run.parts.test), bench.config.target.kind)


def _eegnet(bench: Bench, n_chans: int, n_outputs: int) -> nn.Module:
    return EEGNet(n_chans, bench.windows[0][0].values.shape[1], _sfreq(bench), n_outputs)


def _shallow(bench: Bench, n_chans: int, n_outputs: int) -> nn.Module:
    return ShallowFBCSPNet(n_chans, bench.windows[0][0].values.shape[1], _sfreq(bench), n_outputs)


def _xresnet(bench: Bench, n_chans: int, n_outputs: int) -> nn.Module:
    return XResNet(n_chans, n_outputs, bench.config.network_width)


def _s4(bench: Bench, n_chans: int, n_outputs: int) -> nn.Module:
    return S4(n_chans, n_outputs, bench.config.network_width)


def _alone(method: Callable[[Bench, Run], Floats]) -> Callable[[Bench, Run], dict[str, Floats]]:
    return lambda bench, run: {run.method: method(bench, run)}


# Random numbers depend on the place in this list: add at its end.
_METHODS: dict[str, Callable[[Bench, Run], dict[str, Floats]]] = {
    "model": _tuned,
    "chance": _alone(_chance),
    "from_scratch": _alone(_from_scratch),
    "eegnet": _alone(_network(_eegnet)),
    "shallow": _alone(_network(_shallow)),
    "tangent": _alone(_tangent),
    "random_weights": _alone(_random_weights),
    "handmade": _alone(_handmade),
    "xresnet": _alone(_network(_xresnet)),
    "s4": _alone(_network(_s4)),
    "age": _alone(_age),
}


def with_channels(window: Recording, channels: Collection[str]) -> Recording:
    """The window with the channels of these names or kinds only."""
    rows = [[i for i, c in enumerate(s.channels) if c.name in channels or c.kind in channels] for s in window.streams]
    return replace(window, streams=[s.pick(picked) for s, picked in zip(window.streams, rows, strict=True) if picked])


def _sfreq(bench: Bench) -> float:
    return bench.model.contract[bench.windows[0][0].modality].sfreq


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
