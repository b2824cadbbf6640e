"""Random gains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from biosig.pretrain.augment import AUGMENTATIONS, Augmentation, check_positive, check_probability
from biosig.pretrain.augment.changes import LEADS, N_LIMB, with_changes
from biosig.pretrain.augment.lines import Lines

if TYPE_CHECKING:
    from biosig.batches.input_contract import InputContract
    from biosig.batches.packed import PackedBatch


@AUGMENTATIONS.register
@dataclass(frozen=True)
class Gain(Augmentation):
    """A random gain: one for each recording, and where its unit is unknown one for each lead of an ECG.

    Limb leads share one also then, so that they remain sums of each other. `changed` tells that amplitudes are others,
    and `lead_map` what the leads were multiplied by.

    Parameters
    ----------
    share : float
        Of the windows whose unit is known that get one; of those whose unit is unknown, all do.
    deviation : float
        Of the gain's logarithm, where the unit is known.
    lead_deviation : float
        The same where it is unknown.
    """

    name: ClassVar[str] = "gain"
    share: float = 0.3
    deviation: float = 0.2
    lead_deviation: float = 0.3

    def __post_init__(self) -> None:
        check_probability("gain.share", self.share)
        check_positive("gain.deviation", self.deviation)
        check_positive("gain.lead_deviation", self.lead_deviation)

    def __call__(
        self, batch: PackedBatch, contract: Mapping[str, InputContract], rng: np.random.Generator
    ) -> PackedBatch:
        """The batch with gains."""
        import torch

        patches, (amplitude, balance) = dict(batch.patches), np.zeros((2, batch.n_windows), bool)
        lead_map = np.tile(np.eye(len(LEADS)), (batch.n_windows, 1, 1))
        for modality in batch.patches:
            lines = Lines.of(batch, modality, contract[modality])
            drawn = rng.random(batch.n_windows) < self.share
            one = np.where(drawn, np.exp(self.deviation * rng.standard_normal(batch.n_windows)), 1.0)
            gain = np.repeat(one[:, None], len(LEADS) + 1, axis=1)  # (B, 13), the last for other channels
            if not lines.scale_known.all():
                unknown = np.zeros(batch.n_windows, bool)
                unknown[lines.window[~lines.scale_known]] = True
                by_lead = np.exp(self.lead_deviation * rng.standard_normal(gain.shape))
                by_lead[:, :N_LIMB] = by_lead[:, :1]
                gain, drawn = np.where(unknown[:, None], by_lead, gain), drawn | unknown
                balance |= unknown
            present = np.zeros(batch.n_windows, bool)
            present[lines.window] = True
            amplitude |= present & drawn
            is_lead = (modality == "ecg") & (lines.channel >= 0) & (lines.channel < len(LEADS))
            if modality == "ecg":
                lead_map[present] *= gain[present, : len(LEADS), None]
            gain = gain[lines.window, np.where(is_lead, lines.channel, len(LEADS))][lines.line]  # (N_m,)
            patches[modality] = batch.patches[modality] * torch.from_numpy(gain.astype(np.float32))[:, None]
        return with_changes(replace(batch, patches=patches), amplitude, lead_map=lead_map, balance=balance)
