"""Reading a shard: files open lazily in each process, a bounded number of them; only the asked window is read."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError, EmptyWindowError, UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.recording import (
    Annotation,
    Channel,
    Recording,
    Source,
    Stream,
    Subject,
    clip_runs,
    sample_range,
)
from biosig.shards import spec
from biosig.shards.file import ShardFile
from biosig.shards.samples import SampleDataset, StoredSamples

_ALLOWED_FILES = os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else -1  # -1 = the system does not say

MAX_OPEN_FILES = min(512, _ALLOWED_FILES // 2) if _ALLOWED_FILES > 0 else 512
"""A million ECGs are about 250 shards, and opening one costs as much as a hundred windows: as many as may be stay open,
with half of the process's files left to others."""


class Shard:
    """An open shard: numbers at hand, texts parsed when they are asked for, samples never more than a window's.

    Raises
    ------
    UnreadableError
        If the file is truncated, no shard, of another version, or tells things that contradict each other.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._file = ShardFile(self.path)
        with self._file.naming():
            self._load()
            self._check_consistency()

    def _load(self) -> None:
        column = self._file.column
        self.stream_stop = column("recordings/stream_stop", np.int64)
        self.annotation_stop = column("recordings/annotation_stop", np.int64)
        self.sfreq = column("streams/sfreq", np.float64)
        self.onset = column("streams/onset", np.float64)
        self.n_times = column("streams/n_times", np.int64)
        self.start = column("streams/start", np.int64)
        self.channel_set = column("streams/channel_set", np.int64)
        self.channel_stop = column("streams/channel_stop", np.int64)
        self.invalid_stop = column("streams/invalid_stop", np.int64)
        self.scale = np.asarray(column("streams/scale", np.float64))
        self.offset = np.asarray(column("streams/offset", np.float64))
        self.invalid = self._file.numbers("streams/invalid")
        names = self._file.text("streams/samples")
        self._datasets = {name: SampleDataset(self._file, name) for name in set(names)}
        self.samples = [self._datasets[name] for name in names]
        self.channel_sets = self._channel_sets()

    def _channel_sets(self) -> list[tuple[Channel, ...]]:
        texts = [self._file.text(f"channels/{column}") for column in spec.CHANNEL_TEXT]
        points = [self._file.numbers(f"channels/{column}").reshape(-1, 3) for column in ("position", "reference")]
        bits = [[xyz.tobytes() for xyz in point.astype(np.float64, casting="safe")] for point in points]
        keys = list(zip(*texts, *bits, strict=True))
        members = self._file.numbers("channel_sets/channel").tolist()
        stops = self._file.numbers("channel_sets/stop").tolist()
        parts = zip([0, *stops[:-1]], stops, strict=bool(stops))
        return [_channels(tuple(keys[i] for i in members[a:b])) for a, b in parts]

    def _check_consistency(self) -> None:
        n_streams = len(self.samples)
        per_stream = (self.sfreq, self.onset, self.n_times, self.start, self.channel_set)
        sound = all(len(column) == n_streams for column in (*per_stream, self.channel_stop, self.invalid_stop))
        sound &= len(self.offset) == len(self.scale) and len(self.annotation_stop) == len(self)
        sound &= self.invalid.ndim == 2 and self.invalid.shape[1] == 3 and self.invalid.dtype == np.int64
        ranges = (
            (self.stream_stop, n_streams),
            (self.annotation_stop, self._file.dataset("annotations/onset").shape[0]),
            (self.channel_stop, len(self.scale)),
            (self.invalid_stop, len(self.invalid)),
        )
        sound = sound and all(_are_ends(np.asarray(stops), total) for stops, total in ranges)
        if not (sound and self._streams_are_sound()):
            raise UnreadableError(f"{self.path} contradicts itself: ingest its recordings again.")

    def _streams_are_sound(self) -> bool:
        """True if every stream lies in its dataset, has as many channels as that, and marks its own samples invalid."""
        columns = (self.channel_set, self.start, self.n_times, self.channel_stop, self.invalid_stop)
        channel_set, start, n_times, channel_stop, invalid_stop = map(np.asarray, columns)
        if not ((channel_set >= 0) & (channel_set < len(self.channel_sets))).all():
            return False
        n_chans = np.array([len(members) for members in self.channel_sets], np.int64)[channel_set]
        width = np.array([dataset.n_chans for dataset in self.samples], np.int64)
        length = np.array([dataset.n_times for dataset in self.samples], np.int64)
        clocks = np.isfinite(self.sfreq).all() and np.greater(self.sfreq, 0).all() and np.isfinite(self.onset).all()
        inside = (start >= 0) & (n_times >= 0) & (n_times <= length) & (start <= length - n_times)
        widths = (width == n_chans) & (np.diff(channel_stop, prepend=0) == n_chans)
        limits = np.repeat(np.column_stack((n_chans - 1, n_times, n_times)), np.diff(invalid_stop, prepend=0), axis=0)
        runs = (self.invalid >= 0).all() and (self.invalid <= limits).all()
        return bool(clocks and inside.all() and widths.all() and runs)

    def __len__(self) -> int:
        return len(self.stream_stop)

    @cached_property
    def text(self) -> dict[str, list[Any]]:
        """The text columns of ``/recordings``: name → one value per recording, parsed on first use."""
        return _Texts(self._file, len(self))

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Steps that changed the signals on their way here."""
        with self._file.naming():
            return self._file.text("recipe")

    @cached_property
    def band(self) -> dict[str, tuple[float | None, float | None]]:
        """Kind → (low, high) in Hz that the recipe limited the samples to; None = that side is open."""
        return {kind: (low, high) for kind, (low, high) in self.recipe.get("band", {}).items()}

    @cached_property
    def _robust_scale(self) -> dict[str, memoryview[Any]]:
        """Kind → a number per recording, NaN where it has none: a tenth of the memory of a dict per recording."""
        with self._file.naming():
            rows = self._file.text("recordings/robust_scale")
            kinds = dict.fromkeys(kind for row in rows for kind in row)
            if len(rows) != len(self):
                raise self._file.contradiction("recordings/robust_scale")
            return {kind: np.array([row.get(kind, np.nan) for row in rows], np.float64).data for kind in kinds}

    @cached_property
    def _annotations(self) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        with self._file.naming():
            labels = self._file.text("annotations/label")
            onset, duration = self._file.numbers("annotations/onset"), self._file.numbers("annotations/duration")
            if not len(onset) == len(duration) == len(labels):
                raise self._file.contradiction("annotations")
            return onset, duration, labels

    @cached_property
    def fingerprints(self) -> list[bytes]:
        """Landmark fingerprint of each recording (`biosig.landmarks`); empty in a shard that is older than these."""
        with self._file.naming():
            if spec.FINGERPRINT not in self._file:
                return [b""] * len(self)
            stops, data = self._file.numbers(spec.FINGERPRINT_STOP), self._file.numbers(spec.FINGERPRINT)
            if len(stops) != len(self) or not _are_ends(stops, len(data)):
                raise self._file.contradiction(spec.FINGERPRINT)
            return [data[a:b].tobytes() for a, b in pairwise((0, *stops.tolist()))]

    def load_all(self) -> None:
        """Read everything but the samples: all columns, and the map of where each chunk of samples lies.

        Raises
        ------
        UnreadableError
            If any of it is damaged.
        """
        with self._file.naming():
            _ = self.recipe, self._annotations, self.fingerprints, [self.text[name] for name in spec.RECORDING_TEXT]
            for dataset in self._datasets.values():
                dataset.id.get_num_chunks()

    def streams_of(self, row: int) -> range:
        """Numbers of the streams of recording `row`."""
        return range(_first(self.stream_stop, row), self.stream_stop[row])

    def subject(self, row: int) -> Subject | None:
        """The recorded person."""
        text = self.text
        if text["subject"][row] is None:
            return None
        return Subject(text["subject"][row], text["age"][row], text["sex"][row])

    def channels(self, row: int) -> list[Channel]:
        """Channels of all streams of recording `row`, in order."""
        return [channel for stream in self.streams_of(row) for channel in self.channel_sets[self.channel_set[stream]]]

    def duration(self, row: int) -> float:
        """Seconds from the start of recording `row` to the end of its last stream."""
        ends = [self.onset[stream] + self.n_times[stream] / self.sfreq[stream] for stream in self.streams_of(row)]
        return max(ends, default=0.0)

    def annotations(self, row: int, onset: float = -np.inf, end: float = np.inf) -> list[Annotation]:
        """Events of recording `row` that touch the time from `onset` to `end`, in their stored order."""
        first, stop = _first(self.annotation_stop, row), self.annotation_stop[row]
        if first == stop:
            return []
        onsets, durations, labels = self._annotations
        onsets, durations = onsets[first:stop], durations[first:stop]
        if onset == -np.inf:
            touched = np.arange(len(onsets))
        else:
            touched = np.flatnonzero((onsets < end) & (onsets + durations >= onset))
        return [Annotation(float(onsets[i]), float(durations[i]), labels[first + i]) for i in touched.tolist()]

    def read(self, row: int, onset: float = 0.0, duration: float | None = None, *, lazy: bool = False) -> Recording:
        """`StoredRecording.read` of recording `row`; `lazy` (of the whole recording) leaves its samples in the file."""
        text = self.text
        if duration is None and onset == 0.0:
            whole = [self._stream(row, stream, 0, self.n_times[stream], lazy) for stream in self.streams_of(row)]
            streams, annotations = whole, self.annotations(row)
        else:
            duration = max(self.duration(row), self.duration(row) - onset) if duration is None else duration
            streams = self._window(row, onset, duration)
            annotations = self.annotations(row, onset, onset + duration)
        return Recording(
            id=text["id"][row],
            streams=streams,
            subject=self.subject(row),
            session=text["session"][row],
            annotations=annotations,
            labels=dict(text["labels"][row]),
            report=text["report"][row],
            source=text["source"][row],
            robust_scale=dict(text["robust_scale"][row]),
            band=self.band,
            content_hash=text["content_hash"][row],
            fingerprint=self.fingerprints[row],
            history=tuple(text["history"][row]),
            notes=tuple(text["notes"][row]),
        )

    def read_signals(self, row: int, onset: float, duration: float) -> Recording:
        """`StoredRecording.read_signals` of recording `row`."""
        scales = {kind: column[row] for kind, column in self._robust_scale.items()}
        return Recording(self.text["id"][row], self._window(row, onset, duration), robust_scale=scales, band=self.band)

    def _window(self, row: int, onset: float, duration: float) -> list[Stream]:
        streams = []
        for stream in self.streams_of(row):
            sfreq, n_times = self.sfreq[stream], self.n_times[stream]
            start, stop = sample_range(onset - self.onset[stream], duration, sfreq, n_times)
            if stop > start:
                streams.append(self._stream(row, stream, start, stop))
        if not streams:
            raise EmptyWindowError(
                f"Recording '{self.text['id'][row]}' in {self.path} lasts {self.duration(row):g} s: no sample lies in "
                f"the window from {onset:g} s lasting {duration:g} s."
            )
        return streams

    def _stream(self, row: int, stream: int, start: int, stop: int, lazy: bool = False) -> Stream:
        samples: NDArray[Any] | LazySamples
        if lazy:
            dataset = self.samples[stream]
            samples = StoredSamples(
                (dataset.n_chans, stop - start), dataset.dtype, partial(self.read_samples, row, stream)
            )
        else:
            samples = self.read_samples(row, stream, start, stop)
        channels = slice(_first(self.channel_stop, stream), self.channel_stop[stream])
        runs = self.invalid[_first(self.invalid_stop, stream) : self.invalid_stop[stream]]
        return Stream(
            sfreq=self.sfreq[stream],
            channels=self.channel_sets[self.channel_set[stream]],
            samples=samples,
            scale=self.scale[channels],
            offset=self.offset[channels],
            invalid=clip_runs(runs, start, stop) if (start, stop) != (0, self.n_times[stream]) else runs.copy(),
            onset=self.onset[stream] + start / self.sfreq[stream],
        )

    def robust_scale(self, row: int, kind: str) -> float:
        """The amplitude of recording `row` in the kind's unit; NaN where there is none."""
        column = self._robust_scale.get(kind)
        return float("nan") if column is None else column[row]

    def calibration(self, stream: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scale and offset of a stream's channels."""
        channels = slice(_first(self.channel_stop, stream), self.channel_stop[stream])
        return self.scale[channels], self.offset[channels]

    def has_gaps(self, stream: int) -> bool:
        """True if any sample of a stream is not a real value."""
        return bool(_first(self.invalid_stop, stream) < self.invalid_stop[stream])

    def read_samples(
        self, row: int, stream: int, start: int, stop: int, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Samples `start` to `stop` of a stream of recording `row`, shape (C, stop − start), in `out` where given.

        Raises
        ------
        UnreadableError
            If they do not have their checksum in the file.
        """
        try:
            return self.samples[stream].read(self.start[stream] + start, stop - start, out)
        except (OSError, RuntimeError) as error:
            raise UnreadableError(
                f"Recording '{self.text['id'][row]}' in {self.path} is damaged ({error}): restore the shard from "
                f"a copy or ingest its recordings again."
            ) from None


class _Texts(dict[str, list[Any]]):
    """The text columns of ``/recordings``, each parsed and checked when it is first asked for, then kept."""

    def __init__(self, file: ShardFile, n_rows: int) -> None:
        super().__init__()
        self._file, self._n_rows = file, n_rows

    def __missing__(self, name: str) -> list[Any]:
        with self._file.naming():
            values = self._file.text(f"recordings/{name}")
            types = spec.RECORDING_TEXT[name]
            if len(values) != self._n_rows or not all(isinstance(value, types) for value in values):
                raise self._file.contradiction(f"recordings/{name}")
            if name == "source":
                values = [Source(**source) for source in values]
        self[name] = values
        return values


def _first(stops: memoryview[Any], i: int) -> int:
    return stops[i - 1] if i else 0


def _are_ends(stops: NDArray[np.int64], total: int) -> bool:
    """True if `stops` are the ends of consecutive parts of `total` rows."""
    return bool((np.diff(stops, prepend=0) >= 0).all() and (stops[-1] if len(stops) else 0) == total)


@lru_cache(maxsize=1024)
def _channels(keys: tuple[tuple[Any, ...], ...]) -> tuple[Channel, ...]:
    """The channels of a set; one and the same tuple for all shards, so that its consequences are worked out once.

    Coordinates are bytes in the keys: NaN is not equal to itself.
    """
    made = []
    for name, source_name, kind, unit, position_source, *bits in keys:
        position, reference = (np.frombuffer(xyz, np.float64).tolist() for xyz in bits)
        made.append(Channel(name, source_name, kind, unit, tuple(position), tuple(reference), position_source))
    return tuple(made)


_shards: OrderedDict[tuple[str, int, int, int], Shard] = OrderedDict()
_lock = threading.Lock()


def open_shard(path: str) -> Shard:
    """The open shard at `path`; the `MAX_OPEN_FILES` used last stay open in each process.

    Raises
    ------
    DataError
        If the file is gone.
    UnreadableError
        If it is not a sound shard.
    """
    try:
        stat = os.stat(path)
    except OSError:
        raise DataError(
            f"{path} is missing: restore the shard, or rebuild the index with biosig.shards.build_index."
        ) from None
    key = (path, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    with _lock:
        shard = _shards.get(key)
        if shard is None:
            shard = _shards[key] = Shard(path)
            while len(_shards) > MAX_OPEN_FILES:
                _shards.popitem(last=False)  # closes when its last reader lets go
        else:
            _shards.move_to_end(key)
    return shard


def _forget() -> None:
    global _lock
    _lock = threading.Lock()
    _shards.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)  # an HDF5 handle must not be shared between processes
