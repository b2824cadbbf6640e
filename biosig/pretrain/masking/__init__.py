"""Maskings: which tokens are hidden from the encoder, a dataclass a file. Listing and checking them needs no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from biosig.errors import UsageError
from biosig.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from biosig.batches.packed import PackedBatch


@dataclass(frozen=True)
class Masking(ABC):
    """Rule for hiding patches of the input, one channel for a block of time each; a token here is a patch.

    A masking is a frozen dataclass with a `name`; its fields are the keys of `masking:` in a configuration. It imports
    torch inside `__call__`, so that a configuration can be checked without it.
    """

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, batch: PackedBatch, rng: np.random.Generator) -> Tensor:
        """Draw a mask, shape (N,) bool on the CPU: True = hidden. Only valid tokens are hidden.

        Parameters
        ----------
        batch : PackedBatch
            N tokens of windows of any modalities.
        rng : numpy Generator
            All that is random is drawn from it.
        """


MASKINGS: Registry[type[Masking]] = Registry("masking", "biosig.maskings", __name__)
"""The maskings by name; other packages add theirs through the entry-point group `biosig.maskings`."""


def check_share(name: str, share: float) -> None:
    """Refuse a number that is not a share between 0 and 1.

    Raises
    ------
    UsageError
        If it is 0 or less, or 1 or more.
    """
    if not 0 < share < 1:
        raise UsageError(f"{name} is {share:g}; it must lie between 0 and 1.")
