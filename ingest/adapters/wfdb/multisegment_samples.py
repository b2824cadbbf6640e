"""Segments of a WFDB record as one run of samples per signal; a block of it reads only the segments it touches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.recording import Channel, clip_runs
from ingest.adapters.wfdb.header import SignalLine
from ingest.adapters.wfdb.multisegment_header import Key, Master, keyed
from ingest.adapters.wfdb.scan import joined_runs
from ingest.adapters.wfdb.signals import Group, read_groups, resolve_once

_FILL = -(2**15)  # WFDB's own value for a missing 16-bit sample


@dataclass(frozen=True, slots=True)
class _Held:
    """A signal in one segment: the segment's first sample, its group, and the row in that."""

    start: int
    group: Group
    row: int

    @property
    def scale(self) -> float:
        return float(self.group.scale[self.row])

    @property
    def offset(self) -> float:
        return float(self.group.offset[self.row])

    @property
    def extent(self) -> tuple[int, int]:
        return int(self.group.lowest[self.row]), int(self.group.highest[self.row])


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Conversion of one signal's numbers: in each segment ``samples * factor + shift``, then scale and offset."""

    scale: float
    offset: float
    factors: list[float]
    shifts: list[float]
    exact: bool = True
    how: str = ""


@dataclass(slots=True)
class _Piece:
    """A segment's part of a joined group: its rows, their places, and the conversion of their numbers."""

    start: int
    group: Group
    source: list[int]
    target: list[int]
    factors: list[float]
    shifts: list[float]

    @property
    def stop(self) -> int:
        return self.start + self.group.samples.shape[1]


class JoinedSamples(LazySamples):
    """Signals of one rate over all segments.

    Parameters
    ----------
    shape : tuple of 2 int
    dtype : dtype
    pieces : list of _Piece
        In the order of time.
    """

    def __init__(self, shape: tuple[int, int], dtype: Any, pieces: list[_Piece]) -> None:
        super().__init__(shape, dtype)
        self._pieces = pieces
        self._starts = np.array([piece.start for piece in pieces], np.int64)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples `start` to `stop`, shape (C, stop - start)."""
        out = np.full((self.shape[0], stop - start), np.nan if self.dtype.kind == "f" else _FILL, self.dtype)
        first = max(int(np.searchsorted(self._starts, start, "right")) - 1, 0)
        for piece in self._pieces[first : int(np.searchsorted(self._starts, stop))]:
            left, right = max(start, piece.start), min(stop, piece.stop)
            if left < right:
                self._place(piece, left - piece.start, right - piece.start, out[:, left - start : right - start])
        return out

    def _place(self, piece: _Piece, start: int, stop: int, out: NDArray[Any]) -> None:
        block = piece.group.samples[:, start:stop]
        runs = clip_runs(piece.group.invalid, start, stop)
        for row, target, factor, shift in zip(piece.source, piece.target, piece.factors, piece.shifts, strict=True):
            x = block[row]
            if (factor, shift) != (1, 0):
                x = x * factor + shift  # float64 holds the integers of 32 bits that come of it exactly
                for _, left, right in runs[runs[:, 0] == row].tolist():
                    x[left:right] = np.nan if out.dtype.kind == "f" else _FILL
            out[target] = x


def join_segments(master: Master, in_memory: int) -> tuple[list[Group], list[str]]:
    """All segments as one group of signals per rate, invalid where no segment holds a signal.

    Integers are kept as they are where a signal has one gain and baseline in all segments. Where these differ, they
    are brought to a common step, exactly, if 32 bits hold that. Else all signals of that rate become float32, as a
    stream has one type. Notes say which. Groups of at most `in_memory` bytes are brought into memory.

    Raises
    ------
    UnreadableError
        If a signal's unit or rate differs between segments, or a signal file cannot be decoded.
    """
    held, notes = _read_segments(master, in_memory)
    keys = list(master.layout)
    channels, rates = zip(*(_identity(master, line, held[key]) for key, line in master.layout.items()), strict=True)
    names_by_note: dict[str, list[str]] = {}
    groups = []
    for per_frame in dict.fromkeys(rates):
        rows = [row for row, rate in enumerate(rates) if rate == per_frame]
        numbers = [_numbers(held[keys[row]]) for row in rows]
        for row, made in zip(rows, numbers, strict=True):
            if made.how:
                names_by_note.setdefault(made.how, []).append(keys[row][0])
        group = _joined(
            rows,
            [channels[row] for row in rows],
            [held[keys[row]] for row in rows],
            numbers,
            per_frame,
            master.n_frames * per_frame,
        )
        if group.samples.nbytes <= in_memory:
            group.samples = np.asarray(group.samples)
        groups.append(group)
    gap = master.n_frames - sum(master.lengths[part] for _, part in master.segments)
    if gap:
        fs = master.header.fs
        names_by_note[f"{gap / fs:g} of {master.n_frames / fs:g} s lie between segments: invalid"] = []
    conversions = [f"{', '.join(names)}: {how}." if names else f"{how}." for how, names in names_by_note.items()]
    return groups, [*notes, *conversions]


def _read_segments(master: Master, in_memory: int) -> tuple[dict[Key, list[_Held]], list[str]]:
    """The segments that hold each signal, in the order of time, and the notes on all segments."""
    held: dict[Key, list[_Held]] = {key: [] for key in master.layout}
    notes: list[str] = []
    n_samples = master.n_frames * sum(signal.per_frame for signal in master.layout.values())
    read: dict[Path, dict[int, tuple[Group, int]]] = {}
    for part, header in master.headers.items():
        groups, segment_notes, _ = read_groups(header, in_memory if 4 * n_samples <= in_memory else 0)
        notes += segment_notes
        read[part] = {row: (group, i) for group in groups for i, row in enumerate(group.rows)}
    for start, part in master.segments:
        for row, key in enumerate(keyed(master.headers[part].signals)):
            group, i = read[part][row]
            held[key].append(_Held(start * group.per_frame, group, i))
    return held, list(dict.fromkeys(notes))


def _identity(master: Master, line: SignalLine, held: Sequence[_Held]) -> tuple[Channel, int]:
    """The channel and samples per frame that a signal has in all of its segments, else in the layout."""
    if not held:
        return resolve_once(line.name, line.unit)[0], line.per_frame
    first = held[0].group.channels[held[0].row], held[0].group.per_frame
    for other in held[1:]:
        channel, per_frame = other.group.channels[other.row], other.group.per_frame
        for what, a, b in (
            ("unit", first[0].unit, channel.unit),
            ("samples per frame", first[1], per_frame),
        ):
            if a != b:
                raise UnreadableError(
                    f"{master.header.path} joins segments that give '{channel.source_name}' the {what} {a} and {b}: "
                    "correct them, or read the segments one by one."
                )
    return first


def _numbers(held: Sequence[_Held]) -> _Numbers:
    """Conversion of a signal's numbers that makes one scale and offset hold throughout."""
    same, none = [1.0] * len(held), [0.0] * len(held)
    maps = {(part.scale, part.offset) for part in held}
    if not held:
        return _Numbers(1.0, 0.0, [], [], how="in no segment: all of it is invalid")
    if len(maps) == 1:
        return _Numbers(*maps.pop(), same, none)
    common = _common_step(held)
    if common is not None:
        return common
    how = "gain or baseline differ between segments: stored as float32, with all signals of that rate"
    return _Numbers(1.0, 0.0, [part.scale for part in held], [part.offset for part in held], exact=False, how=how)


def _common_step(held: Sequence[_Held]) -> _Numbers | None:
    """The same physical values as integers × one step, or None where 32 bits do not hold them exactly."""
    steps, zeros = [], []
    for part in held:
        step = Fraction(part.scale).limit_denominator(10**9)
        zero = round(part.offset / part.scale)
        if not (
            math.isclose(step, part.scale, rel_tol=1e-14)
            and math.isclose(zero * part.scale, part.offset, rel_tol=1e-12)
        ):
            return None
        steps.append(step)
        zeros.append(zero)
    bottom = math.lcm(*(step.denominator for step in steps))
    common = Fraction(math.gcd(*(int(step * bottom) for step in steps)), bottom)
    factors = [int(step / common) for step in steps]
    for part, zero, factor in zip(held, zeros, factors, strict=True):
        if max(abs(end + zero) for end in part.extent) * abs(factor) >= 2**31:
            return None
    shifts = [float(zero * factor) for zero, factor in zip(zeros, factors, strict=True)]
    how = "gain or baseline differ between segments: brought to a common integer step"
    return _Numbers(float(common), 0.0, [float(factor) for factor in factors], shifts, how=how)


def _joined(
    rows: list[int],
    channels: list[Channel],
    held: list[list[_Held]],
    numbers: list[_Numbers],
    per_frame: int,
    n_times: int,
) -> Group:
    """One group over all segments; `held` and `numbers` are those of its signals."""
    pieces: dict[tuple[int, int], _Piece] = {}
    ends: list[list[float]] = [[] for _ in rows]  # the values between which a signal's numbers lie
    runs = []
    for target, (parts, made) in enumerate(zip(held, numbers, strict=True)):
        after = 0
        for part, factor, shift in zip(parts, made.factors, made.shifts, strict=True):
            where = part.start, id(part.group)
            piece = pieces.setdefault(where, _Piece(part.start, part.group, [], [], [], []))
            piece.source.append(part.row)
            piece.target.append(target)
            piece.factors.append(factor)
            piece.shifts.append(shift)
            low, high = part.extent
            if low <= high:
                ends[target] += [low * factor + shift, high * factor + shift]
            inside = part.group.invalid[part.group.invalid[:, 0] == part.row, 1:] + part.start
            runs += [(target, after, part.start), *((target, a, b) for a, b in inside.tolist())]
            after = piece.stop
        runs.append((target, after, n_times))
    dtype = _dtype(held, numbers, ends)
    samples = JoinedSamples((len(rows), n_times), dtype, sorted(pieces.values(), key=lambda piece: piece.start))
    found = np.array([run for run in runs if run[1] < run[2]], np.int64).reshape(-1, 3)
    return Group(
        per_frame,
        rows,
        channels,
        samples,
        np.array([made.scale for made in numbers]),
        np.array([made.offset for made in numbers]),
        joined_runs([found]),
        np.array([min(end, default=1) for end in ends]),
        np.array([max(end, default=0) for end in ends]),
    )


def _dtype(held: list[list[_Held]], numbers: list[_Numbers], ends: list[list[float]]) -> np.dtype[Any]:
    """float32 where a signal is no longer exact; else the narrower of int16 and int32."""
    if not all(made.exact for made in numbers):
        return np.dtype(np.float32)
    limits = np.iinfo(np.int16)
    as_in_file = [
        part.group.samples.dtype
        for parts, made in zip(held, numbers, strict=True)
        for part, change in zip(parts, zip(made.factors, made.shifts, strict=True), strict=True)
        if change == (1, 0)
    ]
    wide = any(end < limits.min or end > limits.max for signal in ends for end in signal)
    return np.dtype(np.int32) if wide else np.result_type(np.int16, *set(as_in_file))
