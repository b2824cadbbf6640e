"""The input contract: what a model's numbers mean, kept with its weights and applied by `prepare`.

Repairing a mismatch between data and contract (resample, rescale, orient) happens here and nowhere else, so that a
window read from a shard, a file on disk and an array from a notebook reach the model by one path.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import canonical_orientation, channel_id
from biosig.errors import UsageError
from biosig.recording import MODALITIES, Recording, Stream
from biosig.signal import bandpass, is_flat, resample, resample_valid, robust_scale, unit_factor


@dataclass(frozen=True)
class InputContract:
    """What one modality must be before it becomes tokens.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    patch_seconds, stride_seconds : float
        Length of a patch, and the step from one patch to the next.
    unit : str or None
        Unit of the physical values; None = the source's own (PPG has no common unit).
    band : tuple of (float or None), optional
        Pass band in Hz (low, high); None = as recorded, up to the anti-alias filter.
    normalisation : {"robust"}
        "robust": minus each channel's mean in the window, over one robust scale per recording and kind, so that the
        ratios between leads survive.
    clip : float
        Normalised values are limited to ± this: an electrode pop must not outweigh everything else.
    window_seconds : float
        Length of the windows that the model was trained on. Shorter ones are fine; longer ones are an extrapolation, of
        which a trained model warns.
    """

    sfreq: float
    patch_seconds: float
    stride_seconds: float
    unit: str | None
    band: tuple[float | None, float | None] | None = None
    normalisation: Literal["robust"] = "robust"
    clip: float = 20.0
    window_seconds: float = 10.0

    @property
    def patch_size(self) -> int:
        """Samples per patch."""
        return round(self.patch_seconds * self.sfreq)

    @property
    def stride(self) -> int:
        """Samples from one patch to the next."""
        return round(self.stride_seconds * self.sfreq)

    def n_patches(self, n_times: int) -> int:
        """Whole patches in `n_times` samples at the contract's rate; a remainder shorter than a patch gives none."""
        return max((n_times - self.patch_size) // self.stride + 1, 0)

    def n_patches_in(self, duration: float) -> int:
        """Whole patches in `duration` seconds."""
        return self.n_patches(round(duration * self.sfreq))


@dataclass(slots=True)
class Prepared:
    """One stream of one window, of one modality, as the contract wants it.

    Shapes: C channels, T samples at the contract's rate.
    """

    modality: str
    values: NDArray[np.float32]  # (C, T), 0 where not valid
    valid: NDArray[np.bool_]  # (C, T)
    position: NDArray[np.float32]  # (C, 3), NaN = unknown
    reference: NDArray[np.float32]  # (C, 3), NaN = unknown or none
    channel: NDArray[np.int64]  # (C,) vocabulary id or -1
    sign: NDArray[np.float32]  # (C,) -1 where the measurement was turned round
    mean: NDArray[np.float32]  # (C,) what was subtracted, in the source's orientation
    scale: float  # what was divided by
    onset: float  # seconds from the window's start to the first sample
    ch_names: list[str]

    @property
    def log_scale(self) -> float:
        """Natural logarithm of the robust scale; 0 where there is none."""
        return math.log(self.scale) if self.scale > 0 else 0.0

    def to_physical(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map normalised values (C, T) back to the source's orientation and the contract's unit."""
        return values * self.scale * self.sign[:, None] + self.mean[:, None]


def prepare(
    window: Recording, contract: Mapping[str, InputContract], window_onset: float | None = None
) -> list[Prepared]:
    """Bring a recording, or a window cropped from one, to a model's input contract.

    Parameters
    ----------
    window : Recording
        What to prepare. `robust_scale` of the recording is used where it has one, else the window's own.
    contract : mapping of modality to InputContract
        What the model wants. Kinds without a modality give no tokens and are left out.
    window_onset : float, optional
        Seconds from the recording's start that count as time 0; default the first sample of the earliest stream.

    Returns
    -------
    list of Prepared
        One per stream and modality, in the recording's order.

    Raises
    ------
    UsageError
        If a channel's unit cannot be brought to the contract's.
    """
    if window_onset is None:
        window_onset = min((stream.onset for stream in window.streams), default=0.0)
    prepared = []
    for modality in MODALITIES:
        if modality not in contract:
            continue
        streams = [_to_rate(stream, contract[modality], window.id) for stream in window.of_kind(modality)]
        if not streams:
            continue
        scale = window.robust_scale.get(modality, math.nan)
        if not scale > 0:
            scale = robust_scale(_stacked(streams))
        for stream, values in streams:
            prepared.append(_normalise(stream, values, scale, modality, contract[modality], window_onset))
    return prepared


def _to_rate(stream: Stream, contract: InputContract, recording: str) -> tuple[Stream, NDArray[np.float32]]:
    """Values (C, T) in the contract's unit, band and rate; NaN where not valid."""
    values = stream.physical()
    factors = [_factor(channel.unit, contract.unit, channel.source_name, recording) for channel in stream.channels]
    if any(factor != 1.0 for factor in factors):
        values = values * np.asarray(factors, np.float32)[:, None]
    # A lead that never moves is an electrode that is off, not a signal of zero. Told before the filters: they ripple.
    values[is_flat(values)] = np.nan
    if contract.band is None and stream.sfreq == contract.sfreq:
        return stream, values
    valid = np.isfinite(values)
    if contract.band is not None:
        values = bandpass(values, stream.sfreq, *contract.band)
    if stream.sfreq != contract.sfreq:
        values = resample(values, stream.sfreq, contract.sfreq)
        valid = resample_valid(valid, stream.sfreq, contract.sfreq)
    return stream, np.where(valid, values, np.float32(np.nan)).astype(np.float32, copy=False)


def _factor(unit: str, wanted: str | None, channel: str, recording: str) -> float:
    if wanted is None or unit == wanted:
        return 1.0
    try:
        return unit_factor(unit, wanted)
    except UsageError as error:
        raise UsageError(
            f"Channel '{channel}' of recording '{recording}' is in '{unit}', the model needs '{wanted}': "
            f"give the unit when reading it."
        ) from error


def _stacked(streams: list[tuple[Stream, NDArray[np.float32]]]) -> NDArray[np.float32]:
    """All channels as (C, T), short streams filled up with NaN, for one scale over all of them."""
    longest = max(values.shape[1] for _, values in streams)
    return np.concatenate(
        [np.pad(values, ((0, 0), (0, longest - values.shape[1])), constant_values=np.nan) for _, values in streams]
    )


def _normalise(
    stream: Stream,
    values: NDArray[np.float32],
    scale: float,
    modality: str,
    contract: InputContract,
    window_onset: float,
) -> Prepared:
    valid = np.isfinite(values)
    usable = scale > 0 and math.isfinite(scale)
    if not usable:
        valid[:] = False
    values = np.where(valid, values, np.float32(0))
    mean = values.sum(axis=1, dtype=np.float64) / np.maximum(valid.sum(axis=1), 1)
    position = np.array([channel.position for channel in stream.channels], np.float32)
    reference = np.array([channel.reference for channel in stream.channels], np.float32)
    sign = canonical_orientation(position, reference).astype(np.float32)
    turned = (sign < 0)[:, None]
    factor = (sign / np.float32(scale))[:, None] if usable else np.float32(0)
    values = np.clip((values - mean[:, None].astype(np.float32)) * factor, -contract.clip, contract.clip)
    return Prepared(
        modality=modality,
        values=np.where(valid, values, np.float32(0)),
        valid=valid,
        position=np.where(turned, reference, position),
        reference=np.where(turned, position, reference),
        channel=np.array([channel_id(channel) for channel in stream.channels], np.int64),
        sign=sign,
        mean=mean.astype(np.float32),
        scale=float(scale) if usable else 0.0,
        onset=stream.onset - window_onset,
        ch_names=stream.ch_names,
    )
