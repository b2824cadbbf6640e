"""Data records of EDF, BDF and GDF: numbers read on demand, annotations, and the start times of the records."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.recording import Annotation
from ingest.adapters.common.gaps import check_span, gaps, note_on_gaps, refuse_backwards, sample_positions
from ingest.adapters.edf.header import EdfFile, EdfSignal, text_of

_CHUNK = 2**21
"""Bytes of data records that are read at once: they stay in the processor's cache until they are sorted."""
_ROUNDED = 0.01
"""Seconds by which the times in a continuous file may be off: its writer rounded them."""


@dataclass(frozen=True, slots=True)
class Run:
    """Data records `first` to `stop` (excluded) follow each other without a gap; `onset` seconds after the first."""

    first: int
    stop: int
    onset: float


class EdfSamples(LazySamples):
    """Numbers of signals that share a rate and a type, as the file has them; zero in gaps.

    Parameters
    ----------
    file : EdfFile
        The checked header.
    signals : sequence of EdfSignal
        With equal `n_samples` and `number`.
    runs : sequence of Run
        In order of time, without overlap.
    """

    def __init__(self, file: EdfFile, signals: Sequence[EdfSignal], runs: Sequence[Run]) -> None:
        self._file, self._signals, self._runs = file, list(signals), list(runs)
        self._n, self._number = signals[0].n_samples, signals[0].number
        sfreq = self._n / file.record_duration
        lengths = [(run.stop - run.first) * self._n for run in runs]
        self.starts = sample_positions([run.onset for run in runs], lengths, sfreq)
        """First sample of each run."""
        self.stops = [start + length for start, length in zip(self.starts, lengths, strict=True)]
        self.gaps = gaps(self.starts, lengths, len(self._signals))
        """Samples that no data record holds, as a stream's `invalid`."""
        super().__init__((len(self._signals), self.stops[-1]), self._number.kept)
        self._record_bytes = file.record_bytes

    @property
    def reach(self) -> float | None:
        """BDF keeps its samples of 24 bits in 32."""
        return 2.0**23 if self._number.width == 3 else None

    def pick(self, rows: Sequence[int]) -> EdfSamples:
        """The given rows, in the given order; only they are taken out of the records."""
        return EdfSamples(self._file, [self._signals[row] for row in rows], self._runs)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples `start` to `stop` of every signal, shape (C, stop − start)."""
        out = np.zeros((self.shape[0], stop - start), self.dtype)
        with self._file.path.open("rb", buffering=0) as handle:
            for k in range(max(bisect_right(self.starts, start) - 1, 0), len(self._runs)):
                a, b = max(start, self.starts[k]), min(stop, self.stops[k])
                if a < b:
                    shift = self._runs[k].first * self._n - self.starts[k]
                    self._copy(handle, a + shift, b + shift, out[:, a - start : b - start])
                if self.stops[k] >= stop:
                    break
        return out

    def _copy(self, handle: BinaryIO, start: int, stop: int, out: NDArray[Any]) -> None:
        """Samples `start` to `stop`, counted from the first data record as if none were missing, into `out`."""
        at = start
        while at < stop:
            record, skip = divmod(at, self._n)
            whole = min((stop - at) // self._n, _CHUNK // self._record_bytes) if skip == 0 else 0
            take = whole * self._n or min(self._n - skip, stop - at)
            part = out[:, at - start : at - start + take]
            if whole:
                self._copy_records(handle, record, whole, part)
            else:
                self._copy_part(handle, record, skip, part)
            at += take

    def _copy_records(self, handle: BinaryIO, first: int, n_records: int, out: NDArray[Any]) -> None:
        """Whole records, in one read."""
        data = self._bytes(handle, first * self._record_bytes, n_records * self._record_bytes)
        for row, signal in zip(out, self._signals, strict=True):
            numbers = self._numbers(data, signal.place, (n_records, self._n))
            row.reshape(n_records, self._n)[...] = numbers
        self._settle(out)

    def _copy_part(self, handle: BinaryIO, record: int, skip: int, out: NDArray[Any]) -> None:
        """Part of one record, whose size is the writer's choice: each signal in a read of its own."""
        width = self._number.width
        for row, signal in zip(out, self._signals, strict=True):
            place = record * self._record_bytes + signal.place + skip * width
            data = self._bytes(handle, place, out.shape[1] * width)
            row[...] = self._numbers(data, 0, (1, out.shape[1]))[0]
        self._settle(out)

    def _bytes(self, handle: BinaryIO, place: int, size: int) -> NDArray[np.uint8]:
        """`size` bytes from `place` within the data records; one byte before them if a sample has three."""
        before = int(self._number.width == 3)
        data = np.empty(before + size, np.uint8)
        _fill(handle, self._file, place, data[before:])
        return data

    def _numbers(self, data: NDArray[np.uint8], place: int, shape: tuple[int, int]) -> NDArray[Any]:
        """Samples within `data`; those of three bytes as four, of which the lowest is not theirs."""
        strides = (self._record_bytes, self._number.width)
        return np.ndarray(shape, self._number.stored, data.data, offset=place, strides=strides)

    def _settle(self, out: NDArray[Any]) -> None:
        if self._number.width == 3:
            out >>= 8  # the sign comes along


def _fill(handle: BinaryIO, file: EdfFile, place: int, out: NDArray[np.uint8]) -> None:
    handle.seek(file.header_bytes + place)
    view, got = out.data, 0
    while got < len(view):
        n = handle.readinto(view[got:])  # type: ignore[attr-defined]
        if not n:
            raise UnreadableError(f"{file.path} became shorter while it was read: fetch it again.")
        got += n


def read_annotations(file: EdfFile) -> tuple[list[Annotation], NDArray[np.float64]]:
    """Annotations that EDF+ writes between the samples, and start times of the data records.

    Returns
    -------
    annotations : list of Annotation
        Onsets in seconds after the first data record.
    starts : ndarray of float64, shape (n_records,) or (0,)
        Start of each data record in seconds after the first; NaN where it states none, empty for plain EDF.
    """
    found: list[Annotation] = []
    signals = [s for s in file.signals if s.is_annotations and s.n_samples]
    starts = np.full(file.n_records if signals else 0, np.nan)
    for i, signal in enumerate(signals):
        for record, data in enumerate(_annotation_bytes(file, signal)):
            for n, (onset, duration, texts) in enumerate(_tals(data)):
                if i == 0 and n == 0:  # the first list of the first annotation channel keeps the record's time
                    starts[record] = onset
                found += [Annotation(onset, duration, text) for text in texts if text]
    first = float(starts[0]) if len(starts) and np.isfinite(starts[0]) else 0.0
    return [Annotation(a.onset - first, a.duration, a.label) for a in found], starts - first


def _annotation_bytes(file: EdfFile, signal: EdfSignal) -> Iterator[bytes]:
    """The bytes of one annotation channel, record by record."""
    out = np.empty(signal.n_samples * signal.number.width, np.uint8)
    record_bytes = file.record_bytes
    with file.path.open("rb", buffering=0) as handle:
        for record in range(file.n_records):
            _fill(handle, file, record * record_bytes + signal.place, out)
            yield out.tobytes()


def _tals(record: bytes) -> list[tuple[float, float, list[str]]]:
    """Time-stamped annotation lists of one data record: (onset, duration, texts)."""
    lists = []
    for tal in record.split(b"\x00"):
        stamp, *texts = tal.split(b"\x14")
        onset, _, duration = stamp.partition(b"\x15")
        try:
            lists.append((float(onset), float(duration or 0), [text_of(text) for text in texts]))
        except ValueError:  # padding, or bytes that are not an annotation
            continue
    return lists


def runs_of(file: EdfFile, starts: NDArray[np.float64]) -> tuple[list[Run], list[str]]:
    """Runs of data records that follow each other, and notes on the gaps between them.

    Raises
    ------
    UnreadableError
        If records overlap or go back in time, lie so far apart that the span is mostly gap, or if those of a
        discontinuous file (EDF+D) do not say when they begin.
    """
    whole = [Run(0, file.n_records, 0.0)]
    if file.discontinuous and not (len(starts) and np.isfinite(starts).all()):
        raise UnreadableError(
            f"{file.path} is discontinuous (EDF+D), but not every data record says when it begins: export it again."
        )
    if not len(starts):
        return whole, []
    tolerance = file.record_duration / (2 * max(s.n_samples for s in file.signals))  # half a sample
    starts = _with_unknown(starts, file.record_duration)
    off = np.diff(starts) - file.record_duration
    if not file.discontinuous:
        if 2 * (np.abs(off) > tolerance).sum() > len(off):
            return whole, [
                f"The clock of the data records drifts by {off.sum():.3g} s against their duration of "
                f"{file.record_duration:g} s: taken as continuous, as the header says."
            ]
        tolerance = max(tolerance, _ROUNDED)
    breaks = np.flatnonzero(np.abs(off) > tolerance) + 1
    if not len(breaks):
        return whole, []
    if (late := off[breaks - 1]).min() < -tolerance:
        record = int(breaks[np.argmin(late)])
        where = f"The clock of {file.path} at data record {record + 1}"
        raise refuse_backwards(where, float(-late.min()), float(starts[record - 1]) + file.record_duration)
    per_record = sum(s.n_samples for s in file.signals if not s.is_annotations)
    span, held = float(starts[-1]) + file.record_duration, file.n_records * file.record_duration
    check_span(file.path, span, held, per_record / file.record_duration)
    edges = [0, *breaks.tolist(), file.n_records]
    runs = [Run(a, b, float(starts[a])) for a, b in pairwise(edges)]
    lengths = [(run.stop - run.first) * file.record_duration for run in runs]
    notes = note_on_gaps("The recording", [run.onset for run in runs], lengths)
    if not file.discontinuous:
        notes.append("Its header says that it is continuous; the times of its data records are believed.")
    return runs, notes


def _with_unknown(starts: NDArray[np.float64], duration: float) -> NDArray[np.float64]:
    """The starts of records; a record that does not state its own is taken to follow the last that did."""
    known = np.maximum.accumulate(np.where(np.isfinite(starts), np.arange(len(starts)), 0))
    return np.where(np.isfinite(starts[known]), starts[known], 0.0) + (np.arange(len(starts)) - known) * duration
