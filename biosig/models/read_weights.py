"""Weights as another project wrote them: a Hugging Face folder, a safetensors file, or a PyTorch state dict.

Nothing is unpickled but tensors and plain containers.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from biosig.errors import DataError, UnreadableError, UsageError
from biosig.models.checkpoint import CONFIG, WEIGHTS, read_config
from biosig.models.encoder import EncoderConfig
from biosig.tensor_files import read_tensors

HARMLESS = (argparse.Namespace,)
"""Classes that a PyTorch file may hold beside tensors: a training script's options, of which nothing is read."""


@dataclass(frozen=True)
class ForeignWeights:
    """Tensors by the names that their project gives them.

    Parameters
    ----------
    state : dict of str to Tensor
        As in the file, without the wrappers of training scripts.
    config : dict
        `config.json` beside them; empty where there is none.
    path : Path
        The file that holds the weights.
    sha256 : str
        Of that file.
    beside : tuple of str
        Keys of the file beside the weights, such as an optimizer's state.
    """

    state: dict[str, Tensor]
    config: dict[str, Any]
    path: Path
    sha256: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Plan for the conversion of foreign weights: tensors to rename, to leave out, and to fill with zeros.

    Parameters
    ----------
    config : EncoderConfig
        The encoder that they fit.
    names : dict of str to str
        Foreign key → ours, for every tensor that the encoder needs.
    left_out : dict of str to str
        Foreign key → reason why it has no place in an encoder.
    absent : dict of str to str
        Our key that such weights may lack → the meaning of that; the encoder has zeros there.
    leading_ones : frozenset of str
        Foreign keys whose project keeps a vector or a table with leading axes of length 1, such as (1, 1, D); all
        other tensors must have our shape.
    notes : tuple of str
        Sentences for the model card: licence, and assumptions.
    """

    config: EncoderConfig
    names: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    leading_ones: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def read_foreign(source: Path) -> ForeignWeights:
    """Read a folder with `config.json` and `model.safetensors`, or one file of weights.

    Parameters
    ----------
    source : Path
        The folder, a ``.safetensors`` file, or a PyTorch file (``.pth``, ``.pt``, ``.bin``).

    Raises
    ------
    UsageError
        If there is no such folder or file.
    DataError
        If it is damaged, or holds anything but tensors.
    """
    config: dict[str, Any] = {}
    path = source
    if source.is_dir():
        path = source / WEIGHTS
        missing = [name for name in (CONFIG, WEIGHTS) if not (source / name).is_file()]
        if missing:
            raise UsageError(
                f"{source} has no {' and no '.join(missing)}: give a folder with both, or the file of weights itself."
            )
        config = read_config(source / CONFIG)
    if not path.is_file():
        raise UsageError(f"{source} does not exist: check the path.")
    beside: tuple[str, ...] = ()
    if path.suffix == ".safetensors":
        state: Mapping[str, Any] = read_tensors(path)
    else:
        state, beside = _read_pytorch(path)
    others = sorted(str(key) for key, value in state.items() if not isinstance(value, Tensor))
    if others or not state:
        raise DataError(f"{path} holds {', '.join(others[:8]) or 'nothing'} where a tensor each was expected.")
    if all(key.startswith("module.") for key in state):  # torch's DistributedDataParallel
        state = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return ForeignWeights(dict(state), config, path, sha256, beside)


def _read_pytorch(path: Path) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The state dict in a PyTorch file, and the names of its other entries."""
    try:
        with torch.serialization.safe_globals(list(HARMLESS)):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise UnreadableError(
                f"{path} holds an object of the class {named[1]} beside its tensors, which would run code when it is "
                "read: nothing was read. Ask its makers for safetensors, or write the tensors alone where you trust it."
            ) from error
        # Of a pickle that is not a state dict torch's first line says how to run its code: not a thing to pass on.
        first = str(error).split("\n")[0]
        why = "it is damaged, or a pickle of another kind" if "weights_only" in first else first
        raise UnreadableError(
            f"{path} cannot be read as a file of tensors ({why}): give safetensors or a plain PyTorch state dict."
        ) from error
    if not isinstance(content, Mapping):
        raise UnreadableError(f"{path} holds a {type(content).__name__}: give a PyTorch state dict.")
    for wrapper in ("model", "state_dict", "encoder"):
        if isinstance(content.get(wrapper), Mapping):
            return content[wrapper], tuple(str(key) for key in content if key != wrapper)
    return content, ()
