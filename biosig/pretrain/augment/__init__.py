"""Augmentations: how the windows of a step differ from those that were measured, a dataclass a file.

They change signals while the targets of a run stay those of the recording: what a target must know of the change lies
in the batch's `extras` (`biosig.pretrain.augment.changes`). Listing and checking them needs no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from biosig.errors import UsageError
from biosig.registry import Registry

if TYPE_CHECKING:
    from biosig.batches.input_contract import InputContract
    from biosig.batches.packed import PackedBatch


@dataclass(frozen=True)
class Augmentation(ABC):
    """A random change of training windows.

    An augmentation is a frozen dataclass with a `name`; its fields are the keys of an entry of `augment:` in a
    configuration. It imports torch inside `__call__`, so that a configuration can be checked without it.
    """

    name: ClassVar[str]

    @abstractmethod
    def __call__(
        self, batch: PackedBatch, contract: Mapping[str, InputContract], rng: np.random.Generator
    ) -> PackedBatch:
        """The batch with its windows changed; the one that is given stays as it is.

        Parameters
        ----------
        batch : PackedBatch
            On the CPU. Each window has a valid token, and keeps one.
        contract : mapping of modality to InputContract
            Contract that the batch was made for.
        rng : numpy Generator
            All that is random is drawn from it.
        """

    def check(self, contract: Mapping[str, InputContract]) -> None:  # noqa: B027  # most go with any model
        """Refuse a model whose windows cannot be changed so.

        Raises
        ------
        UsageError
            With the reason and the remedy.
        """


AUGMENTATIONS: Registry[type[Augmentation]] = Registry("augmentation", "biosig.augmentations", __name__)
"""The augmentations by name; other packages add theirs through the entry-point group `biosig.augmentations`."""


def check_probability(name: str, share: float) -> None:
    """Refuse a number that is not a share above 0.

    Raises
    ------
    UsageError
        If it is 0 or less, or more than 1.
    """
    if not 0 < share <= 1:
        raise UsageError(f"{name} is {share:g}; it is a share of the windows: above 0, and at most 1.")


def check_positive(name: str, value: float) -> None:
    """Refuse a size that is not positive.

    Raises
    ------
    UsageError
        If it is 0 or less, or not finite.
    """
    if not 0 < value < np.inf:
        raise UsageError(f"{name} is {value:g}; it must be positive: leave the augmentation out to have none.")
