"""Writes an EDF+ or BDF+ file: the source's integers, their calibration in eight characters, annotations between them.

Format: Kemp et al., Electroenceph. clin. Neurophysiol. 82:391 (1992); EDF+: Kemp and Olivan, Clin. Neurophysiol.
114:1755 (2003), https://www.edfplus.info/specs/edfplus.html. BDF+ is EDF+ with 24-bit samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.export.edf_calibration import Calibration, calibrate
from biosig.export.edf_layout import Layout, lay_out
from biosig.recording import BLOCK_BYTES, Annotation, Recording, Stream

_PADDING = "BAD_padding"
_MISSING = "BAD_missing"
_MOST_ANNOTATION_BYTES = 4096
"""In a data record; where events crowd, they are spread over the records instead."""


def edf_suffix(streams: Sequence[Stream]) -> str:
    """The extension: .edf where 16 bits hold all samples, else .bdf."""
    return ".edf" if all(stream.samples.dtype == np.int16 for stream in streams) else ".bdf"


def write_edf(recording: Recording, streams: Sequence[Stream], path: Path) -> None:
    """Write streams of equal duration; each keeps its rate.

    Samples that are missing in all channels become annotations ``BAD_missing``, as does ``BAD_padding`` what fills the
    last data record; Biosig and MNE read both as missing.

    Parameters
    ----------
    recording : Recording
        Gives the subject's sex and the annotations; names and dates are left empty, as EDF+ wants it of anonymous ones.
    streams : sequence of Stream
        Their samples may be in a file.
    path : Path
        Ending as `edf_suffix` says.

    Raises
    ------
    DataError
        If samples are missing in some channels only, need more than 24 bits, or a rate fits no data record.
    """
    n_bytes = 2 if path.suffix == ".edf" else 3
    layout = lay_out(recording.id, streams, n_bytes)
    events = [*recording.annotations, *_missing(recording, streams)]
    duration = streams[0].n_times / streams[0].sfreq
    padding = layout.n_records * layout.per_record[0] / streams[0].sfreq - duration
    if layout.padded:
        events.append(Annotation(duration, padding, _PADDING))
    calibrations = [
        calibrate(recording.id, channel.source_name, float(scale), float(offset), limits, n_bytes)
        for stream in streams
        for channel, scale, offset, limits in zip(
            stream.channels, stream.scale, stream.offset, _limits(stream), strict=True
        )
    ]
    texts = _annotation_texts(events, layout)
    width = -(-max(map(len, texts)) // n_bytes)
    with path.open("wb") as file:
        file.write(_header(recording, streams, layout, calibrations, width, n_bytes))
        _write_records(file, streams, layout, [text.ljust(width * n_bytes, b"\0") for text in texts], n_bytes)


def _missing(recording: Recording, streams: Sequence[Stream]) -> list[Annotation]:
    """Annotations for runs that are invalid in all channels and not yet under one that starts with "bad"."""
    bad = [a for a in recording.annotations if a.label.lower().startswith("bad") and a.duration > 0]
    spans: list[set[tuple[float, float]]] = []
    for stream in streams:
        for row in range(stream.n_chans):
            found = set()
            for start, stop in _joined(stream.invalid[stream.invalid[:, 0] == row, 1:]):
                onset, end = start / stream.sfreq, stop / stream.sfreq
                half = 0.5 / stream.sfreq
                if not any(a.onset - half <= onset and end <= a.onset + a.duration + half for a in bad):
                    found.add((onset, end - onset))
            spans.append(found)
    if any(found != spans[0] for found in spans):
        raise DataError(
            f"Recording '{recording.id}' misses samples in some of its channels only, which EDF cannot say: export it "
            "as WFDB."
        )
    return [Annotation(onset, length, _MISSING) for onset, length in sorted(spans[0])]


def _joined(runs: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Runs (start, stop) in order; those that touch or overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(runs.tolist()):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def _limits(stream: Stream) -> NDArray[np.int64]:
    """Lowest and highest sample of each channel, shape (C, 2)."""
    blocks = (np.asarray(block.samples) for block in stream.blocks())
    limits = np.array([(samples.min(axis=1), samples.max(axis=1)) for samples in blocks], np.int64)
    return np.column_stack((limits[:, 0].min(axis=0), limits[:, 1].max(axis=0)))


def _annotation_texts(events: Sequence[Annotation], layout: Layout) -> list[bytes]:
    """The time-stamped annotation lists of each data record; the first tells when the record begins."""
    records: list[list[bytes]] = [[] for _ in range(layout.n_records)]
    encoded = [(event.onset, _tal(event)) for event in sorted(events, key=lambda event: event.onset)]
    for onset, tal in encoded:
        records[min(max(int(onset / layout.duration), 0), layout.n_records - 1)].append(tal)
    if max(sum(map(len, record)) for record in records) > _MOST_ANNOTATION_BYTES:
        parts = np.array_split(np.arange(len(encoded)), layout.n_records)
        records = [[encoded[i][1] for i in part] for part in parts]
    starts = (f"+{_decimal(number * layout.duration)}\x14\x14\x00".encode() for number in range(layout.n_records))
    return [start + b"".join(record) for start, record in zip(starts, records, strict=True)]


def _tal(event: Annotation) -> bytes:
    length = f"\x15{_decimal(event.duration)}" if event.duration else ""
    text = "".join(character for character in event.label if character not in "\x00\x14\x15")
    sign = "+" if event.onset >= 0 else ""
    return f"{sign}{_decimal(event.onset)}{length}\x14{text}\x14\x00".encode()


def _decimal(number: float) -> str:
    return np.format_float_positional(number, trim="-")


def _header(
    recording: Recording,
    streams: Sequence[Stream],
    layout: Layout,
    calibrations: Sequence[Calibration],
    width: int,
    n_bytes: int,
) -> bytes:
    sex = {"female": "F", "male": "M"}.get((recording.subject.sex if recording.subject else None) or "", "X")
    kind = "EDF" if n_bytes == 2 else "BDF"
    names = [channel.source_name for stream in streams for channel in stream.channels] + [f"{kind} Annotations"]
    units = [channel.unit for stream in streams for channel in stream.channels] + [""]
    most = 2 ** (8 * n_bytes - 1)
    rows = [*calibrations, Calibration("-1", "1", -most, most - 1)]
    counts = [n for stream, n in zip(streams, layout.per_record, strict=True) for _ in stream.channels] + [width]
    head = b"0".ljust(8) if n_bytes == 2 else b"\xffBIOSEMI"
    fields = (
        (f"X {sex} X X", 80),
        ("Startdate X X X X", 80),
        ("01.01.85", 8),  # what EDF+ writes where the date is not to be told
        ("00.00.00", 8),
        (256 * (len(names) + 1), 8),
        (f"{kind}+C", 44),
        (layout.n_records, 8),
        (layout.duration_text, 8),
        (len(names), 4),
        *((name, 16) for name in names),
        *(("", 80) for _ in names),
        *((unit, 8) for unit in units),
        *((row.physical_min, 8) for row in rows),
        *((row.physical_max, 8) for row in rows),
        *((row.digital_min, 8) for row in rows),
        *((row.digital_max, 8) for row in rows),
        *(("", 80) for _ in names),
        *((count, 8) for count in counts),
        *(("", 32) for _ in names),
    )
    return head + b"".join(str(value).encode("utf-8")[:size].ljust(size) for value, size in fields)


def _write_records(
    file: object, streams: Sequence[Stream], layout: Layout, texts: Sequence[bytes], n_bytes: int
) -> None:
    size = sum(n * stream.n_chans for stream, n in zip(streams, layout.per_record, strict=True)) * n_bytes
    step = max(BLOCK_BYTES // (size + len(texts[0])), 1)
    for first in range(0, layout.n_records, step):
        n = min(step, layout.n_records - first)
        parts = []
        for stream, k in zip(streams, layout.per_record, strict=True):
            block = stream.slice(first * k, min((first + n) * k, stream.n_times))
            samples = np.asarray(block.samples)
            values = np.pad(samples, ((0, 0), (0, n * k - block.n_times)), mode="edge").astype("<i4")
            raw = values.view(np.uint8).reshape(stream.n_chans, n, k, 4)[..., :n_bytes]
            parts.append(raw.transpose(1, 0, 2, 3).reshape(n, -1))
        parts.append(np.frombuffer(b"".join(texts[first : first + n]), np.uint8).reshape(n, -1))
        file.write(np.ascontiguousarray(np.hstack(parts)).data)  # type: ignore[attr-defined]
