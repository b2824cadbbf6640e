"""Writes a WFDB record: header, one signal file, annotations; the stored integers, missing samples as WFDB has them.

Format: WFDB Applications Guide, header(5), signal(5) and annot(5), https://physionet.org/physiotools/wag/.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.recording import BLOCK_BYTES, Annotation, Recording, Stream

_MISSING = {16: -(2**15), 32: -(2**31)}
"""Code of a missing sample in formats 16 and 32 (signal(5))."""

_ANNOTATOR = re.compile(r"(?!dat:|hea:)([a-z]{1,4}):(\S.*)", re.DOTALL)
_TEXT = '"'
_RHYTHM = "+"
_LONGEST_TEXT = 255


def write_wfdb(recording: Recording, streams: Sequence[Stream], header: Path) -> None:
    """Write streams of one onset as one record; each stream keeps its rate.

    Parameters
    ----------
    recording : Recording
        Gives subject, report, diagnoses and annotations.
    streams : sequence of Stream
        Of equal duration; their samples may be in a file.
    header : Path
        The ``.hea``; the other files lie beside it.

    Raises
    ------
    DataError
        If the samples are not integers, a channel's zero lies between two integers, or the rates fit no frame.
    """
    per_frame, n_frames, fs = _frames(recording, streams)
    bits = 32 if any(stream.samples.dtype == np.int32 or _uses_code(stream) for stream in streams) else 16
    n_signals = sum(stream.n_chans for stream in streams)
    lines = [f"{header.stem} {n_signals} {np.format_float_positional(fs, trim='-')} {n_frames}"]
    data = header.with_suffix(".dat")
    first, sums = _write_samples(streams, per_frame, n_frames, bits, data)
    row = 0
    for stream, k in zip(streams, per_frame, strict=True):
        for i, channel in enumerate(stream.channels):
            gain, baseline = _calibration(
                recording, channel.source_name, float(stream.scale[i]), float(stream.offset[i])
            )
            unit = re.sub(r"\s", "_", channel.unit) or "NU"
            total = (int(sums[row]) + 2**15) % 2**16 - 2**15
            frames = f"x{k}" if k > 1 else ""
            lines.append(
                f"{data.name} {bits}{frames} {gain!r}({baseline})/{unit} {bits} 0 {first[row]} {total} 0 "
                f"{_in_one_line(channel.source_name)}"
            )
            row += 1
    header.write_text("\n".join([*lines, *_comments(recording)]) + "\n", encoding="utf-8")
    _write_annotations(recording.annotations, max(stream.sfreq for stream in recording.streams), header)


def _frames(recording: Recording, streams: Sequence[Stream]) -> tuple[list[int], int, float]:
    """Samples of each stream in a frame, number of frames, frames per second."""
    n_frames = math.gcd(*(stream.n_times for stream in streams)) if len(streams) > 1 else streams[0].n_times
    per_frame = [stream.n_times // max(n_frames, 1) for stream in streams]
    fs = streams[0].sfreq / max(per_frame[0], 1)
    fits = all(fs * k == stream.sfreq for k, stream in zip(per_frame, streams, strict=True))
    if not n_frames or not fits or len(set(per_frame)) < len(streams):
        rates = ", ".join(f"{stream.sfreq:g}" for stream in streams)
        raise DataError(
            f"Recording '{recording.id}' has signals of {rates} Hz and lengths that fit no WFDB frame: export each "
            "rate as a record of its own."
        )
    return per_frame, n_frames, fs


def _uses_code(stream: Stream) -> bool:
    """True if a real value is the one that stands for a missing sample in 16 bits."""
    return any(bool((np.asarray(b.samples) == _MISSING[16])[b.valid()].any()) for b in stream.blocks())


def _write_samples(
    streams: Sequence[Stream], per_frame: Sequence[int], n_frames: int, bits: int, path: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First value and sum of each signal, as a header tells them; all frames are in the file."""
    dtype = np.dtype(f"<i{bits // 8}")
    frame_bytes = sum(stream.n_chans * k for stream, k in zip(streams, per_frame, strict=True)) * dtype.itemsize
    length = max(BLOCK_BYTES // frame_bytes, 1)
    firsts: list[NDArray[np.int64]] = []
    sums = np.zeros(sum(stream.n_chans for stream in streams), np.int64)
    with path.open("wb") as file:
        for start in range(0, n_frames, length):
            n = min(length, n_frames - start)
            parts, totals, heads = [], [], []
            for stream, k in zip(streams, per_frame, strict=True):
                block = stream.slice(start * k, (start + n) * k)
                values = np.array(block.samples, dtype)
                for channel, a, b in block.invalid:
                    values[channel, a:b] = _MISSING[bits]
                totals.append(values.sum(axis=1, dtype=np.int64))
                heads.append(values[:, 0].astype(np.int64))
                parts.append(values.reshape(-1, n, k).transpose(1, 0, 2).reshape(n, -1))
            firsts = firsts or heads
            sums += np.concatenate(totals)
            file.write(np.ascontiguousarray(np.hstack(parts)).data)
    return np.concatenate(firsts), sums


def _calibration(recording: Recording, name: str, scale: float, offset: float) -> tuple[float, int]:
    """Gain and baseline; a gain whose inverse is `scale` to the last bit, where there is one.

    Raises
    ------
    DataError
        If the baseline is not a whole number, or there is no scale.
    """
    baseline = -offset / scale if scale else math.nan
    if not math.isfinite(baseline) or abs(baseline - round(baseline)) > 0.01 or abs(baseline) >= 2**31:
        raise DataError(
            f"Channel '{name}' of recording '{recording.id}' has its zero at {baseline:g} steps, where WFDB holds "
            "whole ones: export it as EDF."
        )
    near = 1 / scale
    around = (near, math.nextafter(near, math.inf), math.nextafter(near, -math.inf))
    return next((gain for gain in around if 1 / gain == scale), near), round(baseline)


def _comments(recording: Recording) -> list[str]:
    """Comments of a header on the subject, in the form of the PhysioNet challenges, and the report."""
    lines = []
    subject, codes = recording.subject, recording.labels.get("dx")
    if subject is not None and subject.age is not None:
        lines.append(f"#Age: {subject.age:g}")
    if subject is not None and subject.sex is not None:
        lines.append(f"#Sex: {subject.sex.capitalize()}")
    if isinstance(codes, list):
        lines.append(f"#Dx: {','.join(map(str, codes))}")
    return [*lines, *(f"#{line}" for line in (recording.report or "").splitlines() if line.strip())]


def _in_one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


def _write_annotations(annotations: Sequence[Annotation], sfreq: float, header: Path) -> None:
    """One file per annotator: a label that begins "qrs:" goes to ``.qrs``, others to the reference ``.atr``.

    Events before the first sample have no place in such a file and are left out.
    """
    import wfdb  # slow

    known = {symbol for symbol in wfdb.io.annotation.ann_label_table["symbol"] if symbol.strip()}
    by_file: dict[str, list[tuple[int, str, str]]] = {}
    for annotation in annotations:
        match = _ANNOTATOR.fullmatch(annotation.label)
        extension, label = (match[1], match[2]) if match else ("atr", annotation.label)
        sample = round(annotation.onset * sfreq)
        if sample < 0:
            continue
        symbol, text = (label, "") if label in known else (_TEXT, label)
        if text.startswith("(") or (text and sample == 0):  # wfdb's Python drops comments at sample 0
            symbol = _RHYTHM
        text = _in_one_line(text).encode("ascii", "replace").decode()[:_LONGEST_TEXT]
        by_file.setdefault(extension, []).append((sample, symbol, text))
    for extension, rows in by_file.items():
        samples, symbols, texts = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
        wfdb.wrann(
            header.stem,
            extension,
            np.array(samples),
            list(symbols),
            aux_note=list(texts),
            fs=sfreq,
            write_dir=str(header.parent),
        )
