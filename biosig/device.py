"""Device and precision of a model: the same words for pretraining, embedding and probes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch

from biosig.errors import UsageError


def resolve_device(device: str) -> torch.device:
    """The device to use: "auto" = CUDA where there is one, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"There is no device '{device}': use auto, cpu, cuda or cuda:N.") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"Device '{device}' was asked for, but torch finds no CUDA here: use --device cpu.")
    return chosen


def resolve_dtype(device: torch.device, dtype: str) -> torch.dtype:
    """Precision of matrix products: "auto" = bfloat16 on CUDA, float32 elsewhere."""
    if dtype not in ("auto", "float32", "bfloat16"):
        raise UsageError(f"dtype is '{dtype}'; it must be auto, float32 or bfloat16.")
    half = dtype == "bfloat16" or (dtype == "auto" and device.type == "cuda")
    return torch.bfloat16 if half else torch.float32


def autocast(device: torch.device, dtype: str) -> Any:
    """A context for training in which matrix products run in `dtype`, see `resolve_dtype`."""
    if resolve_dtype(device, dtype) == torch.bfloat16:
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
