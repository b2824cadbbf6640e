"""Multi-segment WFDB records: a header that lists segments and gaps becomes one run of samples per signal.

Format: WFDB Applications Guide, header(5), https://physionet.org/physiotools/wag/header-5.htm. In a record of fixed
layout every segment holds the same signals; in one of variable layout the first "segment" has no samples and names
all signals, of which each segment holds some. "~" stands for a gap.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.recording import Channel
from ingest.channels import resolve
from ingest.files import check_present
from ingest.wfdb_header import COMPRESSED, WfdbHeader, header_lines, is_master, parse, read_header
from ingest.wfdb_signals import Signal, read_signals

_GAP = "~"
_NAME = re.compile(r"[-\w]+", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,15}")
_FILL = -(2**15)  # WFDB's own value for a missing 16-bit sample
_MAX_UNHELD = 2**26
"""Samples that a record may announce without a file that holds them, where they outnumber those that are held."""

Key = tuple[str, int]
"""A signal's name and how many of that name come before it in the same header."""


@dataclass(slots=True)
class MasterHeader:
    """A list of segments, each known to be there and as long as the list says.

    Parameters
    ----------
    record : wfdb.MultiRecord
        The parsed header.
    files : tuple of Path
        The header, the layout header, then each segment's header and signal files once.
    layout : dict
        Every signal's key → its unit and samples per frame.
    segments : list of (int, Path)
        First frame and header of each segment that holds samples; the frames between them are gaps.
    headers : dict
        Those headers, parsed.
    n_frames : int
        Length of the whole.
    notes : list of str
        What a user should know.
    """

    record: Any
    files: tuple[Path, ...]
    layout: dict[Key, tuple[str, int]]
    segments: list[tuple[int, Path]]
    headers: dict[Path, WfdbHeader]
    n_frames: int
    notes: list[str] = field(default_factory=list)


def parts_of(path: Path) -> list[Path]:
    """The headers that `path` lists as its segments and layout; none if it is no multi-segment header or unreadable."""
    try:
        check_present(path)
        lines = header_lines(path)
    except UnreadableError:
        return []
    names = dict.fromkeys(line.split()[0] for line in lines[1:]) if is_master(lines) else {}
    return [path.with_name(f"{name}.hea") for name in names if _NAME.fullmatch(name)]


def read_master(path: Path) -> MasterHeader:
    """Parse a multi-segment header and check it against its segments and their signal files.

    Raises
    ------
    UnreadableError
        One sentence: the list cannot be parsed, or a segment is absent, damaged, or other than the list says.
    """
    lines = header_lines(path)
    record, notes = parse(path, lines)
    rows = _rows(path, lines, record)
    variable = rows[0][1] == 0 and rows[0][0] != _GAP
    files = [path]
    layout: dict[Key, tuple[str, int]] = {}
    if variable:
        files.append(path.with_name(f"{rows.pop(0)[0]}.hea"))
        check_present(files[1], wanted_by=path)
        described = header_lines(files[1])
        if is_master(described):
            raise UnreadableError(f"{files[1]} lists segments, where {path.name} wants it to name signals: correct it.")
        layout = _keyed(parse(files[1], described)[0])
    headers: dict[Path, WfdbHeader] = {}
    segments = []
    start = 0
    for name, length in rows:
        if name != _GAP:
            part = path.with_name(f"{name}.hea")
            if part not in headers:
                check_present(part, wanted_by=path)
                headers[part] = read_header(part)
                layout = layout or _keyed(headers[part].record)
                _check_segment(path, record.fs, part, length, headers[part], layout, variable)
            elif headers[part].sig_len != length:
                _refuse_length(path, part, length, headers[part])
            segments.append((start, part))
        start += length
    if not layout:
        raise UnreadableError(f"{path} lists gaps and no segment: fetch or export it again.")
    if len(layout) != record.n_sig:
        raise UnreadableError(
            f"{path} announces {record.n_sig} signals, and its segments hold {len(layout)}: correct its first line."
        )
    _check_size(path, start, layout, headers)
    files += [file for header in headers.values() for file in header.files]
    notes += [note for header in headers.values() for note in header.notes]
    if any(header.record.comments for header in headers.values()):
        notes.append("Comments in the headers of segments are left out.")
    return MasterHeader(
        record, tuple(dict.fromkeys(files)), layout, segments, headers, start, list(dict.fromkeys(notes))
    )


def join_segments(path: Path, master: MasterHeader) -> tuple[list[Signal], list[str]]:
    """Read all segments into one signal per name, invalid where no segment holds it.

    Integers are kept as they are where a signal has one gain and baseline in all segments. Where these differ, they
    are brought to a common step, exactly, if 32 bits hold that. Else all signals of that rate become float32, as a
    stream has one type. Notes say which.

    Raises
    ------
    UnreadableError
        If a signal's unit or rate differs between segments, or a signal file cannot be decoded.
    """
    parts: dict[Key, list[tuple[int, Signal]]] = {key: [] for key in master.layout}
    read = {part: read_signals(part, header) for part, header in master.headers.items()}
    for start, part in master.segments:
        for key, signal in zip(_keyed(master.headers[part].record), read[part], strict=True):
            parts[key].append((start, signal))
    del read
    signals, told = [], dict[str, list[str]]()
    for key, (unit, per_frame) in master.layout.items():
        held = parts.pop(key)
        if held:
            channel, per_frame = _same(path, held)
        else:
            channel, _ = resolve(key[0], unit)
            told.setdefault("in no segment: all of it is invalid", []).append(key[0])
        signal, how = _join(channel, per_frame, [(start * per_frame, part) for start, part in held], master.n_frames)
        signals.append(signal)
        if how:
            told.setdefault(how, []).append(key[0])
    notes = [f"{', '.join(names)}: {how}." for how, names in told.items()]
    gap = master.n_frames - sum(master.headers[part].sig_len for _, part in master.segments)
    if gap:
        fs = master.record.fs
        notes.append(f"{gap / fs:g} of {master.n_frames / fs:g} s lie between segments: invalid.")
    return signals, notes


def _rows(path: Path, lines: Sequence[str], record: Any) -> list[tuple[str, int]]:
    """Name and length of each listed segment."""
    rows = []
    for line in lines[1:]:
        name, *rest = line.split()
        if not (name == _GAP or _NAME.fullmatch(name)) or len(rest) != 1 or not _LENGTH.fullmatch(rest[0]):
            raise UnreadableError(f"{path} lists a segment as '{line[:60]}', where a name and a length are wanted.")
        rows.append((name, int(rest[0])))
    announced = lines[0].split()[0].split("/")[1]
    if announced != str(len(rows)) or not rows:
        raise UnreadableError(f"{path} announces {announced} segments and lists {len(rows)}: fetch it again.")
    total = sum(length for _, length in rows)
    if record.sig_len is not None and record.sig_len != total:
        raise UnreadableError(
            f"{path} announces {record.sig_len} samples, and its segments add up to {total}: correct it."
        )
    if total == 0:
        raise UnreadableError(f"{path} is a record without samples: fetch or export it again.")
    return rows


def _keyed(record: Any) -> dict[Key, tuple[str, int]]:
    """Key → unit and samples per frame, in the order of the header."""
    seen: Counter[str] = Counter()
    keyed = {}
    for row in range(record.n_sig):
        name = record.sig_name[row] or f"signal {row}"
        keyed[name, seen[name]] = (record.units[row] or "mV", record.samps_per_frame[row] or 1)
        seen[name] += 1
    return keyed


def _check_segment(
    path: Path, fs: float, part: Path, length: int, header: WfdbHeader, layout: Iterable[Key], variable: bool
) -> None:
    if not math.isclose(header.record.fs, fs, rel_tol=1e-6):
        raise UnreadableError(
            f"{part} has {header.record.fs} frames per second, where {path.name} has {fs}: correct one of them."
        )
    if header.sig_len != length:
        _refuse_length(path, part, length, header)
    keys = list(_keyed(header.record))
    wanted = list(layout)
    if any(key not in wanted for key in keys) or not (variable or keys == wanted):
        raise UnreadableError(
            f"{part} holds the signals {', '.join(name for name, _ in keys)}, where {path.name} wants "
            f"{', '.join(name for name, _ in wanted)}: correct the headers."
        )


def _refuse_length(path: Path, part: Path, length: int, header: WfdbHeader) -> None:
    raise UnreadableError(
        f"{part} holds {header.sig_len} samples per signal, where {path.name} wants {length}: fetch both again."
    )


def _check_size(path: Path, n_frames: int, layout: dict[Key, tuple[str, int]], headers: dict[Path, WfdbHeader]) -> None:
    """Refuse lengths that are only words: memory is taken for what files hold, and for gaps of a plausible size."""
    total = n_frames * sum(per_frame for _, per_frame in layout.values())
    held = 0
    for header in headers.values():
        record = header.record
        n_samples = header.sig_len * sum(n or 1 for n in record.samps_per_frame)
        if any(fmt in COMPRESSED for fmt in record.fmt):  # a biosignal takes more than a bit per sample
            n_samples = min(n_samples, 8 * sum(file.stat().st_size for file in header.files[1:]))
        held += n_samples
    if total - held > max(_MAX_UNHELD, held):
        raise UnreadableError(
            f"{path} announces {total} samples of which its segments hold {held}: correct the lengths, or read the "
            "segments one by one."
        )


def _same(path: Path, held: Sequence[tuple[int, Signal]]) -> tuple[Channel, int]:
    """The channel and samples per frame that a signal has in all of its segments."""
    first = held[0][1]
    for _, signal in held[1:]:
        for what, a, b in (
            ("unit", first.channel.unit, signal.channel.unit),
            ("samples per frame", first.per_frame, signal.per_frame),
        ):
            if a != b:
                raise UnreadableError(
                    f"{path} joins segments that give '{first.channel.source_name}' the {what} {a} and {b}: correct "
                    "them, or read the segments one by one."
                )
    return first.channel, first.per_frame


def _join(channel: Channel, per_frame: int, held: list[tuple[int, Signal]], n_frames: int) -> tuple[Signal, str]:
    """One signal over all frames, and what had to be done to its numbers ("" = nothing)."""
    rows = [signal for _, signal in held]
    maps = {(signal.scale, signal.offset) for signal in rows}
    scale, offset = next(iter(maps)) if len(maps) == 1 else (1.0, 0.0)
    numbers: list[NDArray[Any]] = [signal.samples for signal in rows]
    how = ""
    if len(maps) > 1:
        common = _on_common_step(rows)
        if common is not None:
            how = "gain or baseline differ between segments: brought to a common integer step"
            numbers, scale = common
        else:
            how = "gain or baseline differ between segments: stored as float32, with all signals of that rate"
            numbers = [np.where(s.invalid, np.nan, s.samples * s.scale + s.offset).astype(np.float32) for s in rows]
    dtype = np.result_type(np.int16, *numbers)
    samples = np.full(n_frames * per_frame, np.nan if dtype.kind == "f" else _FILL, dtype)
    invalid = np.ones(samples.shape, bool)
    for (start, signal), values in zip(held, numbers, strict=True):
        stop = start + len(values)
        samples[start:stop] = values
        invalid[start:stop] = signal.invalid
    return Signal(channel, per_frame, samples, scale, offset, invalid), how


def _on_common_step(signals: Sequence[Signal]) -> tuple[list[NDArray[Any]], float] | None:
    """The same physical values as integers × one step, or None where 32 bits do not hold them exactly."""
    steps, zeros = [], []
    for signal in signals:
        step = Fraction(signal.scale).limit_denominator(10**9)
        zero = round(signal.offset / signal.scale)
        if not (
            math.isclose(step, signal.scale, rel_tol=1e-14)
            and math.isclose(zero * signal.scale, signal.offset, rel_tol=1e-12)
        ):
            return None
        steps.append(step)
        zeros.append(zero)
    bottom = math.lcm(*(step.denominator for step in steps))
    common = Fraction(math.gcd(*(int(step * bottom) for step in steps)), bottom)
    numbers = []
    for signal, step, zero in zip(signals, steps, zeros, strict=True):
        levels = np.where(signal.invalid, 0, signal.samples.astype(np.int64) + zero)
        multiple = int(step / common)
        if int(np.abs(levels).max()) * abs(multiple) >= 2**31:
            return None
        numbers.append(np.where(signal.invalid, _FILL, levels * multiple).astype(np.int32))
    return numbers, float(common)
