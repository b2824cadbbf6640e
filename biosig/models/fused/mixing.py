"""Channels to a fixed number of virtual channels, by where their electrodes are.

A channel measures the difference of potential between two places. Turned round, with its samples negated, it is the
same measurement, and gives the same here. The weights are computed and not learned, so every montage has some; what a
montage does not reach has little `nearness`, by which virtual channels are multiplied.

Shape letters: b windows, C channels, K virtual channels, T samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from biosig.electrodes import make_channel
from biosig.models.fused.widths import SITES

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LEAD_WIDTH, LEAD_REACH = 0.015, 0.03
"""Metres: chest electrodes are 0.04 apart. At the width a lead's weight has fallen to 0.6 of a nearer one's, and at the
reach a missing lead is believed to 0.6."""

SITE_WIDTH, SITE_REACH = 0.025, 0.035
"""Metres: a quarter and a third of a head's radius."""


class Weights(NamedTuple):
    """Weights of virtual channels: the sum of `signed` · x over the sum of `mass`, and the belief in it."""

    signed: Tensor  # (b, K, C)
    mass: Tensor  # (b, K, C) not negative
    nearness: Tensor  # (b, K, C) not negative; their sum is cut at 1


class Mixing(nn.Module, ABC):
    """Weights from places; `n_virtual` channels come out of `forward`."""

    n_virtual: int

    @abstractmethod
    def weights(self, position: Tensor, reference: Tensor) -> Weights:
        """Weights of channels at places (b, C, 3) in metres, NaN = unknown."""

    def forward(
        self, values: Tensor, weight: Tensor | None, position: Tensor, reference: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Virtual channels and how much they are believed.

        Parameters
        ----------
        values : Tensor, shape (b, C, T)
            Zero where a sample does not count.
        weight : Tensor, shape (b, C, T), optional
            0 where a sample does not count, else 1; None = all count.
        position, reference : Tensor, shape (b, C, 3)
            Places.

        Returns
        -------
        Tensor, shape (b, K, T)
            Virtual channels, multiplied by the belief.
        Tensor, shape (b, K, T), or (b, K, 1) without `weight`
            Belief, 0 to 1.
        """
        w = self.weights(position, reference)
        if weight is None:
            mass, belief = w.mass.sum(dim=2, keepdim=True), w.nearness.sum(dim=2, keepdim=True)  # (b, K, 1)
        else:
            mass, belief = w.mass @ weight, w.nearness @ weight  # (b, K, T)
        belief = belief.clamp(max=1.0)
        share = belief / mass.clamp(min=torch.finfo(mass.dtype).tiny)
        mixed = (w.signed * share) @ values if weight is None else (w.signed @ values) * share
        return self.finish(mixed, belief)

    def finish(self, mixed: Tensor, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Derive further virtual channels; here none."""
        return mixed, belief


class LeadMixing(Mixing):
    """ECG: the twelve leads, the three axes of the body, and channels of unknown place.

    A lead takes from the channels whose two ends are near its own. Leads far from all twelve (Frank's, a Holter's) show
    on the axes: the mean of the channels, each weighted by the cosine between the line of its electrodes and the axis.
    """

    ends: Tensor
    n_virtual = len(LEADS) + 4

    def __init__(self) -> None:
        super().__init__()
        channels = [make_channel(name, "mV", "ecg") for name in LEADS]
        self.register_buffer("ends", torch.tensor([[c.position, c.reference] for c in channels]), persistent=False)

    def weights(self, position: Tensor, reference: Tensor) -> Weights:
        """As in `Mixing`."""
        placed, referred = _known(position), _known(position) & _known(reference)  # (b, C)
        to_plus, to_minus = self.ends[:, 0], self.ends[:, 1]  # (12, 3), (12, 3)
        at, back = position.nan_to_num(), reference.nan_to_num()
        # Where only the positive electrode is known it alone decides.
        along = _squares(to_plus, at) + _squares(to_minus, back) * referred[:, None]  # (b, 12, C) m²
        along = along.masked_fill(~placed[:, None], torch.inf)
        turned = (_squares(to_plus, back) + _squares(to_minus, at)).masked_fill(~referred[:, None], torch.inf)
        same, opposite = _relative(along, turned, LEAD_WIDTH)
        near = _kernel(along, LEAD_REACH) + _kernel(turned, LEAD_REACH)
        line = (at - back) * referred[..., None]
        axes = (line / line.norm(dim=2, keepdim=True).clamp(min=1e-9)).transpose(1, 2)  # (b, 3, C)
        unknown = (~placed).to(axes.dtype)[:, None]  # (b, 1, C)
        return Weights(
            torch.cat((same - opposite, axes, unknown), dim=1),
            torch.cat((same + opposite, axes.abs(), unknown), dim=1),
            torch.cat((near, axes.abs(), unknown), dim=1),
        )


class SiteMixing(Mixing):
    """EEG: sixteen sites, each also minus the mean of all, and channels of unknown place.

    A site takes from the electrodes near it, and with a minus from the references near it. The sites' mean is weighted
    by how much each is believed; what remains after it has no common reference.
    """

    sites: Tensor
    n_virtual = 2 * len(SITES) + 1

    def __init__(self) -> None:
        super().__init__()
        places = torch.tensor([make_channel(name, "uV", "eeg").position for name in SITES])
        self.register_buffer("sites", places, persistent=False)

    def weights(self, position: Tensor, reference: Tensor) -> Weights:
        """As in `Mixing`, of the sites and the unknown."""
        placed, referred = _known(position), _known(position) & _known(reference)
        to_plus = _squares(self.sites, position).masked_fill(~placed[:, None], torch.inf)  # (b, 16, C) m²
        to_minus = _squares(self.sites, reference).masked_fill(~referred[:, None], torch.inf)
        plus, minus = _relative(to_plus, to_minus, SITE_WIDTH)
        near = _kernel(to_plus, SITE_REACH) + _kernel(to_minus, SITE_REACH)
        unknown = (~placed).to(near.dtype)[:, None]  # (b, 1, C)
        return Weights(
            torch.cat((plus - minus, unknown), dim=1),
            torch.cat((plus + minus, unknown), dim=1),
            torch.cat((near, unknown), dim=1),
        )

    def finish(self, mixed: Tensor, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Sites, sites minus their mean, and the unknown."""
        n = len(SITES)
        sites, believed = mixed[:, :n], belief[:, :n]
        mean = sites.sum(dim=1, keepdim=True) / believed.sum(dim=1, keepdim=True).clamp(min=1e-6)  # (b, 1, T)
        mixed = torch.cat((sites, sites - mean * believed, mixed[:, n:]), dim=1)
        return mixed, torch.cat((believed, believed, belief[:, n:]), dim=1)


class MeanMixing(Mixing):
    """PPG: the mean of all channels, which see one pulse from places that names hardly tell."""

    n_virtual = 1

    def weights(self, position: Tensor, reference: Tensor) -> Weights:  # noqa: ARG002
        """As in `Mixing`."""
        one = position.new_ones(position.shape[:2])[:, None]  # (b, 1, C)
        return Weights(one, one, one)


MIXINGS: dict[str, type[Mixing]] = {"ecg": LeadMixing, "ppg": MeanMixing, "eeg": SiteMixing}
"""By modality."""


def _known(place: Tensor) -> Tensor:
    return place.isfinite().all(dim=2)


def _squares(to: Tensor, place: Tensor) -> Tensor:
    """Squared distances (b, K, C) of places (b, C, 3) to K others."""
    return (to[None, :, None] - place[:, None]).square().sum(dim=3)


def _kernel(squares: Tensor, width: float) -> Tensor:
    return (-squares / (2 * width**2)).exp()


def _relative(one: Tensor, other: Tensor, width: float) -> tuple[Tensor, Tensor]:
    """Two kernels (b, K, C) relative to the nearest channel of either, which so has 1 however far it is."""
    nearest = torch.minimum(one, other).amin(dim=2, keepdim=True)
    nearest = torch.where(nearest.isfinite(), nearest, 0.0)
    return _kernel(one - nearest, width), _kernel(other - nearest, width)
