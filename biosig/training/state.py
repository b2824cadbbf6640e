"""State of a training run: one safetensors file from which the run goes on exactly.

The file holds `network.*` (what training changes), `optimizer.NAME.*` (the moments of parameter NAME), `best.*` (the
weights of the best epoch) and `average.*` (a moving average); the counters stand in its metadata as JSON. Random
numbers are not kept: those of a step or an epoch are drawn from the run's seed and its number. Files of version 0.1.0
are read too (`biosig.training.state_0_1_0`).
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from biosig.errors import DataError, UnreadableError
from biosig.file_sums import checked
from biosig.tensor_files import check_keys, write_tensors
from biosig.training.optimizer import optimized_names
from biosig.training.state_0_1_0 import translate
from biosig.training.weights import MovingAverage, changing_tensors, trainable_parameters


class Score(NamedTuple):
    """Validation score of an epoch, higher is better; of equal values, which few windows often give, the lower loss."""

    value: float
    minus_loss: float = 0.0
    epoch: int = 0
    """Number of epochs that were done; 0 = the start."""


@dataclass
class TrainingState:
    """All that changes from step to step, or from epoch to epoch.

    Parameters
    ----------
    network : Module
        The network in training: its parameters that require a gradient and its buffers are kept.
    optimizer : Optimizer
        Of parameters of `network`.
    plateau : ReduceLROnPlateau, optional
        Schedule, where scores change the rate.
    average : MovingAverage, optional
        Of the weights.
    whole : bool
        True to keep frozen parameters too: something else than the optimiser may move them, as with a teacher's.
    step : int
        Optimiser steps that are done, where the run counts these.
    epoch : int
        Epochs that are done, where it counts those.
    waited : int
        Of them, the epochs since the best one.
    best : Score
        Of the best epoch so far.
    best_weights : dict of str to Tensor
        Tensors that training changes, as they were after that epoch (`trainable_state`).
    log : str
        SHA-256 of the run's log so far (`biosig.training.log`), if it logs; "" = not known.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    plateau: ReduceLROnPlateau | None = None
    average: MovingAverage | None = None
    whole: bool = False
    step: int = 0
    epoch: int = 0
    waited: int = 0
    best: Score = field(default_factory=lambda: Score(-math.inf))
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    log: str = ""

    def save(self, path: Path) -> None:
        """Write everything, in place of an earlier file; the file appears whole or not at all."""
        tensors = self._tensors() | {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        for name, parameter in trainable_parameters(self.network).items():
            moments = self.optimizer.state.get(parameter, {})
            tensors |= {f"optimizer.{name}.{key}": value for key, value in moments.items()}
        facts = {
            "step": self.step,
            "epoch": self.epoch,
            "waited": self.waited,
            "best": self.best,
            "rates": [group["lr"] for group in self.optimizer.param_groups],
            "plateau": self.plateau.state_dict() if self.plateau else None,
            "n_averaged": self.average.n_steps if self.average else 0,
            "log": self.log,
        }
        held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_tensors(held, path, {"training": json.dumps(facts)})

    def load(self, path: Path, renamed: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict) -> None:
        """Load the file of `save` into a state that began alike.

        Parameters
        ----------
        path : Path
            The file.
        renamed : callable
            Tensors of a pretraining by the names that 0.1.0 had for them → by the network's names.

        Raises
        ------
        UnreadableError
            If the file is damaged.
        DataError
            If it is the state of another network.
        """
        try:
            with checked(path, "delete it to train from the start again"), safe_open(path, "pt") as file:
                metadata: dict[str, str] = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the file is not a mapping
            facts = json.loads(metadata["training"]) if "training" in metadata else None
            if facts is None:
                facts, tensors = translate(metadata, tensors, self.network, self.optimizer, renamed)
        except UnreadableError:
            raise
        except (SafetensorError, OSError, LookupError, ValueError) as error:
            raise UnreadableError(f"{path} is damaged ({error}): delete it to train from the start again.") from error
        best, moments = (_taken(tensors, part) for part in ("best.", "optimizer."))
        own = self._tensors()
        check_keys(own, tensors, str(path))
        self._load_moments(moments, path)
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(tensors[name])
        for group, rate in zip(self.optimizer.param_groups, facts["rates"], strict=True):
            group["lr"] = rate
        if self.plateau:
            self.plateau.load_state_dict(facts["plateau"])
        if self.average:
            self.average.n_steps = facts["n_averaged"]
        self.step, self.epoch, self.waited = facts["step"], facts["epoch"], facts["waited"]
        self.best, self.best_weights, self.log = Score(*facts["best"]), best, facts.get("log", "")

    def _tensors(self) -> dict[str, Tensor]:
        """Tensors that are copied as they stand, by their names in the file."""
        frozen = dict(self.network.named_parameters()) if self.whole else {}
        averages = self.average.values if self.average else {}
        own = {f"network.{name}": tensor for name, tensor in {**frozen, **changing_tensors(self.network)}.items()}
        return own | {f"average.{name}": tensor for name, tensor in averages.items()}

    def _load_moments(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        content = self.optimizer.state_dict()
        numbers = {name: number for number, name in enumerate(optimized_names(self.network, self.optimizer))}
        moments: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for name, tensor in tensors.items():
            parameter, _, key = name.rpartition(".")
            if parameter not in numbers:
                raise DataError(f"{path} has moments of {parameter}, which is not trained: delete it to start again.")
            moments[numbers[parameter]][key] = tensor
        self.optimizer.load_state_dict({**content, "state": dict(moments)})


def _taken(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove the tensors of one part, and give them by their names in it."""
    return {name.removeprefix(prefix): tensors.pop(name) for name in [*tensors] if name.startswith(prefix)}
