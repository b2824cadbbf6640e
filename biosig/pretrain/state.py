"""Files of a pretraining run: its training state while it lasts, and the decoder beside the finished model."""

from __future__ import annotations

from pathlib import Path

from biosig import config as configuration
from biosig.file_sums import check
from biosig.models.checkpoint import load, load_state, read_tensors, write_tensors
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.objective import Objective

TRAINING_STATE, DECODER = "training.safetensors", "decoder.safetensors"


def save_decoder(objective: Objective, run: Path) -> None:
    """Write the weights that are not the encoder's beside the finished model, for pictures of reconstructions."""
    state = objective.state_dict()
    write_tensors(
        {k: v.detach().cpu().contiguous() for k, v in state.items() if not k.startswith("encoder.")}, run / DECODER
    )


def load_objective(run: Path) -> tuple[PretrainConfig, Objective]:
    """The configuration of a finished run folder, and its encoder and decoder."""
    check(run / "config.yaml")
    config = configuration.load(PretrainConfig, run / "config.yaml")
    encoder, _, _ = load(run / "model")
    objective = config.make_objective(encoder)
    own = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    load_state(objective, {**own, **read_tensors(run / DECODER)}, str(run / DECODER))
    return config, objective.eval()
