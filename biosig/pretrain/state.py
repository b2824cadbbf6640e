"""Files of a pretraining run: its training state while it lasts, and the decoder beside the finished model."""

from __future__ import annotations

from pathlib import Path

from biosig import config as configuration
from biosig.errors import UsageError
from biosig.file_sums import check
from biosig.models.checkpoint import load
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.objectives import implementation_of
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.objectives.rebuilding import RebuildingTerm
from biosig.tensor_files import load_state, read_tensors, write_tensors

TRAINING_STATE, DECODER = "training.safetensors", "decoder.safetensors"


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
    check(run / "config.yaml")
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
