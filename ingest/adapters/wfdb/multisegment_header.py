"""Multi-segment WFDB records: a header that lists segments and gaps, checked against the segments.

Format: WFDB Applications Guide, header(5), https://physionet.org/physiotools/wag/header-5.htm. In a record of fixed
layout every segment holds the same signals; in one of variable layout the first "segment" has no samples and names
all signals, of which each segment holds some. "~" stands for a gap.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from biosig.errors import UnreadableError
from biosig.source_files import check_present
from ingest.adapters.wfdb.header import GAP, Header, SignalLine, parse_header
from ingest.adapters.wfdb.signal_files import open_files

_MAX_UNHELD = 2**26
_MAX_SPREAD = 64
"""A record may announce this many samples, or this many times those that its files hold, in gaps and absent signals.

A patient's stay of a week with a few hours of signals is below that; a wrong count is mostly far above."""

Key = tuple[str, int]
"""A signal's name and how many of that name come before it in the same header."""


@dataclass(slots=True)
class Master:
    """A list of segments, each known to be there and as long as the list says.

    Parameters
    ----------
    header : Header
        The header that lists them.
    files : list of Path
        The layout header, then each segment's header and signal files once.
    layout : dict
        Every signal's key → its line in a header.
    segments : list of (int, Path)
        First frame and header of each segment that holds samples; the frames between them are gaps.
    headers : dict
        Those headers, parsed.
    lengths : dict
        Frames of each.
    n_frames : int
        Length of the whole.
    notes : list of str
        Sentences for the user.
    """

    header: Header
    files: list[Path]
    layout: dict[Key, SignalLine]
    segments: list[tuple[int, Path]]
    headers: dict[Path, Header]
    lengths: dict[Path, int]
    n_frames: int
    notes: list[str] = field(default_factory=list)


def keyed(signals: Sequence[SignalLine]) -> dict[Key, SignalLine]:
    """Signals by their key, in the order of the header."""
    seen: Counter[str] = Counter()
    found = {}
    for signal in signals:
        found[signal.name, seen[signal.name]] = signal
        seen[signal.name] += 1
    return found


def check_segments(header: Header) -> Master:
    """Check a header that lists segments against these and their signal files.

    Raises
    ------
    UnreadableError
        One sentence: a segment is absent, damaged, or other than the list says.
    """
    path = header.path
    rows = list(header.segments)
    files: list[Path] = []
    layout: dict[Key, SignalLine] = {}
    variable = rows[0][1] == 0 and rows[0][0] != GAP
    if variable:
        files.append(path.with_name(f"{rows.pop(0)[0]}.hea"))
        check_present(files[0], wanted_by=path)
        layout = keyed(_with_signals(parse_header(files[0]), path).signals)
    headers: dict[Path, Header] = {}
    lengths: dict[Path, int] = {}
    notes = list(header.notes)
    segments = []
    start = 0
    for name, length in rows:
        if name != GAP:
            part = path.with_name(f"{name}.hea")
            if part not in headers:
                check_present(part, wanted_by=path)
                headers[part] = _with_signals(parse_header(part), path)
                signal_files, lengths[part], size_notes = open_files(headers[part])
                files += [part, *(file.path for file in signal_files)]
                notes += [*headers[part].notes, *size_notes]
                layout = layout or keyed(headers[part].signals)
                _check_segment(header, headers[part], layout, variable)
            if lengths[part] != length:
                raise UnreadableError(
                    f"{part} holds {lengths[part]} samples per signal, where {path.name} wants {length}: fetch both "
                    "again."
                )
            segments.append((start, part))
        start += length
    if not layout:
        raise UnreadableError(f"{path} lists gaps and no segment: fetch or export it again.")
    if len(layout) != header.n_signals:
        raise UnreadableError(
            f"{path} announces {header.n_signals} signals, and its segments hold {len(layout)}: correct its first line."
        )
    _check_size(path, start, layout, [(lengths[part], headers[part]) for part in headers])
    if any(part.comments for part in headers.values()):
        notes.append("Comments in the headers of segments are left out.")
    return Master(
        header, list(dict.fromkeys(files)), layout, segments, headers, lengths, start, list(dict.fromkeys(notes))
    )


def _with_signals(part: Header, master: Path) -> Header:
    if part.segments:
        raise UnreadableError(f"{part.path} lists segments, where {master.name} wants signals: correct one of them.")
    return part


def _check_segment(master: Header, part: Header, layout: dict[Key, SignalLine], variable: bool) -> None:
    path = master.path
    if not math.isclose(part.fs, master.fs, rel_tol=1e-6):
        raise UnreadableError(
            f"{part.path} has {part.fs:g} frames per second, where {path.name} has {master.fs:g}: correct one of them."
        )
    keys = list(keyed(part.signals))
    if any(key not in layout for key in keys) or not (variable or keys == list(layout)):
        raise UnreadableError(
            f"{part.path} holds the signals {', '.join(name for name, _ in keys)}, where {path.name} wants "
            f"{', '.join(name for name, _ in layout)}: correct the headers."
        )


def _check_size(path: Path, n_frames: int, layout: dict[Key, SignalLine], parts: list[tuple[int, Header]]) -> None:
    """Refuse lengths that the files do not bear out: gaps cost no memory, but the time to pass over them."""
    total = n_frames * sum(signal.per_frame for signal in layout.values())
    held = sum(length * sum(signal.per_frame for signal in part.signals) for length, part in parts)
    if total - held > max(_MAX_UNHELD, _MAX_SPREAD * held):
        raise UnreadableError(
            f"{path} announces {total} samples of which its segments hold {held}: correct the lengths, or read the "
            "segments one by one."
        )
