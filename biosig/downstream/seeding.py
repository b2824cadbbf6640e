"""Random numbers of one piece of work: drawn from its key, whatever was drawn before it, and gone after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(key: Sequence[int], device: torch.device | None = None) -> Iterator[None]:
    """Inside, torch's random numbers depend on `key` alone; outside, they go on as if nothing had happened."""
    on_gpu = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        seed = int(np.random.default_rng([*key]).integers(2**63))
        torch.random.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield
