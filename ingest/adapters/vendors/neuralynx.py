"""Neuralynx folders: one .ncs file per channel, as 16-bit integers, and the events of Events.nev.

Format: https://neuralynx.fh-co.com, "Neuralynx Data File Formats": 16 KB of text, then records of fixed size, each
with the time of its first sample in microseconds. MNE's reader needs another package and one rate for all channels.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.reading import Adapter, Signals, make_recording
from biosig.recording import Annotation, Recording
from biosig.source_files import check_present
from ingest.adapters.common.gaps import check_span, gaps, note_on_gaps, refuse_backwards, sample_positions

_HEADER = 16384
_PER_RECORD = 512
_RECORD = np.dtype(
    [("time", "<u8"), ("channel", "<u4"), ("sfreq", "<u4"), ("n_valid", "<u4"), ("samples", "<i2", _PER_RECORD)]
)
_EVENT = np.dtype([("head", "V6"), ("time", "<u8"), ("event", "V42"), ("text", "S128")])
_RECORDS_AT_ONCE = 256
_DRIFT = 0.05
"""Seconds of drift below which no note is needed: events are where a reader would put them."""


@dataclass(slots=True)
class NcsFile:
    """One channel: its header's fields; time in us and number of valid samples of each record, shape (n_records,)."""

    path: Path
    fields: dict[str, str]
    times: NDArray[np.int64]
    n_valid: NDArray[np.int64]

    def number(self, key: str) -> float:
        """A number of the header."""
        try:
            value = float(self.fields.get(key, "").split()[0])
        except (ValueError, IndexError):
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise UnreadableError(f"{self.path} gives no usable '{key}' in its header: fetch or export it again.")
        return value


class NeuralynxAdapter(Adapter):
    """Reads folders of .ncs files; channels with the same rate and the same times are one stream."""

    name = "neuralynx"
    describes = "Neuralynx folders (with .ncs)"

    def claims_folder(self, path: Path) -> bool:
        """True if `path` is a folder with .ncs files."""
        return bool(_channel_files(path))

    def read_recording(self, path: Path, *, lazy: bool) -> Recording:
        """Read one recording; samples that no record holds are invalid.

        Raises
        ------
        UnreadableError
            If a file is damaged or cut short, or the records of a channel go back in time.
        """
        files = [_open_ncs(file) for file in _channel_files(path)]
        start = min(int(file.times[0]) for file in files)
        groups: dict[tuple[float, bytes, bytes], list[int]] = {}
        for row, file in enumerate(files):
            key = file.number("SamplingFrequency"), file.times.tobytes(), file.n_valid.tobytes()
            groups.setdefault(key, []).append(row)
        streams: list[Signals] = []
        notes = []
        for (sfreq, *_), rows in groups.items():
            samples = NcsSamples([files[row] for row in rows], sfreq)
            names = [files[row].path.stem for row in rows]
            streams.append(
                Signals(
                    sfreq=sfreq,
                    ch_names=names,
                    units="uV",
                    samples=samples if lazy else samples.read(0, samples.shape[1]),
                    scale=np.array([_microvolts_per_step(files[row]) for row in rows]),
                    invalid=samples.gaps,
                    onset=(int(files[rows[0]].times[0]) - start) / 1e6,
                )
            )
            runs = [np.divide(places, sfreq).tolist() for places in (samples.starts, samples.lengths)]
            notes += note_on_gaps(f"The recording of {', '.join(names)}", *runs)
            if abs(samples.drift) > _DRIFT:
                notes.append(
                    f"The clock of {', '.join(names)} drifts by {samples.drift:.3g} s against {sfreq:g} Hz: the rate "
                    "in the header is not quite that of the samples."
                )
        return make_recording(
            path,
            self.name,
            streams,
            name=path.name,
            files=[file.path for file in files] + _event_files(path),
            annotations=_events(path, start),
            notes=notes,
        )


class NcsSamples(LazySamples):
    """The integers of channels with equal record times, zero in gaps."""

    def __init__(self, files: Sequence[NcsFile], sfreq: float) -> None:
        self._files = list(files)
        first = self._files[0]
        times = (first.times - first.times[0]) / 1e6
        steps = np.diff(times) * sfreq - first.n_valid[:-1]  # samples missing before each record
        if len(steps) and steps.min() < -1:
            record = int(np.argmin(steps)) + 1
            where = f"The clock of {first.path} at record {record + 1}"
            raise refuse_backwards(where, float(-steps.min()) / sfreq, float(times[record - 1]))
        breaks = [0, *(np.flatnonzero(steps > 1) + 1).tolist()]
        self.lengths = np.add.reduceat(first.n_valid, breaks).tolist()
        """Samples of each run."""
        self.drift = float(steps[np.abs(steps) <= 1].sum()) / sfreq if len(steps) else 0.0
        """Seconds by which records that follow each other are late in all."""
        check_span(first.path, float(times[-1]), float(first.n_valid.sum()) / sfreq, sfreq * len(files))
        self.starts = starts = sample_positions(times[breaks].tolist(), self.lengths, sfreq)
        """First sample of each run."""
        self.gaps = gaps(starts, self.lengths, len(self._files))
        within = np.cumsum(first.n_valid) - first.n_valid
        run = np.searchsorted(breaks, np.arange(len(times)), side="right") - 1
        self._places = within - within[breaks][run] + np.array(starts)[run]
        self._n_valid = first.n_valid
        super().__init__((len(self._files), starts[-1] + self.lengths[-1]), np.int16)

    def read(self, start: int, stop: int) -> NDArray[np.int16]:
        """Samples `start` to `stop` of every channel, shape (C, stop − start)."""
        out = np.zeros((self.shape[0], stop - start), np.int16)
        first = max(int(np.searchsorted(self._places, start, side="right")) - 1, 0)
        last = int(np.searchsorted(self._places, stop, side="left"))
        for begin in range(first, last, _RECORDS_AT_ONCE):
            records = range(begin, min(begin + _RECORDS_AT_ONCE, last))
            held = np.stack([_records(file.path, records.start, records.stop)["samples"] for file in self._files])
            for i, record in enumerate(records):
                at = int(self._places[record])
                a, b = max(at, start), min(at + int(self._n_valid[record]), stop)
                if a < b:
                    out[:, a - start : b - start] = held[:, i, a - at : b - at]
        return out

    def pick(self, rows: Sequence[int]) -> NcsSamples:
        """The given rows, in the given order; only their files are read."""
        sfreq = self._files[0].number("SamplingFrequency")
        return NcsSamples([self._files[row] for row in rows], sfreq)


def _open_ncs(path: Path) -> NcsFile:
    check_present(path)
    with path.open("rb") as file:
        text = file.read(_HEADER).decode("latin-1")
    n_bytes = path.stat().st_size - _HEADER
    if not text.startswith("####") or n_bytes < _RECORD.itemsize or n_bytes % _RECORD.itemsize:
        raise UnreadableError(
            f"{path} is not a whole Neuralynx file of records of {_RECORD.itemsize} bytes: fetch it again."
        )
    fields = dict(re.findall(r"^-(\w+)[ \t]+(\S.*?)[ \t\r]*$", text, re.M))
    n_records = n_bytes // _RECORD.itemsize
    times, n_valid = np.empty(n_records, np.int64), np.empty(n_records, np.int64)
    for at in range(0, n_records, _RECORDS_AT_ONCE):
        part = slice(at, min(at + _RECORDS_AT_ONCE, n_records))
        records = _records(path, part.start, part.stop)
        times[part], n_valid[part] = records["time"], records["n_valid"]
    if not (n_valid <= _PER_RECORD).all() or n_valid.sum() == 0 or times.min() < 0:
        raise UnreadableError(f"{path} announces more samples than a record holds, or none: fetch it again.")
    return NcsFile(path, fields, times, n_valid)


def _records(path: Path, first: int, last: int) -> NDArray[Any]:
    with path.open("rb") as file:
        file.seek(_HEADER + first * _RECORD.itemsize)
        data = file.read((last - first) * _RECORD.itemsize)
    if len(data) < (last - first) * _RECORD.itemsize:
        raise UnreadableError(f"{path} became shorter while it was read: fetch it again.")
    return np.frombuffer(data, _RECORD)


def _microvolts_per_step(file: NcsFile) -> float:
    inverted = file.fields.get("InputInverted", "").lower() == "true"
    return file.number("ADBitVolts") * (-1e6 if inverted else 1e6)


def _channel_files(folder: Path) -> list[Path]:
    return [folder / name for name in _names(folder) if name.lower().endswith(".ncs")]


def _event_files(folder: Path) -> list[Path]:
    return [folder / name for name in _names(folder) if name.lower() == "events.nev"]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []


def _events(folder: Path, start: int) -> list[Annotation]:
    """Onsets relative to `start` (us)."""
    events = []
    for path in _event_files(folder):
        data = path.read_bytes()[_HEADER:]
        for event in np.frombuffer(data[: len(data) // _EVENT.itemsize * _EVENT.itemsize], _EVENT):
            label = event["text"].decode("latin-1").strip("\0 ")
            if label:
                events.append(Annotation((int(event["time"]) - start) / 1e6, 0.0, label))
    return events
