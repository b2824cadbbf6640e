"""What a training must keep to go on after any epoch as if nothing had happened: one file, put in place whole.

Random numbers are not in it: those of an epoch depend on the run's key and the epoch alone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from biosig.downstream.averaging import MovingAverage
from biosig.downstream.trained import restore, trained_state
from biosig.errors import UnreadableError


class Score(NamedTuple):
    """How good an epoch is: its metric first; of equals, which few windows often are, the lower loss."""

    value: float
    minus_loss: float


@dataclass
class FitState:
    """All that changes from epoch to epoch.

    Parameters
    ----------
    network : Module
        What is trained.
    optimiser : Optimizer
        Its moments and rates.
    plateau : ReduceLROnPlateau
        What it remembers.
    average : MovingAverage, optional
        Of the weights.
    best : Score
        Of the best epoch so far, the start included.
    kept : dict of str to Tensor
        What training changes, as it was after that epoch (`trained_state`).
    epoch : int
        Epochs that are done.
    waited : int
        Of them, those since the best one.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    plateau: ReduceLROnPlateau
    average: MovingAverage | None
    best: Score
    kept: dict[str, Tensor]
    epoch: int = 0
    waited: int = 0

    def save(self, path: Path) -> None:
        """Write everything, in place of what was written after the epoch before."""
        tensors = _named("now", trained_state(self.network)) | _named("best", self.kept)
        tensors |= _named("average", self.average.values if self.average else {})
        for number, values in self.optimiser.state_dict()["state"].items():
            tensors |= _named(f"optimiser.{number}", values)
        facts = {
            "best": self.best,
            "epoch": self.epoch,
            "waited": self.waited,
            "plateau": self.plateau.state_dict(),
            "rates": [group["lr"] for group in self.optimiser.param_groups],
            "n_averaged": self.average.n_steps if self.average else 0,
        }
        temporary = path.with_name(f".{path.name}.tmp")
        held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(held, temporary, metadata={"fit": json.dumps(facts)})
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Become what `save` has written, of a state that began alike.

        Raises
        ------
        UnreadableError
            If the file is damaged.
        """
        try:
            with safe_open(path, "pt") as file:
                facts = json.loads(file.metadata()["fit"])
                parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
                for name in file.keys():  # noqa: SIM118 - the file is no mapping
                    part, _, rest = name.partition(".")
                    parts[part][rest] = file.get_tensor(name)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise UnreadableError(f"{path} is damaged ({error}): delete it to train that stage again.") from error
        restore(self.network, parts["now"])
        self.kept = parts["best"]
        moments: dict[int, dict[str, Any]] = defaultdict(dict)
        for name, tensor in parts["optimiser"].items():
            number, _, key = name.partition(".")
            moments[int(number)][key] = tensor
        self.optimiser.load_state_dict(
            {"state": dict(moments), "param_groups": self.optimiser.state_dict()["param_groups"]}
        )
        for group, rate in zip(self.optimiser.param_groups, facts["rates"], strict=True):
            group["lr"] = rate
        self.plateau.load_state_dict(facts["plateau"])
        if self.average:
            for name, tensor in self.average.values.items():
                tensor.copy_(parts["average"][name])
            self.average.n_steps = facts["n_averaged"]
        self.best, self.epoch, self.waited = Score(*facts["best"]), facts["epoch"], facts["waited"]


def _named(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}.{name}": tensor for name, tensor in tensors.items()}
