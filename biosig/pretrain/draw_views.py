"""The views of a step: the terms' extras, the mask and the noise, all of them functions of (seed, step)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from biosig.batches.input_contract import InputContract
from biosig.batches.loader import LoadedBatch
from biosig.batches.packed import PackedBatch
from biosig.batches.windows import Windows
from biosig.errors import DataError, UsageError
from biosig.pretrain.augment import Augmentation
from biosig.pretrain.masking import Masking
from biosig.pretrain.masking.position_noise import with_position_noise
from biosig.pretrain.objectives import TermConfig, implementation_of
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.objectives.views import Views
from biosig.pretrain.targets import Targets
from biosig.pretrain.targets.by_person import ByPerson


def draw_views(
    objective: Objective, loaded: LoadedBatch, masking: Masking, stream: Sequence[int], position_noise: float = 0.0
) -> Views:
    """Draw a mask, then noise on the positions, and give the views of a batch.

    Parameters
    ----------
    objective : Objective
        Objective with the encoder and teacher of the views.
    loaded : LoadedBatch
        The loaded batch.
    masking : Masking
        Sees the true positions.
    stream : sequence of int
        Seeds all that is drawn: seed, purpose, step. A second view has a stream of its own below it.
    position_noise : float
        Metres.

    Raises
    ------
    DataError
        If no window of the batch has a valid token.
    """
    if loaded.batch is None:
        raise DataError("None of the windows of a batch has a valid token: leave out such recordings with a query.")
    rng = np.random.default_rng(stream)
    mask = masking(loaded.batch, rng)
    noisy = with_position_noise(loaded.batch, position_noise, rng)
    return objective.views(
        noisy,
        mask,
        lambda: draw_views(objective, loaded, masking, [*stream, 1], position_noise),
    )


@dataclass(frozen=True)
class _TermTransform:
    """Lets terms change a batch and add to it; goes to the loader's workers, where no weights are."""

    terms: tuple[TermConfig, ...]
    stream: tuple[int, ...]
    first: int
    known: Mapping[str, NDArray[Any] | ByPerson]  # by window: its subject, its recording, its targets
    augment: tuple[Augmentation, ...] = ()
    contract: Mapping[str, InputContract] = field(default_factory=dict)  # for the augmentations

    def __call__(self, number: int, batch: PackedBatch, rows: NDArray[np.int64]) -> PackedBatch:
        for place, augmentation in enumerate(self.augment):
            rng = np.random.default_rng([*self.stream, self.first + number, 3, place])
            batch = augmentation(batch, self.contract, rng)
        extras = {name: torch.from_numpy(numbers[rows]) for name, numbers in self.known.items()} | batch.extras
        for place, term in enumerate(self.terms):
            rng = np.random.default_rng([*self.stream, self.first + number, 2, place])
            batch, more = implementation_of(term).augment(term, batch, rng)
            extras |= more
        for term in self.terms:
            absent = [name for name in (*term.extras, *term.targets) if name not in extras]
            if absent:
                raise UsageError(
                    f"The objective {term.name} asks for {', '.join(absent)}; there are {', '.join(extras)}: give it "
                    "in the term's augment."
                )
        return replace(batch, extras=extras)


def term_transform(
    objective: Objective,
    windows: Windows,
    stream: Sequence[int],
    first: int = 0,
    targets: Targets | None = None,
    augment: Sequence[Augmentation] = (),
) -> _TermTransform | None:
    """Transform of loaded batches by the augmentations and the terms of a run; None where there is none.

    Parameters
    ----------
    objective : Objective
        Its terms.
    windows : Windows
        The batch. `extras` has numbers (B,) for the "subject" (-1 = not known) and the "recording" of each.
    stream, first : sequence of int, int
        Seeds the draws, beside the number of the first batch.
    targets : Targets, optional
        Of these windows; `extras` has them by the name of their maker.
    augment : sequence of Augmentation
        Come before the terms.

    Raises
    ------
    UsageError
        If an augmentation is not for the encoder's contract.
    """
    contract = dict(objective.encoder.config.contract)
    for augmentation in augment:
        augmentation.check(contract)
    terms = tuple(term.config for term in objective.terms)
    augments = any(type(term).augment.__func__ is not Term.augment.__func__ for term in objective.terms)  # type: ignore[attr-defined]
    if not augments and not augment and not any(term.extras or term.targets for term in terms):
        return None
    names = np.array(["" if subject is None else str(subject) for subject in windows.subjects], dtype=str)
    subject = np.unique(names, return_inverse=True)[1]
    recording = np.asarray(windows.recording, np.int64)
    known: dict[str, NDArray[Any] | ByPerson] = {"subject": np.where(names == "", -1, subject), "recording": recording}
    if targets is not None:
        source = np.zeros(len(recording), np.int64) if targets.source is None else targets.source
        # who has no name is one person each recording
        person = np.unique(np.where(names == "", -1 - recording, subject), return_inverse=True)[1]
        known |= {**targets.values, "source": source}
        for term in objective.terms:
            known |= term.by_person(targets, person)
    return _TermTransform(terms, tuple(stream), first, known, tuple(augment), contract)
