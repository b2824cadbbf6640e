"""`prepare` brings a window to a model's input contract (`biosig.batches.input_contract`).

Repairing a mismatch between data and contract (resample, rescale, orient) happens here and nowhere else, so that a
window read from a shard, a file on disk and an array from a notebook reach the model by one path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from biosig.batches.channel_layout import ChannelLayout, is_unscaled, montage
from biosig.batches.input_contract import InputContract, OnUnknown, with_unknown
from biosig.batches.integer_samples import is_plain, normalise_integers
from biosig.batches.lead_sizes import usual_factors
from biosig.batches.ordered import OrderedContract
from biosig.batches.stepped import SteppedContract
from biosig.errors import UsageError
from biosig.recording import MODALITIES, Recording, Stream
from biosig.signal import (
    bandpass,
    check_rate,
    is_flat,
    neurokit_clean,
    resample,
    resample_valid,
    robust_scale,
    unit_factor,
)


@dataclass(slots=True)
class PreparedStream:
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
    scale: float | NDArray[np.float32]  # what was divided by: one number, or (C,)
    onset: float  # seconds from the window's start to the first sample
    ch_names: list[str]
    scale_known: bool = True  # False where the source is in a unit of its own, so that `scale` says nothing

    @property
    def log_scale(self) -> float:
        """Natural logarithm of the recording's scale; 0 where it has none or each channel its own, NaN if unknown."""
        if not self.scale_known:
            return math.nan
        return math.log(self.scale) if isinstance(self.scale, float) and self.scale > 0 else 0.0

    def to_physical(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map normalised values (C, T) back to the source's orientation and the contract's unit."""
        return values * np.reshape(self.scale, (-1, 1)) * self.sign[:, None] + self.mean[:, None]


MAX_TOKENS = 2**17
"""Tokens of one modality in one window: attention over twice as many takes hours and all memory."""

Room = Callable[[str, int, int], NDArray[np.float32]]
"""Modality, channels and samples → an array (C, T) of any content."""


def _anywhere(modality: str, n_chans: int, n_times: int) -> NDArray[np.float32]:  # noqa: ARG001
    return np.empty((n_chans, n_times), np.float32)


def prepare(
    window: Recording,
    contract: Mapping[str, InputContract],
    window_onset: float | None = None,
    room: Room = _anywhere,
    on_unknown: OnUnknown | None = None,
) -> list[PreparedStream]:
    """Bring a recording, or a window cropped from one, to a model's input contract.

    Parameters
    ----------
    window : Recording
        Its stored `robust_scale` is used where it has one, else the window's own.
    contract : mapping of modality to InputContract
        The model's contract. Kinds without a modality give no tokens and are left out.
    window_onset : float, optional
        Seconds from the recording's start that count as time 0; default the first sample of the earliest stream.
    room : callable, optional
        Gives the arrays to write values to, where that saves a copy; default new ones.
    on_unknown : {"keep", "skip", "raise"}, optional
        Policy for channels of unknown place; default as in the contract.

    Returns
    -------
    list of PreparedStream
        One per stream and modality, in the recording's order.

    Raises
    ------
    UsageError
        If a channel's unit cannot be brought to the contract's, or a channel of unknown place is refused.
    """
    contract = with_unknown(contract, on_unknown)
    if window_onset is None:
        window_onset = min((stream.onset for stream in window.streams), default=0.0)
    prepared: list[PreparedStream] = []
    for modality in MODALITIES:
        wanted = contract.get(modality)
        if wanted is None:
            continue
        parts = [(stream, montage(stream.channels, modality, wanted)) for stream in window.streams]
        parts = [(stream, members) for stream, members in parts if members.rows]
        if not parts:
            continue
        _check_size(window.id, modality, parts, wanted)
        if isinstance(wanted, SteppedContract):
            stepped = _stepped(window, modality, parts, wanted, window_onset)
            prepared += whole_or_none([stepped], wanted)
            continue
        streams = _scaled(window, modality, parts, wanted, window_onset, room)
        prepared += whole_or_none(streams, wanted) if isinstance(wanted, OrderedContract) else streams
    return prepared


def _scaled(
    window: Recording,
    modality: str,
    parts: Sequence[tuple[Stream, ChannelLayout]],
    wanted: InputContract,
    window_onset: float,
    room: Room,
) -> list[PreparedStream]:
    """The streams of one modality in the contract's unit, band and rate, centred and divided by their scale."""
    scale = float(window.robust_scale.get(modality, math.nan))
    plain = [0 < scale < math.inf and is_plain(stream, wanted) for stream, _ in parts]
    done = band_contained(window.band.get(modality), wanted.band)
    physical = {
        i: _to_contract(stream, members, wanted, done) for i, (stream, members) in enumerate(parts) if not plain[i]
    }
    unscaled = any(is_unscaled(stream.channels[row], wanted) for stream, members in parts for row in members.rows)
    if (wanted.normalisation == "robust" or unscaled) and not scale > 0:
        scale = robust_scale(_stacked(physical.values()))
    prepared: list[PreparedStream] = []
    for i, (stream, members) in enumerate(parts):
        n_times = stream.n_times if plain[i] else physical[i].shape[1]
        values = room(modality, len(members.rows), n_times)
        known = scale if 0 < scale < math.inf else 0.0
        divisor: float | NDArray[np.float32] = known
        if plain[i]:
            valid, mean = normalise_integers(stream, members, scale, wanted.clip, out=values)
        else:
            mean, divisor = _centre_and_scale(physical[i], stream, members, wanted, known)
            if unscaled and wanted.normalisation == "constant":
                divisor = known / (wanted.usual_scale or 1.0) * wanted.divisor
                divisor = _by_lead(physical[i], members, wanted, divisor) if modality == "ecg" else divisor
            valid = _normalise(physical[i], members.sign, mean, divisor, wanted.clip, out=values)
        prepared.append(
            PreparedStream(
                modality=modality,
                values=values,
                valid=valid,
                position=members.position,
                reference=members.reference,
                channel=members.channel,
                sign=members.sign,
                mean=mean,
                scale=divisor,
                onset=stream.onset - window_onset,
                ch_names=members.ch_names,
                scale_known=not unscaled,
            )
        )
    return prepared


def _stepped(
    window: Recording,
    modality: str,
    parts: Sequence[tuple[Stream, ChannelLayout]],
    wanted: SteppedContract,
    window_onset: float,
) -> PreparedStream:
    """All channels of a contract with steps, in its order, after the steps.

    Raises
    ------
    UsageError
        If the channels lie in streams of several rates or times, or the steps do not take the rate.
    """
    first = parts[0][0]
    for stream, _ in parts[1:]:
        if (stream.sfreq, stream.n_times, stream.onset) != (first.sfreq, first.n_times, first.onset):
            raise UsageError(
                f"Recording '{window.id}' has {modality.upper()} channels of {first.sfreq:g} and {stream.sfreq:g} Hz, "
                f"or that start at different times, and the model reads all of them at once: bring them to one rate."
            )
    number = np.concatenate([members.channel for _, members in parts])  # (C,)
    order = np.argsort(number, kind="stable")
    values = np.concatenate([in_unit(stream, members) for stream, members in parts])[order]
    done = window.steps_done.get(modality, 0)
    whole = max(int((first.duration + 0.5 / first.sfreq) / wanted.patch_seconds), 1) * wanted.patch_seconds
    values = values[:, : round(whole * first.sfreq)]  # windows may be a sample too long, as MNE's epochs are
    if not done:
        values[is_flat(values)] = np.nan  # an electrode that is off, not a signal of zero
    after = wanted.run(values, first.sfreq, done)
    n_chans = len(order)
    gathered = [np.concatenate([getattr(members, name) for _, members in parts])[order] for name in _PLACE]
    names = [name for _, members in parts for name in members.ch_names]
    return PreparedStream(
        modality=modality,
        values=np.where(after.valid, after.values, 0).astype(np.float32),
        valid=np.ascontiguousarray(after.valid),
        position=gathered[0],
        reference=gathered[1],
        channel=number[order],
        sign=np.ones(n_chans, np.float32),
        mean=np.zeros(n_chans, np.float32),
        scale=1.0,
        onset=first.onset - window_onset,
        ch_names=[names[i] for i in order],
    )


_PLACE = ("position", "reference")


def in_unit(stream: Stream, members: ChannelLayout) -> NDArray[np.float64]:
    """The values of a montage's channels (C, T) in the contract's unit, NaN where not valid."""
    picked = stream.pick(members.rows) if len(members.rows) < stream.n_chans else stream
    return picked.physical() * members.factor[:, None]


def whole_or_none(streams: list[PreparedStream], wanted: OrderedContract) -> list[PreparedStream]:
    """The streams of a window; all samples invalid if the network would not see all channels whole."""
    complete = wanted.missing == "subset" or sum(len(stream.channel) for stream in streams) == len(wanted.ch_names)
    whole = all(stream.valid.all() for stream in streams) and len({stream.values.shape[1] for stream in streams}) == 1
    if wanted.missing == "zeros" or (complete and whole):
        return streams
    return [replace(stream, valid=np.zeros(stream.values.shape, bool)) for stream in streams]


def _check_size(name: str, modality: str, parts: Sequence[tuple[Stream, ChannelLayout]], wanted: InputContract) -> None:
    """Refuse a rate that cannot be, and a window of more tokens than attention can take, before they are made."""
    for stream, members in parts:
        check_rate(modality, stream.sfreq, f"Recording '{name}'")
        n_tokens = len(members.rows) * wanted.n_patches_in(stream.duration)
        if n_tokens > MAX_TOKENS:
            raise UsageError(
                f"A window of {stream.duration:,.0f} s of recording '{name}' at {stream.sfreq:g} Hz has {n_tokens:,} "
                f"tokens of {modality.upper()}, and {MAX_TOKENS:,} is the most that a model reads at once: choose "
                "shorter windows, or correct the sampling rate."
            )


def band_contained(
    band: tuple[float | None, float | None] | None, wanted: tuple[float | None, float | None] | None
) -> bool:
    """True if samples limited to `band` need no filter to be limited to `wanted`."""
    if wanted is None:
        return True
    low, high = band or (None, None)
    return (wanted[0] is None or (low or 0) >= wanted[0]) and (wanted[1] is None or (high or math.inf) <= wanted[1])


def _to_contract(stream: Stream, members: ChannelLayout, contract: InputContract, in_band: bool) -> NDArray[np.float32]:
    """Values (C, T) in the contract's unit, band and rate; NaN where not valid."""
    if len(members.rows) < stream.n_chans:
        stream = stream.pick(members.rows)
    values = stream.physical()
    if (members.factor != 1.0).any():
        values = values * members.factor.astype(np.float32)[:, None]
    # A lead that never moves is an electrode that is off, not a signal of zero. Found before the filters: they ripple.
    values[is_flat(values) | ~members.placed] = np.nan
    if in_band and stream.sfreq == contract.sfreq and contract.cleaning == "none":
        return values
    valid = np.isfinite(values)
    if not in_band and contract.band is not None:
        values = limit_band(values, stream.sfreq, contract.band)
    if stream.sfreq != contract.sfreq:
        values = resample(values, stream.sfreq, contract.sfreq)
        valid = resample_valid(valid, stream.sfreq, contract.sfreq)
    if contract.cleaning == "neurokit":
        values = neurokit_clean(np.where(valid, values, np.float32(np.nan)), contract.sfreq, stream.channels[0].kind)
    return np.where(valid, values, np.float32(np.nan)).astype(np.float32, copy=False)


def limit_band(
    values: NDArray[np.float32], sfreq: float, band: tuple[float | None, float | None]
) -> NDArray[np.float32]:
    """Values (C, T) within `band` (Hz); an upper edge that half the rate does not reach needs no filter."""
    low, high = band
    if high is not None and high >= sfreq / 2:
        high = None
    return values if low is None and high is None else bandpass(values, sfreq, low, high)


def _centre_and_scale(
    physical: NDArray[np.float32], stream: Stream, members: ChannelLayout, contract: InputContract, scale: float
) -> tuple[NDArray[np.float32], float | NDArray[np.float32]]:
    """Offset to subtract from each channel (C,), and divisor: one number or (C,)."""
    if contract.normalisation == "constant":
        return np.zeros(len(physical), np.float32), contract.divisor
    if contract.normalisation == "zscore" and stream.moments is not None:
        mean, deviation = (stream.moments[members.rows] * members.factor[:, None]).T  # (C,), (C,)
        return mean.astype(np.float32), np.abs(deviation).astype(np.float32)
    valid = np.isfinite(physical)
    count = np.maximum(valid.sum(axis=1), 1)
    mean = np.where(valid, physical, np.float32(0)).sum(axis=1, dtype=np.float64) / count
    if contract.normalisation == "robust":
        return mean.astype(np.float32), scale
    squares = np.where(valid, physical - mean[:, None], 0.0) ** 2
    return mean.astype(np.float32), np.sqrt(squares.sum(axis=1) / count).astype(np.float32)


def _by_lead(
    physical: NDArray[np.float32], members: ChannelLayout, contract: InputContract, divisor: float
) -> float | NDArray[np.float32]:
    """Divisor of each lead (C,), where leads have lost their ratios; else one for all."""
    factors = usual_factors(physical, members.ch_names, contract.sfreq)
    if factors is None:
        return divisor
    own = contract.divisor / (factors * unit_factor("mV", contract.unit or "mV"))
    return np.where(np.isfinite(own), own, divisor).astype(np.float32)


def _normalise(
    physical: NDArray[np.float32],
    sign: NDArray[np.float32],
    mean: NDArray[np.float32],
    divisor: float | NDArray[np.float32],
    clip: float,
    out: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Write normalised values (C, T) to `out`; gives which are real (C, T)."""
    divisors = np.broadcast_to(np.asarray(divisor, np.float32), sign.shape)
    usable = (divisors > 0) & (divisors < np.inf)
    valid = np.isfinite(physical) & usable[:, None]
    factor = np.divide(sign, divisors, out=np.zeros_like(sign), where=usable)
    values = np.where(valid, physical, np.float32(0))
    values = np.clip((values - mean[:, None]) * factor[:, None], -clip, clip)
    out[...] = np.where(valid, values, np.float32(0))
    return valid


def _stacked(parts: Collection[NDArray[np.float32]]) -> NDArray[np.float32]:
    """All channels as (C, T), short streams filled up with NaN, for one scale over all of them."""
    longest = max((values.shape[1] for values in parts), default=0)
    filled = [np.pad(x, ((0, 0), (0, longest - x.shape[1])), constant_values=np.nan) for x in parts]
    return np.concatenate(filled) if filled else np.empty((0, 0), np.float32)
