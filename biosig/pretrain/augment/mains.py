"""Mains hum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from biosig.errors import UsageError
from biosig.pretrain.augment import AUGMENTATIONS, Augmentation, check_positive, check_probability
from biosig.pretrain.augment.lines import Lines
from biosig.pretrain.augment.noise import usual_size

if TYPE_CHECKING:
    from biosig.batches.input_contract import InputContract
    from biosig.batches.packed import PackedBatch

_FREQUENCIES = (50.0, 60.0)


@AUGMENTATIONS.register
@dataclass(frozen=True)
class Mains(Augmentation):
    """Hum of 50 or 60 Hz, of one phase in a window and of another size in each of its channels.

    A modality whose band ends below, or that is sampled too slowly, stays as it is: the input contract takes hum out.

    Parameters
    ----------
    share : float
        Of the windows that get it.
    most : float
        The largest amplitude, as a share of the recording's robust scale.
    """

    name: ClassVar[str] = "mains"
    share: float = 0.2
    most: float = 0.5

    def __post_init__(self) -> None:
        check_probability("mains.share", self.share)
        check_positive("mains.most", self.most)

    def check(self, contract: Mapping[str, InputContract]) -> None:
        """Refuse a model that sees no hum.

        Raises
        ------
        UsageError
            If no modality reaches 50 Hz.
        """
        if not any(_carried(wanted) for wanted in contract.values()):
            ends = ", ".join(f"{modality.upper()} {_edge(wanted):g} Hz" for modality, wanted in contract.items())
            raise UsageError(
                f"The augmentation mains adds hum of {_FREQUENCIES[0]:g} Hz and more, and this model sees none of it "
                f"(up to {ends}): leave mains out of augment."
            )

    def __call__(
        self, batch: PackedBatch, contract: Mapping[str, InputContract], rng: np.random.Generator
    ) -> PackedBatch:
        """The batch with hum."""
        import torch

        patches = dict(batch.patches)
        for modality, values in batch.patches.items():
            wanted = contract[modality]
            possible = _carried(wanted)
            lines = Lines.of(batch, modality, wanted)
            if not possible or not len(lines):
                continue
            drawn = rng.random(batch.n_windows) < self.share
            frequency, phase = rng.choice(possible, batch.n_windows), 2 * np.pi * rng.random(batch.n_windows)
            size = self.most * usual_size(wanted) * rng.random(len(lines)) ** 2 * drawn[lines.window]  # (n,)
            window = lines.window[lines.line]  # (N_m,)
            time = lines.begins[:, None] + np.arange(wanted.patch_size) / wanted.sfreq  # (N_m, P_m) s
            hum = np.sin(2 * np.pi * frequency[window, None] * time + phase[window, None]) * size[lines.line, None]
            patches[modality] = values + torch.from_numpy(hum.astype(np.float32)) * batch.sample_valid[modality]
        return replace(batch, patches=patches)


def _edge(contract: InputContract) -> float:
    """Hz that the samples reach."""
    high = contract.band[1] if contract.band else None
    return min(high or np.inf, contract.sfreq / 2)


def _carried(contract: InputContract) -> list[float]:
    """The frequencies of hum that the samples of a modality can hold."""
    return [frequency for frequency in _FREQUENCIES if frequency < _edge(contract)]
