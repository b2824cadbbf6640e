"""White noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from biosig.pretrain.augment import AUGMENTATIONS, Augmentation, check_positive
from biosig.pretrain.augment.lines import Lines

if TYPE_CHECKING:
    from biosig.batches.input_contract import InputContract
    from biosig.batches.packed import PackedBatch


@AUGMENTATIONS.register
@dataclass(frozen=True)
class Noise(Augmentation):
    """White noise of another size in each window, mostly small: its deviation is `most` times a squared share.

    Parameters
    ----------
    most : float
        The largest deviation, as a share of the recording's robust scale; 0.15 of the usual ECG is 0.03 mV.
    """

    name: ClassVar[str] = "noise"
    most: float = 0.15

    def __post_init__(self) -> None:
        check_positive("noise.most", self.most)

    def __call__(
        self, batch: PackedBatch, contract: Mapping[str, InputContract], rng: np.random.Generator
    ) -> PackedBatch:
        """The batch with noise; a sample that lies in two patches gets the same in both."""
        import torch

        patches = dict(batch.patches)
        for modality, values in batch.patches.items():
            wanted = contract[modality]
            lines = Lines.of(batch, modality, wanted)
            if not len(lines):
                continue
            size = self.most * usual_size(wanted) * rng.random(batch.n_windows) ** 2  # (B,)
            start = np.round(lines.begins * wanted.sfreq).astype(np.int64)  # (N_m,)
            start -= start.min()
            n_times = int(start.max()) + wanted.patch_size
            drawn = rng.standard_normal((len(lines), n_times), np.float32)
            drawn *= size[lines.window, None].astype(np.float32)
            at = (lines.line * n_times + start)[:, None] + np.arange(wanted.patch_size)
            noise = torch.from_numpy(drawn.ravel()[at])
            patches[modality] = values + noise * batch.sample_valid[modality]
        return replace(batch, patches=patches)


def usual_size(contract: InputContract) -> float:
    """The robust scale in normalised values: 1 where they are multiples of it, else the usual one."""
    if contract.normalisation != "constant" or contract.usual_scale is None:
        return 1.0
    return contract.usual_scale / contract.divisor
