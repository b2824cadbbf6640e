"""What the input contract needs to know of a stream's channels, worked out once for all windows that share them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import canonical_orientation, channel_id
from biosig.electrodes.frames import head_to_mri
from biosig.electrodes.leads import as_leads
from biosig.electrodes.reve_bank import reve_positions
from biosig.errors import UsageError
from biosig.recording import Channel
from biosig.signal import unit_factor


class UnplacedChannelWarning(UserWarning):
    """A model cannot tell where a channel is."""


@dataclass(frozen=True, slots=True, eq=False)
class Montage:
    """The channels of one modality in a stream, as the model sees them; arrays are shared and read-only.

    Shapes: C channels of the modality.
    """

    rows: list[int]  # which of the stream's channels they are
    ch_names: list[str]
    factor: NDArray[np.float64]  # (C,) from the channels' units to the contract's
    sign: NDArray[np.float32]  # (C,) -1 where the measurement is turned round
    position: NDArray[np.float32]  # (C, 3) after turning, in the contract's frame, NaN = unknown
    reference: NDArray[np.float32]  # (C, 3) after turning, NaN = unknown or none
    channel: NDArray[np.int64]  # (C,) vocabulary id or -1
    placed: NDArray[
        np.bool_
    ]  # (C,) False where the frame has no place for the channel, so that it gives no valid token


def montage(
    channels: tuple[Channel, ...], modality: str, unit: str | None, frame: Literal["head", "mri", "leads"] = "head"
) -> Montage:
    """The montage of a stream with these channels, in `unit` (None = the source's own) and `frame`.

    A warning names ECG and EEG channels without a known position; where `frame` needs one, they are not `placed`.

    Raises
    ------
    UsageError
        If a channel's unit cannot be brought to `unit`.
    """
    key = (id(channels), modality, unit, frame)
    known = _known.get(key)
    if known is None:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        known = _known[key] = (channels, _make(channels, modality, unit, frame))
    return known[1]


MAX_KNOWN = 4096

_known: dict[tuple[int, str, str | None, str], tuple[tuple[Channel, ...], Montage]] = {}
"""By the channels' identity: a shard's windows share them, and hashing 64 takes longer than all else. They are kept
beside what they gave, so that no other tuple takes their id."""


def _make(channels: tuple[Channel, ...], modality: str, unit: str | None, frame: str) -> Montage:
    rows = [row for row, channel in enumerate(channels) if channel.kind == modality]
    members = [channels[row] for row in rows]
    position, reference, sign = _in_template_frame(members) if frame == "mri" else _in_head_frame(members)
    channel = as_leads(members) if frame == "leads" else [channel_id(c) for c in members]
    placed: NDArray[np.bool_] = np.ones(len(members), bool)
    if frame == "mri":
        placed = np.asarray(np.isfinite(position).all(axis=1))
    elif frame == "leads":
        placed, sign = np.array(channel) >= 0, np.ones(len(members), np.float32)
    known: NDArray[np.bool_] = placed
    if frame == "head" and modality != "ppg":
        known = np.asarray(np.isfinite(position).all(axis=1))
    if not known.all():
        _warn_of([c.source_name for c, there in zip(members, known, strict=True) if not there], frame)
    made = Montage(
        rows=rows,
        ch_names=[c.name for c in members],
        factor=np.array([_factor(c, unit) for c in members], np.float64),
        sign=sign,
        position=position,
        reference=reference,
        channel=np.array(channel, np.int64),
        placed=placed,
    )
    for shared in (made.factor, made.sign, made.position, made.reference, made.channel, made.placed):
        shared.flags.writeable = False
    return made


_UNPLACED = {
    "head": "no known position, and the model reads them as from somewhere: correct their names, or give positions",
    "mri": "no known position, so they give no valid token: give positions, or leave them out",
    "leads": "no lead that the model knows, so they give no valid token: give the name of the lead that is nearest, or "
    "leave them out",
}


def _warn_of(names: list[str], frame: str) -> None:
    warnings.warn(f"Channels {', '.join(names[:12])} have {_UNPLACED[frame]}.", UnplacedChannelWarning, stacklevel=4)


def _in_head_frame(members: list[Channel]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Position, reference and sign of channels in their canonical orientation."""
    position = np.array([c.position for c in members], np.float32).reshape(-1, 3)
    reference = np.array([c.reference for c in members], np.float32).reshape(-1, 3)
    sign = canonical_orientation(position, reference).astype(np.float32) if members else np.empty(0, np.float32)
    turned = (sign < 0)[:, None]
    return np.where(turned, reference, position), np.where(turned, position, reference), sign


def _in_template_frame(members: list[Channel]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Position of channels in the frame of MNE's templates, derivations at their midpoint (REVE, appendix C)."""
    position = np.array([c.position for c in members], np.float64).reshape(-1, 3)
    reference = np.array([c.reference for c in members], np.float64).reshape(-1, 3)
    derived = np.isfinite(reference).all(axis=1, keepdims=True)
    centre = head_to_mri(np.where(derived, (position + reference) / 2, position))
    unplaced = ~np.isfinite(centre).all(axis=1)
    if unplaced.any():  # nets and caps that our tables do not have: their names say little outside a REVE model
        names = [c.source_name for c in members]
        centre[unplaced] = reve_positions(names, on_unknown="unplaced")[unplaced]
    place = centre.astype(np.float32)
    return place, np.full_like(place, np.nan), np.ones(len(members), np.float32)


def _factor(channel: Channel, unit: str | None) -> float:
    if unit is None or channel.unit == unit:
        return 1.0
    try:
        return unit_factor(channel.unit, unit)
    except UsageError as error:
        raise UsageError(
            f"Channel '{channel.source_name}' is in '{channel.unit}', the model needs '{unit}': give the unit when "
            f"reading it."
        ) from error
