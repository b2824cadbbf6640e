"""Waveform dataset: input channels, target slots and target values of each window.

No information on a target reaches the input: robust scales of the input come from the input channels alone, and a
target is rebuilt in units that are known without it, its deviation in the training part.

Shape letters: T samples of a target at the model's rate, in whole patches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biosig.batches.channel_layout import ChannelLayout, montage
from biosig.batches.contract import InputContract, PreparedStream, prepare
from biosig.batches.filtered_recordings import filter_to_contract
from biosig.batches.windows import Windows
from biosig.electrodes.leads import as_leads
from biosig.errors import DataError, UsageError
from biosig.recording import Channel, Recording, Stream

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Target:
    """A channel to rebuild.

    Parameters
    ----------
    name : str
        Its name in the configuration: a channel's name, or the kind of a recording's only such channel.
    channel : Channel
        Identity of the channel.
    modality : str
        The modality that gives its rate and patches. For a kind that the model does not read (arterial pressure) this
        is the last modality of the inputs, and the position of its first input channel is used for the target.
    centre, scale : float
        Mean and deviation in the training part, in the channel's unit; `centre` is NaN for channels without a
        meaningful mean, which are rebuilt around it.
    """

    name: str
    channel: Channel
    modality: str
    centre: float = math.nan
    scale: float = math.nan

    @property
    def borrowed(self) -> bool:
        """True if the model does not read channels of this kind."""
        return self.channel.kind != self.modality

    def normalised(self, values: Floats) -> Floats:
        """Physical values (T,) in units of the scale around the centre, or around their own mean."""
        centre = np.nanmean(values) if math.isnan(self.centre) else np.float32(self.centre)
        return ((values - centre) / np.float32(self.scale)).astype(np.float32, copy=False)

    def physical(self, values: Floats) -> Floats:
        """Convert a prediction to physical values (T,) in `unit`."""
        return values * np.float32(self.scale) + (np.float32(0) if math.isnan(self.centre) else np.float32(self.centre))

    def unit(self, contract: Mapping[str, InputContract]) -> str:
        """Unit of its physical values."""
        return (None if self.borrowed else contract[self.modality].unit) or self.channel.unit

    def contract(self, contract: Mapping[str, InputContract]) -> InputContract:
        """Contract of its target values: as for an input, but in physical units."""
        wanted = contract[self.modality]
        plain = replace(wanted, normalisation="constant", divisor=1.0, clip=math.inf, frame="head", on_unknown="keep")
        return replace(plain, unit=None, band=None, cleaning="none") if self.borrowed else plain


@dataclass(frozen=True)
class TargetSlot:
    """One target in one window.

    Parameters
    ----------
    number : int
        Number of the target.
    place : PreparedStream
        Position and time: zeros (1, T) of known position.
    """

    number: int
    place: PreparedStream


class WaveformQuery(NamedTuple):
    """Inputs of the model in a window, and the slots of its targets."""

    inputs: Sequence[PreparedStream]
    wanted: Sequence[TargetSlot]


def matches(channel: Channel, name: str) -> bool:
    """True if `name` is the channel's name or kind."""
    return name in (channel.name, channel.kind)


def pick(window: Recording, names: Sequence[str]) -> Recording:
    """Pick the channels of these names or kinds, without the robust scale, which depends on other channels."""
    streams = []
    for stream in window.streams:
        rows = [row for row, c in enumerate(stream.channels) if any(matches(c, name) for name in names)]
        if rows:
            streams.append(stream.pick(rows))
    return replace(window, streams=streams, robust_scale={})


def find_target(
    name: str, channels: Sequence[Channel], inputs: Sequence[str], contract: Mapping[str, object]
) -> Target:
    """Find the channel of a target's name.

    Raises
    ------
    DataError
        If several channels match.
    """
    found = [channel for channel in channels if matches(channel, name)]
    if len(found) > 1:
        raise DataError(
            f"The target '{name}' matches the channels {', '.join(c.name for c in found)}: give one by its name."
        )
    (channel,) = found
    if channel.kind in contract:
        return Target(name, channel, channel.kind)
    read = [m for m in contract if any(c.kind == m and any(matches(c, n) for n in inputs) for c in channels)]
    return Target(name, channel, read[-1])


def blank(
    target: Target, inputs: Sequence[PreparedStream], contract: Mapping[str, InputContract], n_times: int
) -> PreparedStream:
    """An empty slot of a target in a window: zeros at its position."""
    wanted = contract[target.modality]
    zeros, real = np.zeros((1, n_times), np.float32), np.ones((1, n_times), bool)
    if target.borrowed:
        beside = next(stream for stream in inputs if stream.modality == target.modality)
        geometry = (beside.position[:1], beside.reference[:1], beside.channel[:1], np.ones(1, np.float32))
    else:
        members = _members(target, wanted)
        geometry = (members.position, members.reference, members.channel, members.sign)
    position, reference, channel, sign = geometry
    no_mean = np.zeros(1, np.float32)
    return PreparedStream(
        target.modality, zeros, real, position, reference, channel, sign, no_mean, 1.0, 0.0, [target.name]
    )


def _members(target: Target, contract: InputContract) -> ChannelLayout:
    """Layout of a target that was named, with a known position or without."""
    return montage(_alone(target.channel), target.modality, replace(contract, on_unknown="keep"))


_tuples: dict[Channel, tuple[Channel]] = {}


def _alone(channel: Channel) -> tuple[Channel]:
    """One permanent tuple per channel, because layouts are cached by its identity."""
    return _tuples.setdefault(channel, (channel,))


def wanted_of(
    targets: Sequence[Target],
    present: Sequence[bool],
    inputs: Sequence[PreparedStream],
    contract: Mapping[str, InputContract],
    duration: float,
) -> list[TargetSlot]:
    """Target slots of a window of `duration` seconds with these inputs."""
    wanted = []
    for number, (target, is_present) in enumerate(zip(targets, present, strict=True)):
        if is_present:
            n_times = contract[target.modality].n_patches_in(duration) * contract[target.modality].patch_size
            wanted.append(TargetSlot(number, blank(target, inputs, contract, n_times)))
    return wanted


class WaveformWindows:
    """The windows of a task by number.

    Parameters
    ----------
    windows : Windows
        N windows.
    contract : mapping of str to InputContract
        The model's input contract.
    inputs : sequence of str
        Names or kinds of the channels that the model reads.
    targets : sequence of str
        Names of the channels to rebuild, or kinds that a recording has one channel of.
    keep_bytes : float
        Samples that may stay in memory; windows beyond are read again each time.

    Raises
    ------
    UsageError
        If a channel is input and target, patches overlap, or no recording has one of the targets and all inputs.
    """

    def __init__(
        self,
        windows: Windows,
        contract: Mapping[str, InputContract],
        inputs: Sequence[str],
        targets: Sequence[str],
        keep_bytes: float = 4e9,
    ) -> None:
        overlapping = [m for m, c in contract.items() if c.stride != c.patch_size]
        if overlapping:
            raise UsageError(
                f"The model's {overlapping[0]} patches overlap, and a waveform is rebuilt from patches "
                "side by side: choose another model."
            )
        self.windows, self.contract, self.inputs = filter_to_contract(windows, contract), contract, list(inputs)
        self.targets = [self._find(name) for name in targets]
        self._kept: dict[int, tuple[list[PreparedStream], dict[int, Floats]]] = {}
        self._room = keep_bytes

    def _find(self, name: str) -> Target:
        for row in np.unique(self.windows.recording):
            channels = self.windows.ds[int(row)].channels
            if any(matches(c, name) for c in channels) and self._has_inputs(channels):
                target = find_target(name, channels, self.inputs, self.contract)
                if any(matches(target.channel, given) for given in self.inputs):
                    raise UsageError(f"'{name}' is both input and target: leave it out of one.")
                self._check_place(target)
                return target
        raise UsageError(f"No recording has a channel '{name}' beside {' and '.join(self.inputs)}: correct the names.")

    def _check_place(self, target: Target) -> None:
        """Refuse a target without a position in the model."""
        wanted, channel = self.contract[target.modality], target.channel
        if target.borrowed:
            return
        unknown_lead = wanted.frame == "leads" and as_leads([channel, channel])[0] < 0  # one alone would pass for II
        if unknown_lead or not _members(target, wanted).placed.all():
            raise UsageError(f"The model has no place for the target '{target.name}': leave it out, or take another.")

    def _has_inputs(self, channels: Sequence[Channel]) -> bool:
        return all(any(c.kind in self.contract and matches(c, name) for c in channels) for name in self.inputs)

    def __len__(self) -> int:
        return len(self.windows)

    def usable(self) -> NDArray[np.bool_]:
        """Mark the windows that have all inputs, and a target, with a real patch in each; shape (N,)."""
        out = np.zeros(len(self), bool)
        for row in range(len(self)):
            if self._has_inputs(self.windows.ds[int(self.windows.recording[row])].channels):
                inputs, target_values = self._read(row)
                input_has_patch = [self._has_patch(stream) for stream in inputs]
                out[row] = bool(input_has_patch and all(input_has_patch) and target_values)
        return out

    def _has_patch(self, stream: PreparedStream) -> bool:
        size = self.contract[stream.modality].patch_size
        whole = stream.valid[:, : stream.valid.shape[1] // size * size].reshape(len(stream.valid), -1, size)
        return bool(whole.all(axis=2).any())

    def measure(self, rows: NDArray[np.int64]) -> None:
        """Take the targets' means and deviations from these windows, the training part.

        Raises
        ------
        DataError
            If a target is in no window.
        """
        values: list[list[Floats]] = [[] for _ in self.targets]
        for row in rows.tolist():
            for number, target_values in self._read(row)[1].items():
                values[number].append(target_values[np.isfinite(target_values)])
        measured = []
        for target, parts in zip(self.targets, values, strict=True):
            if not parts:
                raise DataError(f"No window of the training part has the target '{target.name}': choose another split.")
            around = parts if target.borrowed else [part - part.mean() for part in parts]
            together = np.concatenate(around)
            centre = float(together.mean()) if target.borrowed else math.nan
            measured.append(replace(target, centre=centre, scale=float(together.std())))
        self.targets = measured

    def __getitem__(self, row: int) -> tuple[WaveformQuery, list[Floats]]:
        """A window, and the values (T,) of each wanted target in its units, NaN where unknown; call `measure` first."""
        inputs, target_values = self._read(row)
        present = [number in target_values for number in range(len(self.targets))]
        wanted = wanted_of(self.targets, present, inputs, self.contract, float(self.windows.duration[row]))
        return WaveformQuery(inputs, wanted), [
            self.targets[w.number].normalised(target_values[w.number]) for w in wanted
        ]

    def _read(self, row: int) -> tuple[list[PreparedStream], dict[int, Floats]]:
        """The inputs, and the values (T,) of each present target, by its number, in physical units."""
        known = self._kept.get(row)
        if known is not None:
            return known
        window, onset = self.windows.read_signals(row), float(self.windows.onset[row])
        inputs = prepare(pick(window, self.inputs), self.contract, onset)
        target_values = self._target_values(window, onset, float(self.windows.duration[row]))
        size = sum(s.values.nbytes + s.valid.nbytes for s in inputs) + sum(t.nbytes for t in target_values.values())
        if size <= self._room:
            self._room -= size
            self._kept[row] = inputs, target_values
        return inputs, target_values

    def _target_values(self, window: Recording, onset: float, duration: float) -> dict[int, Floats]:
        out = {}
        for number, target in enumerate(self.targets):
            contract = target.contract(self.contract)
            streams = [_read_as(stream, target.modality) for stream in pick(window, [target.name]).streams]
            if sum(stream.n_chans for stream in streams) > 1:
                raise DataError(
                    f"The target '{target.name}' matches several channels of recording '{window.id}': leave the "
                    "recording out with a query, or give the channel's name."
                )
            for stream in prepare(replace(window, streams=streams), {target.modality: contract}, onset):
                n_times = contract.n_patches_in(duration) * contract.patch_size
                values = np.full(n_times, np.nan, np.float32)
                start = max(round(stream.onset * contract.sfreq), 0)
                part = np.where(stream.valid[0], stream.values[0], np.float32(np.nan))[: n_times - start]
                values[start : start + len(part)] = part
                if np.isfinite(values).any():
                    out[number] = values
        return out


def _read_as(stream: Stream, modality: str) -> Stream:
    return replace(stream, channels=tuple(replace(channel, kind=modality) for channel in stream.channels))
