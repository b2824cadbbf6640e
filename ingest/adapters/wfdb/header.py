"""WFDB headers: the text, parsed to the letter; each departure from header(5) is noted or refused.

Format: WFDB Applications Guide, header(5), https://physionet.org/physiotools/wag/header-5.htm. wfdb's own parser takes
"200,5" for 200 and "µV" for V, and costs more than reading the signals.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from biosig.errors import UnreadableError

GAP = "~"
"""A segment without samples, and the signal file of a layout header."""

_MAX_BYTES = 4 * 2**20  # a master header of MIMIC takes 20 bytes per segment
_MAX_SIGNALS = 4096
_INT = r"-?\d{1,15}"
_DECIMAL = r"(?:\d+\.?\d*|\.\d+)"
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_RATE = re.compile(rf"({_DECIMAL})(/-?\d+\.?\d*(\(-?\d+\.?\d*\))?)?", re.ASCII)
_FORMAT = re.compile(r"(\d{1,4})(?:x(\d{1,15}))?(?::(\d{1,15}))?(?:\+(\d{1,15}))?", re.ASCII)
_GAIN = re.compile(
    rf"(?P<gain>-?{_DECIMAL}(e[+-]?\d+)?)?(\((?P<baseline>{_INT})\))?(/(?P<unit>\S*))?", re.ASCII | re.IGNORECASE
)
_REST = re.compile(rf"(?:({_INT})(?!\S))?\s*" * 5 + r"(?P<name>.*)", re.ASCII)
"""ADC resolution, ADC zero, first value, checksum, block size, name: each may be absent where those behind it are."""
_FOLDER = re.compile(r".+/(?!\d+$)", re.ASCII)
"""The beginning of a record's name with a folder, where a list of segments has their number behind the slash."""
_SEGMENT = re.compile(r"[-\w]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignalLine:
    """A header's entry for one signal.

    Parameters
    ----------
    file, fmt : str
        Name of the signal file, and its storage format.
    per_frame : int
        Samples in each of the record's frames.
    skew : int
        Frames by which the signal lags behind the others in the file.
    byte_offset : int
        First byte of the samples in the file.
    gain, baseline
        physical = (digital - baseline) / gain, in `unit`.
    unit, name : str
        As written, beyond ASCII too; WFDB's defaults where nothing is.
    first : int
        The sample before the first, from which format 8 counts.
    checksum : int or None
        Sum of all samples, of which the lowest 16 bits count; None where the header gives none.
    """

    file: str
    fmt: str
    per_frame: int
    skew: int
    byte_offset: int
    gain: float
    baseline: int
    unit: str
    first: int
    checksum: int | None
    name: str


@dataclass(slots=True)
class Header:
    """A parsed header, of a record with signals of its own or of one that lists segments.

    Parameters
    ----------
    path : Path
        The ``.hea``.
    fs : float
        Frames per second.
    n_signals : int
        As the record line announces.
    n_frames : int or None
        Length, None where the record line gives none.
    signals : list of SignalLine
        Empty for a list of segments.
    segments : list of (str, int)
        Name (`GAP` = none) and frames of each segment; empty for a record with signals of its own.
    comments : list of str
        Lines after "#", stripped.
    notes : list of str
        Sentences on defaults that were filled in, and others for the user.
    """

    path: Path
    fs: float
    n_signals: int
    n_frames: int | None
    signals: list[SignalLine] = field(default_factory=list)
    segments: list[tuple[str, int]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_master(lines: list[str]) -> bool:
    """True if a header's lines are a list of segments ("name/number of segments" opens its record line).

    In a name with a folder, the text behind the slash is not a number.
    """
    _, slash, number = lines[0].split()[0].partition("/")
    return bool(slash) and _COUNT.fullmatch(number) is not None


def header_lines(path: Path) -> tuple[list[str], list[str]]:
    """The lines of a header that are neither empty nor comments, and its comments.

    Raises
    ------
    UnreadableError
        If there is no line but comments, or more text than a header holds.
    """
    with open(path, "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size > _MAX_BYTES:
            raise UnreadableError(f"{path} holds more than {_MAX_BYTES} bytes: it is not a WFDB header.")
        raw = file.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    stripped = [line.strip() for line in text.splitlines()]
    lines = [line for line in stripped if line and not line.startswith("#")]
    if not lines:
        raise UnreadableError(f"{path} holds no record line: it is not a WFDB header, or fetch it again.")
    return lines, [line.strip("# \t") for line in stripped if line.startswith("#")]


def parse_header(path: Path) -> Header:
    """Parse a ``.hea``; nothing that it refers to is touched.

    Raises
    ------
    UnreadableError
        One sentence: the line that departs from header(5), or refers to a place outside the header's folder.
    """
    lines, comments = header_lines(path)
    header = _parse_record_line(path, lines[0])
    header.comments = comments
    for line in lines[1:]:
        name = line.split()[0]
        if name in {".", ".."} or any(sign in name for sign in "/\\:\0"):
            raise UnreadableError(
                f"{path} refers to '{name}', outside its own folder: put that file beside the header."
            )
    if is_master(lines):
        header.segments = _parse_segments(path, lines, header.n_frames)
        return header
    if header.n_signals != len(lines) - 1:
        raise UnreadableError(
            f"{path} announces {header.n_signals} signals and describes {len(lines) - 1}: correct it, or "
            "fetch it again."
        )
    if header.n_signals > _MAX_SIGNALS:
        raise UnreadableError(f"{path} describes {header.n_signals} signals, more than any device records: correct it.")
    no_gain: list[str] = []
    no_unit: list[str] = []
    header.signals = [_parse_signal(path, row, line, no_gain, no_unit) for row, line in enumerate(lines[1:])]
    if no_gain:
        header.notes.append(
            f"No gain in the header for {', '.join(no_gain)}: WFDB's default of 200 per unit is used, uncalibrated."
        )
    if no_unit:
        header.notes.append(f"No unit in the header for {', '.join(no_unit)}: WFDB's default of mV is used.")
    return header


def _parse_record_line(path: Path, line: str) -> Header:
    name, *rest = line.split()
    if not rest or not _COUNT.fullmatch(rest[0]):
        raise UnreadableError(f"{path} does not begin with a WFDB record line ('{line[:60]}'): fetch it again.")
    for what, form, text in zip(("sampling rate", "number of samples"), (_RATE, _COUNT), rest[1:], strict=False):
        if not form.fullmatch(text):
            raise UnreadableError(f"{path} gives '{text[:60]}' as its {what}: write a plain number in its first line.")
    if not int(rest[0]):
        raise UnreadableError(
            f"{path} describes no signal (it may only go with annotations): point to a record with signals."
        )
    fs = float(rest[1].split("/")[0]) if len(rest) > 1 else 250.0
    if not (math.isfinite(fs) and fs > 0):
        raise UnreadableError(f"{path} gives a sampling rate of {fs:g} Hz: correct its first line.")
    header = Header(path, fs, int(rest[0]), int(rest[2]) if len(rest) > 2 else None)
    if len(rest) < 2:
        header.notes.append("The header gives no sampling rate: WFDB's default of 250 Hz is used.")
    if _FOLDER.match(name):
        header.notes.append("The header names its record with a folder before it: the file's name is used.")
    elif name.split("/")[0] != path.stem:  # not quoted: a name may identify, and notes reach shards
        header.notes.append("The header names its record otherwise than its file is named: the file's name is used.")
    return header


def _parse_segments(path: Path, lines: list[str], n_frames: int | None) -> list[tuple[str, int]]:
    segments = []
    for line in lines[1:]:
        name, *rest = line.split()
        if not (name == GAP or _SEGMENT.fullmatch(name)) or len(rest) != 1 or not _COUNT.fullmatch(rest[0]):
            raise UnreadableError(f"{path} lists a segment as '{line[:60]}', where a name and a length are wanted.")
        segments.append((name, int(rest[0])))
    announced = lines[0].split()[0].split("/")[1]
    if announced != str(len(segments)) or not segments:
        raise UnreadableError(f"{path} announces {announced[:60]} segments and lists {len(segments)}: fetch it again.")
    total = sum(length for _, length in segments)
    if n_frames is not None and n_frames != total:
        raise UnreadableError(f"{path} announces {n_frames} samples, and its segments add up to {total}: correct it.")
    if total == 0:
        raise UnreadableError(f"{path} is a record without samples: fetch or export it again.")
    return segments


def _parse_signal(path: Path, row: int, line: str, no_gain: list[str], no_unit: list[str]) -> SignalLine:
    """One signal; its name joins the lists of those without a gain or unit of their own."""
    file, storage, gain, rest = (*line.split(maxsplit=3), "", "", "")[:4]
    match = _REST.fullmatch(rest)
    assert match is not None  # all of it is optional
    _, zero, first, checksum, _ = (None if number is None else int(number) for number in match.groups()[:5])
    name = match["name"] or f"signal {row}"
    stored = _storage(storage)
    if stored is None:
        raise UnreadableError(f"{path} gives '{storage[:60]}' as the storage format of '{name}': correct it.")
    calibration = _calibration(gain)
    if calibration is None:
        raise UnreadableError(
            f"{path} gives '{gain[:60]}' as gain and unit of '{name}', where gain(baseline)/unit is wanted: correct it."
        )
    per_unit, baseline, unit = calibration
    if not per_unit:
        no_gain.append(name)
    if not unit:
        no_unit.append(name)
    zero = zero or 0
    return SignalLine(
        file,
        *stored,
        gain=per_unit or 200.0,  # header(5): nothing and 0 mean 200
        baseline=zero if baseline is None else baseline,
        unit=unit or "mV",
        first=zero if first is None else first,
        checksum=checksum,
        name=name,
    )


@lru_cache(1024)
def _storage(text: str) -> tuple[str, int, int, int] | None:
    """Format, samples per frame, skew and byte offset from "212x4:3+24"; None where it is something else."""
    match = _FORMAT.fullmatch(text)
    return match and (match[1], int(match[2] or 1) or 1, int(match[3] or 0), int(match[4] or 0))


@lru_cache(1024)
def _calibration(text: str) -> tuple[float, int | None, str] | None:
    """Gain (0 = not given), baseline (None = the ADC's zero) and unit from "200(1024)/mV"; None for anything else."""
    match = _GAIN.fullmatch(text)
    gain = float((match and match["gain"]) or 0)
    if match is None or not (math.isfinite(gain) and (gain == 0 or math.isfinite(1 / gain))):
        return None
    return gain, None if match["baseline"] is None else int(match["baseline"]), match["unit"] or ""
