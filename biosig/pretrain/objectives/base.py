"""The base class of a term, and the abilities that terms may need of a preset.

Shape letters: N tokens of the packed row, B windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from biosig.batches.packed import PackedBatch
from biosig.errors import UsageError
from biosig.layers.lead_positions import LeadCode
from biosig.models.encoder import Encoder, EncoderConfig
from biosig.pretrain.objectives import OBJECTIVES, TermConfig
from biosig.pretrain.objectives.views import Views
from biosig.pretrain.targets import Targets
from biosig.pretrain.targets.by_person import ByPerson

ABILITIES = {
    "channels": "a token for each single channel",
    "times": "a token for each block of time",
    "pooling": "a pooling that can be trained",
    "window token": "a token per window",
    "leads": "learned leads",
    "rates": "a distribution over pulse rates",
}
"""Abilities of a preset that a term may need, in words."""


class Term(nn.Module):
    """One term of an objective. It must not keep the encoder: `Views` brings it.

    Whatever a term keeps from step to step (prototypes, a queue, centroids) is a parameter or a buffer, so that a run
    that was killed goes on to the bit.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, for its sizes.
    config : TermConfig
        The term's keys.

    A term whose configuration names `targets` is given the `biosig.pretrain.targets.Targets` of the training windows
    as a third argument. What it needs of them later is a buffer.
    """

    def __init__(self, encoder: Encoder, config: Any) -> None:  # noqa: ARG002  # for subclasses
        super().__init__()
        self.config = config

    @classmethod
    def augment(
        cls,
        config: Any,  # noqa: ARG003
        batch: PackedBatch,
        rng: np.random.Generator,  # noqa: ARG003
    ) -> tuple[PackedBatch, dict[str, Tensor]]:
        """Change a batch before its mask is drawn, and give the arrays for `Views.extras`.

        It runs in the loader's workers, which have no weights: a function of the configuration and of (seed, step).
        """
        return batch, {}

    def by_person(self, targets: Targets, person: NDArray[np.int64]) -> Mapping[str, ByPerson]:  # noqa: ARG002
        """Further `Views.extras`: facts on the person (n_windows,) that each window is of."""
        return {}

    def forward(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, a scalar, and the scalars that are logged beside it."""
        raise NotImplementedError

    def before_run(self, batches: Iterable[Views]) -> None:
        """Look at batches before the first step, as many as it takes: for the centroids of k-means, or a mean."""

    def after_step(self, step: int, steps: int) -> None:
        """Update the term's state after the optimiser's step 1 … `steps`; random draws in it have their own seed."""

    def named_heads(self) -> Sequence[nn.Module]:
        """Heads to be kept with the weights: modules of `biosig.models.heads`, copies of the trained ones."""
        return ()

    def check(self, before: Mapping[str, float], after: Mapping[str, float]) -> bool:
        """True if the term learns, by its logged values ("loss" …) before and after 30 steps on one repeated batch."""
        return after["loss"] < before["loss"]


def abilities(config: EncoderConfig) -> set[str]:
    """Members of `ABILITIES` that a preset has."""
    found = {"times"} | (set() if config.fused else {"channels"}) | {"window token" if config.cls else "pooling"}
    found |= {"rates"} if config.fused and "ppg" in config.contract else set()
    return found | ({"leads"} if isinstance(config.position, LeadCode) else set())


def check_needs(term: TermConfig, config: EncoderConfig) -> None:
    """Refuse a preset that lacks an ability that a term needs.

    Raises
    ------
    UsageError
        Names the term, the missing ability, and the objectives that the preset is able to.
    """
    unknown = set(term.needs) - set(ABILITIES)
    if unknown:
        raise UsageError(f"The objective {term.name} needs {', '.join(sorted(unknown))}; known are {list(ABILITIES)}.")
    able = abilities(config)
    lacking = [words for ability, words in ABILITIES.items() if ability in term.needs and ability not in able]
    if lacking:
        others = sorted(name for name in OBJECTIVES if set(OBJECTIVES[name].needs) <= able)
        raise UsageError(
            f"The objective {term.name} needs {' and '.join(lacking)}, which '{config.name}' has not: choose another "
            f"preset, or objective {' or '.join(others)}."
        )
