"""Tensors in safetensors files, and into modules, with every key and shape accounted for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from biosig.errors import DataError, UnreadableError
from biosig.file_sums import checked, guarded


def write_tensors(state: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file through `biosig.file_sums.guarded`."""
    with guarded(path) as temporary:
        try:
            save_file(state, temporary, metadata)
        except SafetensorError as error:  # a full disk too
            raise OSError(str(error)) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; one that is damaged, or not as its folder's list says, is an `UnreadableError`."""
    with checked(path):
        return parse_tensors(path)


def parse_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file whose checksum is made elsewhere; a damaged one is an `UnreadableError`."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UnreadableError(f"{path} is damaged or no safetensors file ({error}): copy it again.") from error


def load_state(module: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load a state dict in which every key and shape must match and every value must be finite.

    Raises
    ------
    DataError
        Lists the keys that are missing, left over, of another shape, or that hold NaN or infinite values.
    """
    check_keys(module.state_dict(), state, where)
    with torch.no_grad():
        module.load_state_dict(state, strict=True)


def check_keys(own: Mapping[str, Tensor], state: Mapping[str, Tensor], where: str) -> None:
    """Raise the DataError of `load_state` unless every key and shape matches."""
    shared = own.keys() & state.keys()
    reshaped = [
        f"{k} {tuple(state[k].shape)} for {tuple(own[k].shape)}" for k in shared if state[k].shape != own[k].shape
    ]
    found = {
        "missing": own.keys() - shared,
        "left over": state.keys() - shared,
        "of another shape": reshaped,
        "with NaN or infinite values": [k for k in shared if not is_finite(state[k])],
    }
    problems = [f"{what}: {join_truncated(keys)}" for what, keys in found.items() if keys]
    if problems:
        raise DataError(f"The weights in {where} do not fit the model; {'; '.join(problems)}.")


def is_finite(tensor: Tensor) -> bool:
    """True if no value is NaN or infinite."""
    if not (tensor.is_floating_point() and tensor.numel()):
        return True
    return all(bool(torch.isfinite(extreme)) for extreme in torch.aminmax(tensor))  # both are NaN where a value is


def join_truncated(keys: Iterable[str], most: int = 8) -> str:
    """The first of some keys, in order, for a message."""
    names = sorted(keys)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
