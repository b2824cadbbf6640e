"""Random subsets of the channels that were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig.pretrain.augment import AUGMENTATIONS, Augmentation, check_probability
from biosig.pretrain.augment.changes import LEADS
from biosig.pretrain.augment.lines import Lines, kept

if TYPE_CHECKING:
    from biosig.batches.input_contract import InputContract
    from biosig.batches.packed import PackedBatch

_USUAL = ((0.25, ("II",)), (0.15, ("I", "II")), (0.1, ("I",)))
"""Shares of single leads that are left of an ECG: those of monitors, of two electrodes more, and of watches."""

_MOST_LEADS = 9
"""Of any others."""

_CAPS = (1, 2, 4, 8, 14, 19, 32)
"""Electrodes of usual headsets and caps."""


@AUGMENTATIONS.register
@dataclass(frozen=True)
class Channels(Augmentation):
    """A random subset of the channels of ECG and of EEG; the others are as if they had not been recorded.

    Of an ECG half of the subsets are what monitors and watches have (II; I and II; I), the others any one to nine; of
    an EEG they are as large as headsets and caps are. Where `lead_mix` stands in the same list, it comes first: it
    needs all leads.

    Parameters
    ----------
    share : float
        Of the windows with two channels or more that lose some.
    """

    name: ClassVar[str] = "channels"
    share: float = 0.5

    def __post_init__(self) -> None:
        check_probability("channels.share", self.share)

    def __call__(
        self, batch: PackedBatch, contract: Mapping[str, InputContract], rng: np.random.Generator
    ) -> PackedBatch:
        """The batch without the channels that are left out."""
        keep = np.ones(batch.n_tokens, bool)
        for modality, choose in (("ecg", _leads), ("eeg", _electrodes)):
            if modality not in batch.patches:
                continue
            lines = Lines.of(batch, modality, contract[modality])
            stays = np.ones(len(lines), bool)
            for window in np.unique(lines.window):
                own = np.flatnonzero(lines.window == window)
                usable = own[lines.valid[own]]
                if len(usable) > 1 and rng.random() < self.share:
                    stays[own] = False
                    stays[usable[choose(lines.channel[usable], rng)]] = True
            keep[lines.rows] = stays[lines.line]
        return kept(batch, keep)


def _leads(channel: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw the leads, of those with these vocabulary ids, that are left."""
    drawn, passed = rng.random(), 0.0
    for probability, names in _USUAL:
        passed += probability
        wanted = [LEADS.index(name) for name in names]
        if drawn < passed and np.isin(wanted, channel).all():
            return np.flatnonzero(np.isin(channel, wanted))
    return rng.permutation(len(channel))[: rng.integers(1, min(_MOST_LEADS, len(channel) - 1) + 1)]


def _electrodes(channel: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw the electrodes that are left."""
    sizes = [size for size in _CAPS if size < len(channel)]
    return rng.permutation(len(channel))[: rng.choice(sizes)]
