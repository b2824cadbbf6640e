"""Channels of a stream as the input contract needs them, worked out once for all windows that share them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biosig.batches.input_contract import InputContract, OnUnknown
from biosig.batches.ordered import OrderedContract
from biosig.electrodes import canonical_orientation, channel_id
from biosig.electrodes.frames import head_to_mri
from biosig.electrodes.leads import as_leads
from biosig.electrodes.reve_bank import reve_positions
from biosig.errors import UsageError
from biosig.given import remedy
from biosig.recording import Channel
from biosig.signal import unit_factor
from biosig.signal.units import si_size


class UnplacedChannelWarning(UserWarning):
    """A model cannot tell where a channel is."""


@dataclass(frozen=True, slots=True, eq=False)
class ChannelLayout:
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


def montage(channels: tuple[Channel, ...], modality: str, contract: InputContract) -> ChannelLayout:
    """The montage of a stream with these channels, as the contract of a modality wants it.

    A warning names ECG and EEG channels of unknown place. Where the contract skips them they are no `rows`; where they
    are kept and its frame needs a place, they are not `placed`.

    Raises
    ------
    UsageError
        If a channel's unit cannot be brought to the contract's, or one of unknown place is refused.
    """
    named = (*contract.ch_names, str(contract.aliases)) if isinstance(contract, OrderedContract) else ()
    key = (id(channels), modality, contract.unit, contract.frame, contract.on_unknown, contract.usual_scale, named)
    known = _known.get(key)
    if known is None:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        known = _known[key] = (channels, _make(channels, modality, contract))
    return known[1]


def channels_read(channels: Sequence[Channel], contract: Mapping[str, InputContract]) -> dict[str, list[Channel]]:
    """The channels of each modality that give tokens; modalities without any are left out."""
    read = {}
    for modality, wanted in contract.items():
        if isinstance(wanted, OrderedContract):
            places = wanted.places(channels, modality)
            if places:
                read[modality] = [channels[row] for _, row in sorted(places.items())]
            continue
        members = [channel for channel in channels if channel.kind == modality]
        if any(channel.position_source == "unknown" for channel in members) and _policy(modality, wanted) == "skip":
            known = _places(members, wanted).known
            members = [channel for channel, placed in zip(members, known, strict=True) if placed]
        if members:
            read[modality] = members
    return read


MAX_KNOWN = 4096

_Key = tuple[int, str, str | None, str, str | None, float | None, tuple[str, ...]]

_known: dict[_Key, tuple[tuple[Channel, ...], ChannelLayout]] = {}
"""By the channels' identity: a shard's windows share them, and hashing 64 takes longer than all else. They are kept
beside their results, so that no other tuple takes their id."""


def _make(channels: tuple[Channel, ...], modality: str, contract: InputContract) -> ChannelLayout:
    if isinstance(contract, OrderedContract):
        return _ordered(channels, modality, contract)
    rows = [row for row, channel in enumerate(channels) if channel.kind == modality]
    places = _places([channels[row] for row in rows], contract)
    if not places.known.all():
        unknown = [channels[row].source_name for row, known in zip(rows, places.known, strict=True) if not known]
        _tell(unknown, modality, contract)
        if _policy(modality, contract) == "skip":
            rows = [row for row, known in zip(rows, places.known, strict=True) if known]
            places = places.of(places.known)
    placed = np.ones(len(rows), bool) if contract.frame == "head" else places.known
    return _montage(channels, rows, places, placed, contract)


def _ordered(channels: tuple[Channel, ...], modality: str, contract: OrderedContract) -> ChannelLayout:
    """The channels that the contract names, in the stream's order, numbered by their place in the contract."""
    number = {row: number for number, row in contract.places(channels, modality).items()}
    rows = sorted(number)
    position, reference = (
        np.array([getattr(channels[row], name) for row in rows], np.float32).reshape(-1, 3)
        for name in ("position", "reference")
    )
    n_chans = len(rows)
    channel = np.array([number[row] for row in rows], np.int64)
    places = _Places(position, reference, np.ones(n_chans, np.float32), channel, np.ones(n_chans, bool))
    return _montage(channels, rows, places, places.known, contract)


def _montage(
    channels: tuple[Channel, ...],
    rows: list[int],
    places: _Places,
    placed: NDArray[np.bool_],
    contract: InputContract,
) -> ChannelLayout:
    members = [channels[row] for row in rows]
    made = ChannelLayout(
        rows=rows,
        ch_names=[c.name for c in members],
        factor=np.array([_factor(c, contract) for c in members], np.float64),
        sign=places.sign,
        position=places.position,
        reference=places.reference,
        channel=places.channel,
        placed=placed,
    )
    for shared in (made.factor, made.sign, made.position, made.reference, made.channel, made.placed):
        shared.flags.writeable = False
    return made


class _Places(NamedTuple):
    """Positions of C channels in the frame of a contract; columns as in `ChannelLayout`."""

    position: NDArray[np.float32]
    reference: NDArray[np.float32]
    sign: NDArray[np.float32]
    channel: NDArray[np.int64]
    known: NDArray[np.bool_]  # (C,)

    def of(self, rows: NDArray[np.bool_]) -> _Places:
        """The places of some of the channels."""
        position, reference, sign = self.position[rows], self.reference[rows], self.sign[rows]
        return _Places(position, reference, sign, self.channel[rows], self.known[rows])


def _places(members: list[Channel], contract: InputContract) -> _Places:
    position, reference, sign = _in_template_frame(members) if contract.frame == "mri" else _in_head_frame(members)
    if contract.frame == "leads":
        leads = np.array(as_leads(members), np.int64)
        return _Places(position, reference, np.ones(len(members), np.float32), leads, leads >= 0)
    channel = np.array([channel_id(c) for c in members], np.int64)
    return _Places(position, reference, sign, channel, np.asarray(np.isfinite(position).all(axis=1)))


def _policy(modality: str, contract: InputContract) -> OnUnknown:
    return contract.on_unknown or ("skip" if modality == "eeg" else "keep")


_KEPT = {
    "head": "no known position, and the model reads them as from somewhere: correct their names "
    "(--set rename.NAME=LEAD), or give positions",
    "mri": "no known position, so they give no valid token: give positions, or leave them out",
    "leads": "no lead that the model knows, so they give no valid token: give the name of the lead that is nearest, or "
    "leave them out",
}


def _tell(names: list[str], modality: str, contract: InputContract) -> None:
    """Warn of channels of unknown place, or refuse them."""
    policy = _policy(modality, contract)
    if modality == "ppg" and policy == "keep":
        return
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    if policy == "raise":
        raise UsageError(
            f"Channels {listed} have no known position: correct their names (--set rename.NAME=NAME), give "
            "positions, or set on_unknown to skip or keep."
        )
    how = ", or keep them with on_unknown" if contract.frame == "head" else ""
    skipped = (
        f"no known position, so they give no token: correct their names (--set rename.NAME=NAME), give positions{how}"
    )
    why = _KEPT[contract.frame] if policy == "keep" else skipped
    warnings.warn(f"Channels {listed} have {why}.", UnplacedChannelWarning, stacklevel=5)


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


def is_unscaled(channel: Channel, contract: InputContract) -> bool:
    """True for a channel in a unit of its own, where the contract wants one and takes such channels as well."""
    return contract.usual_scale is not None and contract.unit is not None and not si_size(channel.unit)[0]


def _factor(channel: Channel, contract: InputContract) -> float:
    unit = contract.unit
    if unit is None or channel.unit == unit or is_unscaled(channel, contract):
        return 1.0
    try:
        return unit_factor(channel.unit, unit)
    except UsageError as error:
        raise UsageError(
            f"Channel '{channel.source_name}' is in '{channel.unit}', the model needs '{unit}': {remedy(channel.kind)}."
        ) from error
