"""Other hearts and other electrodes: mixtures of the twelve leads of an ECG.

Limb leads are seen as one vector in the frontal plane, which is turned and scaled; chest electrodes are shifted along
their row and each has a gain of its own. The constants are those of trials on recordings in mV.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig.pretrain.augment import AUGMENTATIONS, Augmentation, check_probability
from biosig.pretrain.augment.changes import LEADS, N_LIMB, with_changes
from biosig.pretrain.augment.lines import Lines

if TYPE_CHECKING:
    from biosig.batches.input_contract import InputContract
    from biosig.batches.packed import PackedBatch

ANGLE, SIZE = 0.45, 0.25
"""Deviations of the frontal turn, in radians, and of its gain's logarithm."""

SHIFT, CHEST_SIZE, LEAD_SIZE = 0.5, 0.2, 0.12
"""Deviations of the chest electrodes' shift, in gaps between them; of the logarithm of their gain; of each one's."""

_LEAST = 0.3  # of the weights that a shifted electrode's is made of, by which they are divided


_TOGETHER = 1e-4  # s by which patches of leads may differ, for the rounding of their centres


def draw_lead_map(rng: np.random.Generator) -> NDArray[np.float64]:
    """A random map (12, 12) from leads to leads.

    Limb leads hang on I and II alone, and remain sums of each other (Einthoven 1913; Goldberger 1942); an electrode
    between two places sees what lies between the two.
    """
    lead_map = np.zeros((len(LEADS), len(LEADS)))
    angle, gain = ANGLE * rng.standard_normal(), np.exp(SIZE * rng.standard_normal())
    # II lies 60 degrees from I: with I = x, II = x / 2 + y * sqrt(3) / 2
    to_plane = np.array([[1.0, 0.0], [-1 / np.sqrt(3), 2 / np.sqrt(3)]])
    turn = gain * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    one, two = np.linalg.inv(to_plane) @ turn @ to_plane
    lead_map[:N_LIMB, :2] = one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2
    n = len(LEADS) - N_LIMB
    place = np.arange(n) + SHIFT * rng.standard_normal()
    weight = np.maximum(1 - np.abs(place[:, None] - np.arange(n)), 0.0)
    weight[0, 0] += max(-place[0], 0.0)  # beyond the row's ends the last electrode stands in
    weight[-1, -1] += max(place[-1] - (n - 1), 0.0)
    size = np.exp(CHEST_SIZE * rng.standard_normal() + LEAD_SIZE * rng.standard_normal(n))
    lead_map[N_LIMB:, N_LIMB:] = weight / np.maximum(weight.sum(1, keepdims=True), _LEAST) * size[:, None]
    return lead_map


@AUGMENTATIONS.register
@dataclass(frozen=True)
class LeadMix(Augmentation):
    """Windows of twelve leads as of another heart, by `draw_lead_map`; where the unit is unknown the limb leads alone.

    A window that lacks a lead, or a sample of one, stays as it is. `changed` tells that amplitudes and leads are
    others, and `lead_map` how.

    Parameters
    ----------
    share : float
        Of the windows with twelve leads that are mixed.
    """

    name: ClassVar[str] = "lead_mix"
    share: float = 0.3

    def __post_init__(self) -> None:
        check_probability("lead_mix.share", self.share)

    def __call__(
        self, batch: PackedBatch, contract: Mapping[str, InputContract], rng: np.random.Generator
    ) -> PackedBatch:
        """The batch with leads mixed."""
        import torch

        if "ecg" not in batch.patches:
            return batch
        wanted = contract["ecg"]
        lines = Lines.of(batch, "ecg", wanted)
        values, real = batch.patches["ecg"].clone(), batch.sample_valid["ecg"]
        sign = signs(wanted.frame)
        lead_map = np.tile(np.eye(len(LEADS)), (batch.n_windows, 1, 1))
        mixed = np.zeros(batch.n_windows, bool)
        for window in np.unique(lines.window).tolist():
            if rng.random() >= self.share:
                continue
            drawn = draw_lead_map(rng)
            rows = _standard_rows(lines, window)
            if rows is None or not bool(real[rows.ravel()].all()):
                continue
            if not lines.scale_known[lines.window == window].all():
                drawn[N_LIMB:, N_LIMB:] = np.eye(len(LEADS) - N_LIMB)
            ways = torch.from_numpy((sign[:, None] * drawn * sign).astype(np.float32))
            at = torch.from_numpy(rows)
            values[at] = torch.einsum("ij,jhp->ihp", ways, values[at])
            lead_map[window], mixed[window] = drawn, True
        return with_changes(replace(batch, patches={**batch.patches, "ecg": values}), mixed, mixed, lead_map)


def _standard_rows(lines: Lines, window: int) -> NDArray[np.int64] | None:
    """Rows among the ECG's patches of each standard lead of a window, (12, H); None where the window lacks one."""
    own = np.flatnonzero(lines.window == window)
    where = {int(lines.channel[line]): line for line in own.tolist()}
    if not all(lead in where for lead in range(len(LEADS))):
        return None
    lead = np.array([where[number] for number in range(len(LEADS))])
    starts, stops = np.searchsorted(lines.line, lead), np.searchsorted(lines.line, lead + 1)
    if len(set((stops - starts).tolist())) > 1:
        return None
    rows = starts[:, None] + np.arange(stops[0] - starts[0])
    begins = lines.begins[rows]  # (12, H)
    return rows if np.abs(begins - begins[0]).max() < _TOGETHER else None


@cache
def signs(frame: str) -> NDArray[np.float64]:
    """Signs of the standard leads (12,) in an input contract's frame: −1 where one is turned round."""
    from biosig.electrodes import canonical_orientation, make_channel

    if frame != "head":
        return np.ones(len(LEADS))
    channels = [make_channel(name, "mV", "ecg") for name in LEADS]
    position, reference = (np.array([getattr(c, key) for c in channels]) for key in ("position", "reference"))
    return np.where(canonical_orientation(position, reference) < 0, -1.0, 1.0)
