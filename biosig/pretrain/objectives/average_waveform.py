"""Average waveforms as targets: the median beat of twelve leads, also of those that the encoder does not see.

A beat is predicted in mV where its unit is known, and everywhere over its own size. Where augmentations made other
leads of those that were measured, the beat is that of the new leads.

Shape letters: W windows that have a modality, n training windows, L leads, T samples of a beat, E width of the neck.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from biosig.errors import UsageError
from biosig.models.encoder import Encoder
from biosig.pretrain.augment.changes import N_LIMB
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.configs.average_waveform import AverageWaveformConfig
from biosig.pretrain.objectives.neck import Neck, pooled_tokens
from biosig.pretrain.objectives.views import Views
from biosig.pretrain.targets import Targets

LARGEST = 6.0
"""Deviations at which a target is clipped."""

LEAST_MV, LEAST_SHAPE = 0.02, 0.04
"""Deviations, in mV and in shares of a waveform's size, below which a sample counts as not varying."""

FLAT = 0.02
"""Share of the largest lead's size below which a lead is not stretched to its own size."""

MOST_WINDOWS = 4096
"""Training windows, evenly spread, of which mean and deviation are taken."""


class Waveform(nn.Module):
    """A waveform of L lines, predicted in deviations from its mean over training windows.

    Parameters
    ----------
    width : int
        E.
    values : ndarray of float32, shape (n, L, T)
        Of training windows, NaN where not measured.
    least : float
        Smallest deviation.
    """

    centre: Tensor  # (L, T)
    scale: Tensor  # (L, T)

    def __init__(self, width: int, values: NDArray[np.float32], least: float) -> None:
        super().__init__()
        found = np.isfinite(values)
        count = np.maximum(found.sum(0), 1)
        mean = np.where(found, values, 0).sum(0, dtype=np.float64) / count
        square = (np.where(found, values - mean, 0) ** 2).sum(0, dtype=np.float64) / count
        self.register_buffer("centre", torch.from_numpy(mean.astype(np.float32)))
        self.register_buffer("scale", torch.from_numpy(np.sqrt(square).clip(least).astype(np.float32)))
        self.head = nn.Linear(width, self.centre.numel())
        nn.init.normal_(self.head.weight, std=0.01)  # near the mean, where a gradient reaches the encoder

    def forward(self, z: Tensor, target: Tensor, holds: Tensor) -> tuple[Tensor, Tensor]:
        """Huber's loss, the mean over the windows that have a line that holds, and how many these are.

        Parameters
        ----------
        z : Tensor, shape (W, E)
            Of the neck.
        target : Tensor, shape (W, L, T)
            Any number where it does not hold.
        holds : Tensor of bool, shape (W, L)
            True for lines that are measured.
        """
        wanted = ((target - self.centre) / self.scale).clamp(-LARGEST, LARGEST)
        error = F.huber_loss(self.head(z).float().view_as(wanted), wanted, reduction="none").mean(2)  # (W, L)
        own = torch.where(holds, error, 0.0).sum(1) / holds.sum(1).clamp(min=1)  # (W,)
        count = holds.any(1).sum()
        return own.sum() / count.clamp(min=1), count


class Beats(nn.Module):
    """The median beat in mV, where training windows have one, and over its own size.

    Parameters
    ----------
    embed_dim : int
        Of tokens.
    values : ndarray of float32, shape (n, 2, L, T)
        Of training windows, as `MedianBeatTarget` gives them.
    config : AverageWaveformConfig
        The term's keys.
    """

    def __init__(self, embed_dim: int, values: NDArray[np.float32], config: AverageWaveformConfig) -> None:
        super().__init__()
        self.neck = Neck(embed_dim, config.width)
        self.weight = config.shape
        has_unit = np.isfinite(values[:, 0]).any()
        self.millivolts = Waveform(config.width, values[:, 0], LEAST_MV) if has_unit else None
        beat, measured, _ = beats_of(torch.from_numpy(values), None)
        over_size = torch.where(measured[:, :, None], over_own_size(beat), torch.nan).numpy()
        self.shape = Waveform(config.width, over_size, LEAST_SHAPE) if config.shape or not has_unit else None

    def forward(self, pooled: Tensor, extras: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of windows, and its parts."""
        z = self.neck(pooled)
        beat, measured, has_unit = beats_of(extras["median_beat"], extras.get("lead_map"))
        loss, logged = z.new_zeros(()), {}
        if self.millivolts is not None:
            error, _ = self.millivolts(z, beat, measured & has_unit[:, None])
            loss, logged["beat"] = loss + error, error.detach()
        if self.shape is not None:
            error, _ = self.shape(z, over_own_size(beat), measured)
            loss, logged["beat_shape"] = loss + self.weight * error, error.detach()
        return loss, logged


class Pulses(nn.Module):
    """The mean pulse.

    Parameters
    ----------
    embed_dim : int
        Of tokens.
    values : ndarray of float32, shape (n, T)
        Of training windows.
    config : AverageWaveformConfig
        The term's keys.
    """

    def __init__(self, embed_dim: int, values: NDArray[np.float32], config: AverageWaveformConfig) -> None:
        super().__init__()
        self.neck = Neck(embed_dim, config.width)
        self.pulse = Waveform(config.width, values[:, None], LEAST_SHAPE)

    def forward(self, pooled: Tensor, extras: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of windows, and its parts."""
        target = extras["mean_pulse"][:, None]  # (W, 1, T)
        error, _ = self.pulse(self.neck(pooled), target.nan_to_num(), target.isfinite().all(2))
        return error, {"pulse": error.detach()}


class AverageWaveform(Term):
    """Predicts average waveforms from pooled tokens, a neck for each modality. Kinds of waveforms weigh the same.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, for its sizes.
    config : AverageWaveformConfig
        The term's keys.
    targets : Targets
        Of the training windows.

    Raises
    ------
    UsageError
        If no training window has a waveform.
    """

    def __init__(self, encoder: Encoder, config: AverageWaveformConfig, targets: Targets) -> None:
        super().__init__(encoder, config)
        self.parts = nn.ModuleDict()
        makers: dict[str, tuple[str, Any]] = {"ecg": ("median_beat", Beats), "ppg": ("mean_pulse", Pulses)}
        for kind, (name, part) in makers.items():
            values = targets.values[name]
            measured = np.flatnonzero(np.isfinite(values.reshape(len(values), -1)).any(1))
            if kind in encoder.config.contract and len(measured):
                some = measured[np.linspace(0, len(measured) - 1, min(len(measured), MOST_WINDOWS)).astype(np.int64)]
                self.parts[kind] = part(encoder.config.embed_dim, values[some], config)
        if not self.parts:
            raise UsageError(
                "The objective average_waveform finds nothing to teach: no training window has a median beat of ECG or "
                "a mean pulse of PPG that the model reads. Choose other sources, longer windows, or another objective."
            )

    def forward(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum over modalities of the mean loss of the windows that have a waveform."""
        states = views.full()
        loss = states.output.new_zeros((), dtype=torch.float32)
        logged: dict[str, Tensor] = {}
        for kind, part in self.parts.items():
            windows, pooled = pooled_tokens(views, states, kind)
            if len(windows):
                own, parts = part(pooled, {name: extra[windows] for name, extra in views.extras.items()})
                loss, logged = loss + own, logged | parts
        if not loss.requires_grad and torch.is_grad_enabled():  # no window of these modalities
            loss = loss + 0 * sum(parameter.sum() for parameter in self.parameters())
        return loss, logged


def beats_of(target: Tensor, lead_map: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Beats after the leads were changed.

    Parameters
    ----------
    target : Tensor, shape (W, 2, L, T)
        As `MedianBeatTarget` gives them: in mV, or as recorded.
    lead_map : Tensor, shape (W, L, L), optional
        Map from the leads before the change to the leads after it.

    Returns
    -------
    beat : Tensor, shape (W, L, T)
        0 where not measured.
    measured : Tensor of bool, shape (W, L)
        A lead is measured if all leads are that it is made of.
    has_unit : Tensor of bool, shape (W,)
        True if it is in mV.
    """
    has_unit = target[:, 0].isfinite().any(2).any(1)
    beat = torch.where(has_unit[:, None, None], target[:, 0], target[:, 1])
    measured = beat.isfinite().all(2)
    beat = beat.nan_to_num()
    if lead_map is not None:
        lacking = (lead_map != 0).to(beat.dtype) @ (~measured).to(beat.dtype)[:, :, None]
        beat, measured = lead_map @ beat, lacking[:, :, 0] == 0
        beat = beat * measured[:, :, None]
    return beat, measured, has_unit


def over_own_size(beat: Tensor) -> Tensor:
    """Beats (W, L, T) over their size: limb leads over that of the largest, so that their ratios stay, others each."""
    size = beat.amax(2) - beat.amin(2)  # (W, L)
    limb = size[:, :N_LIMB].amax(1, keepdim=True).expand(-1, N_LIMB)
    size = torch.cat((limb, size[:, N_LIMB:]), dim=1)
    least = (FLAT * size.amax(1, keepdim=True)).clamp(min=torch.finfo(beat.dtype).tiny)
    return beat / torch.maximum(size, least)[:, :, None]
