"""Random numbers of one piece of work: drawn from its key, whatever was drawn before it, and gone after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(key: int | Sequence[int], device: torch.device | None = None) -> Iterator[None]:
    """Inside, torch's random numbers depend on `key` alone; outside, they go on as if nothing had happened.

    Parameters
    ----------
    key : int or sequence of int
        The seed, or numbers that one is drawn from.
    device : torch.device, optional
        A GPU whose random numbers are meant too; those of the CPU always are.
    """
    seed = int(np.random.default_rng([*key]).integers(2**63)) if isinstance(key, Sequence) else key
    on_gpu = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.random.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def epoch_random(key: Sequence[int], epoch: int, device: torch.device) -> Iterator[np.random.Generator]:
    """The random numbers of one epoch, a function of key and epoch alone: torch's inside, and NumPy's as the value."""
    with seeded([*key, epoch + 1], device):
        yield np.random.default_rng([*key, epoch + 1])
