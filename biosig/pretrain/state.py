"""What a run must keep to go on exactly where it was: weights, moments, step. Safetensors only, put in place whole."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor, nn

from biosig import config as configuration
from biosig.errors import UsageError
from biosig.models.checkpoint import load, load_state, read_tensors, write_tensors
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.objectives import implementation_of
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.objectives.rebuilding import RebuildingTerm

TRAINING_STATE, DECODER = "training.safetensors", "decoder.safetensors"


def save_training(path: Path, objective: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write weights, optimiser moments and the step that they are from."""
    state = {f"objective.{name}": tensor.detach().cpu() for name, tensor in objective.state_dict().items()}
    for number, values in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{number}.{key}": value.detach().cpu() for key, value in values.items()}
    write_tensors({**{k: tensor.contiguous() for k, tensor in state.items()}, "step": torch.tensor(step)}, path)


def resume_training(path: Path, objective: Objective, optimizer: torch.optim.Optimizer) -> int:
    """Load the training state, if there is one; returns the step it was saved after."""
    if not path.exists():
        return 0
    state = read_tensors(path)
    step = int(state.pop("step"))
    weights = {k.removeprefix("objective."): v for k, v in state.items() if k.startswith("objective.")}
    load_state(objective, objective.renamed(weights), str(path))
    moments: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for key, value in state.items():
        if key.startswith("optimizer."):
            _, number, name = key.split(".")
            moments[int(number)][name] = value
    optimizer.load_state_dict({"state": dict(moments), "param_groups": optimizer.state_dict()["param_groups"]})
    return step


def save_decoder(objective: Objective, run: Path) -> None:
    """Write the weights of the term that rebuilds, if there is one, beside the finished model: for pictures."""
    term = objective.rebuilding_term()
    if term is not None:
        write_tensors({k: v.detach().cpu().contiguous() for k, v in term.state_dict().items()}, run / DECODER)


def load_objective(run: Path) -> tuple[PretrainConfig, Objective]:
    """The configuration of a finished run folder, and its encoder with the term that rebuilds.

    Raises
    ------
    UsageError
        If the folder holds no finished run, or one whose objective rebuilds nothing.
    """
    if not (run / "model").is_dir() or not (run / "config.yaml").is_file():
        raise UsageError(
            f"{run} holds no finished pretraining run (model/ and config.yaml): run biosig pretrain first."
        )
    config = configuration.load(PretrainConfig, run / "config.yaml")
    encoder, _, _ = load(run / "model")
    rebuilding = [term for term in config.objective if issubclass(implementation_of(term), RebuildingTerm)]
    if not rebuilding:
        names = " + ".join(term.name for term in config.objective)
        raise UsageError(
            f"The run in {run} has the objective {names}, which rebuilds no signals: take a run with an objective such "
            "as reconstruction."
        )
    if not (run / DECODER).is_file():
        raise UsageError(f"{run} lacks {DECODER}: copy it there from where the run was made.")
    objective = Objective(encoder, rebuilding[:1])
    (term,) = objective.terms
    load_state(term, read_tensors(run / DECODER), str(run / DECODER))
    return config, objective.eval()
