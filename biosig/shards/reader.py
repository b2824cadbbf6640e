"""Reading a shard: files open lazily in each process, a bounded number of them; only the asked window is read."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the Blosc2 filter)
import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError, EmptyWindowError, UnreadableError
from biosig.lazy import LazySamples
from biosig.recording import (
    Annotation,
    Channel,
    Position,
    Recording,
    Source,
    Stream,
    Subject,
    clip_runs,
    sample_range,
)
from biosig.shards import spec

MAX_OPEN_FILES = 64


class _SampleDataset:
    """A dataset under ``/samples`` through h5py's low-level calls: its indexing costs half as much as decoding."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.id = dataset.id
        self.dtype: np.dtype[Any] = dataset.dtype
        self.n_chans, self.n_times = map(int, dataset.shape)
        self._type = h5py.h5t.py_create(self.dtype)  # named, or every read works it out anew: a tenth of its time
        self._lock = threading.Lock()  # guards the selection; HDF5 itself reads one at a time
        self._file_space = self.id.get_space()
        self._memory_space = self._file_space
        self._memory_shape = (self.n_chans, -1)

    def read(self, start: int, n_times: int) -> NDArray[Any]:
        """Samples of shape (C, n_times) from position `start`."""
        shape = (self.n_chans, n_times)
        samples = np.empty(shape, self.dtype)
        if n_times:
            with self._lock:
                if shape != self._memory_shape:
                    self._memory_shape, self._memory_space = shape, h5py.h5s.create_simple(shape)
                self._file_space.select_hyperslab((0, start), shape)
                self.id.read(self._memory_space, self._file_space, samples, self._type)
        return samples


class _StoredSamples(LazySamples):
    """One stream of a shard, read when a part of it is asked for."""

    def __init__(self, shard: Shard, row: int, stream: int) -> None:
        dataset = shard.samples[stream]
        super().__init__((dataset.n_chans, shard.n_times[stream]), dataset.dtype)
        self._shard, self._row, self._stream = shard, row, stream

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return self._shard.read_samples(self._row, self._stream, start, stop)


class Shard:
    """An open shard. Columns are read whole, once, on first use; samples never more than a window asks for.

    Raises
    ------
    UnreadableError
        If the file is truncated, no shard, of a newer version, or tells things that contradict each other.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        with self._naming_the_file():
            # A random window seldom meets the chunk of the one before it: a chunk cache would only cost a copy.
            self.file = h5py.File(self.path, "r", locking=False, rdcc_nbytes=0)
            self._check_version()
            self._load()

    def _check_version(self) -> None:
        attrs = self.file.attrs
        if "format" not in attrs or bytes(attrs["format"]) != spec.FORMAT.encode():
            raise UnreadableError(f"{self.path} is an HDF5 file but no {spec.FORMAT}: move it out of the folder.")
        version = int(attrs["version"])
        if version > spec.VERSION:
            raise UnreadableError(
                f"{self.path} is a {spec.FORMAT} of version {version} and this software reads up to version "
                f"{spec.VERSION}: update biosig-fm."
            )
        if version < spec.VERSION:
            raise UnreadableError(
                f"{self.path} is a {spec.FORMAT} of version {version}, from before the first release: ingest its "
                f"recordings again."
            )

    def _load(self) -> None:
        numbers = self._numbers
        self.stream_stop = numbers("recordings/stream_stop").tolist()
        self.annotation_stop = numbers("recordings/annotation_stop").tolist()
        self.sfreq = numbers("streams/sfreq").tolist()
        self.onset = numbers("streams/onset").tolist()
        self.n_times = numbers("streams/n_times").tolist()
        self.start = numbers("streams/start").tolist()
        self.channel_set = numbers("streams/channel_set").tolist()
        self.channel_stop = numbers("streams/channel_stop").tolist()
        self.invalid_stop = numbers("streams/invalid_stop").tolist()
        self.scale = numbers("streams/scale")
        self.offset = numbers("streams/offset")
        self.invalid = numbers("streams/invalid")
        names = self._json("streams/samples")
        self._datasets = {name: self._sample_dataset(name) for name in set(names)}
        self.samples = [self._datasets[name] for name in names]
        self.channel_sets = self._channel_sets()
        self._check_consistency()

    def _check_consistency(self) -> None:
        n_streams = len(self.samples)
        columns = (self.sfreq, self.onset, self.n_times, self.start, self.channel_set)
        ranges = [
            (self.stream_stop, n_streams),
            (self.annotation_stop, self._dataset("annotations/onset").shape[0]),
            (self.channel_stop, len(self.scale)),
            (self.invalid_stop, len(self.invalid)),
        ]
        sound = all(len(column) == n_streams for column in (*columns, self.channel_stop, self.invalid_stop))
        sound &= len(self.offset) == len(self.scale) and len(self.annotation_stop) == len(self)
        sound &= all([0, *stops] == sorted([0, *stops]) and [0, *stops][-1] == total for stops, total in ranges)
        if sound:
            for stream in range(n_streams):
                n_chans = len(self.channel_sets[self.channel_set[stream]])
                rows, total = self.samples[stream].n_chans, self.samples[stream].n_times
                first, n_times = self.start[stream], self.n_times[stream]
                sound &= 0 <= first <= first + n_times <= total and self.channel_set[stream] >= 0
                sound &= rows == n_chans == self.channel_stop[stream] - self._first(self.channel_stop, stream)
        if not sound:
            raise UnreadableError(f"{self.path} contradicts itself: ingest its recordings again.")

    def __len__(self) -> int:
        return len(self.stream_stop)

    @cached_property
    def text(self) -> dict[str, list[Any]]:
        """The text columns of ``/recordings``: name → one value per recording."""
        with self._naming_the_file():
            columns = {name: self._json(f"recordings/{name}") for name in spec.RECORDING_TEXT}
            for name, types in spec.RECORDING_TEXT.items():
                if len(columns[name]) != len(self) or not all(isinstance(value, types) for value in columns[name]):
                    raise UnreadableError(f"{self.path} contradicts itself in {name}: ingest its recordings again.")
            columns["source"] = [Source(**source) for source in columns["source"]]
        return columns

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """What was done to the signals on their way here."""
        with self._naming_the_file():
            return self._json("recipe")

    @cached_property
    def _annotations(self) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        with self._naming_the_file():
            labels = self._json("annotations/label")
            onset, duration = self._numbers("annotations/onset"), self._numbers("annotations/duration")
            if not len(onset) == len(duration) == len(labels):
                raise UnreadableError(f"{self.path} contradicts itself: ingest its recordings again.")
            return onset, duration, labels

    def load_all(self) -> None:
        """Read everything but the samples: all columns, and the map of where each chunk of samples lies.

        Raises
        ------
        UnreadableError
            If any of it is damaged.
        """
        with self._naming_the_file():
            _ = self.text, self.recipe, self._annotations
            for dataset in self._datasets.values():
                dataset.id.get_num_chunks()

    def streams_of(self, row: int) -> range:
        """Which streams belong to recording `row`."""
        return range(self._first(self.stream_stop, row), self.stream_stop[row])

    def subject(self, row: int) -> Subject | None:
        """Who was recorded."""
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
        first, stop = self._first(self.annotation_stop, row), self.annotation_stop[row]
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
        whole = duration is None and onset == 0.0
        if duration is None:
            duration = max(self.duration(row), self.duration(row) - onset)
        streams = []
        for stream in self.streams_of(row):
            start, stop = 0, self.n_times[stream]
            if not whole:
                start, stop = sample_range(onset - self.onset[stream], duration, self.sfreq[stream], stop)
            if whole or stop > start:
                streams.append(self._stream(row, stream, start, stop, lazy and whole))
        if not (streams or whole):
            raise EmptyWindowError(
                f"Recording '{text['id'][row]}' in {self.path} lasts {self.duration(row):g} s: no sample lies in the "
                f"window from {onset:g} s lasting {duration:g} s."
            )
        return Recording(
            id=text["id"][row],
            streams=streams,
            subject=self.subject(row),
            session=text["session"][row],
            annotations=self.annotations(row) if whole else self.annotations(row, onset, onset + duration),
            labels=dict(text["labels"][row]),
            report=text["report"][row],
            source=text["source"][row],
            robust_scale=dict(text["robust_scale"][row]),
            content_hash=text["content_hash"][row],
            history=tuple(text["history"][row]),
            notes=tuple(text["notes"][row]),
        )

    def read_samples(self, row: int, stream: int, start: int, stop: int) -> NDArray[Any]:
        """Samples `start` to `stop` of a stream of recording `row`, shape (C, stop − start).

        Raises
        ------
        UnreadableError
            If their checksum in the file says that they are not what was written.
        """
        try:
            return self.samples[stream].read(self.start[stream] + start, stop - start)
        except (OSError, RuntimeError) as error:
            raise UnreadableError(
                f"Recording '{self.text['id'][row]}' in {self.path} is damaged ({error}): restore the shard from "
                f"a copy or ingest its recordings again."
            ) from None

    def _stream(self, row: int, stream: int, start: int, stop: int, lazy: bool) -> Stream:
        samples: NDArray[Any] | LazySamples
        samples = _StoredSamples(self, row, stream) if lazy else self.read_samples(row, stream, start, stop)
        channels = slice(self._first(self.channel_stop, stream), self.channel_stop[stream])
        runs = self.invalid[self._first(self.invalid_stop, stream) : self.invalid_stop[stream]]
        return Stream(
            sfreq=self.sfreq[stream],
            channels=self.channel_sets[self.channel_set[stream]],
            samples=samples,
            scale=self.scale[channels],
            offset=self.offset[channels],
            invalid=clip_runs(runs, start, stop) if (start, stop) != (0, self.n_times[stream]) else runs.copy(),
            onset=self.onset[stream] + start / self.sfreq[stream],
        )

    def _channel_sets(self) -> list[tuple[Channel, ...]]:
        name, source_name, kind, unit, position_source = (self._json(f"channels/{c}") for c in spec.CHANNEL_TEXT)
        positions = [_position(xyz) for xyz in self._numbers("channels/position").tolist()]
        references = [_position(xyz) for xyz in self._numbers("channels/reference").tolist()]
        columns = (name, source_name, kind, unit, positions, references, position_source)
        channels = [Channel(*fields) for fields in zip(*columns, strict=True)]
        members = self._numbers("channel_sets/channel").tolist()
        stops = self._numbers("channel_sets/stop").tolist()
        return [tuple(channels[i] for i in members[a:b]) for a, b in zip([0, *stops[:-1]], stops, strict=bool(stops))]

    def _sample_dataset(self, name: str) -> _SampleDataset:
        dataset = self._dataset(f"samples/{name}")
        if dataset.ndim != 2 or spec.samples_name(dataset.dtype, dataset.shape[0]) != name:
            raise UnreadableError(f"{self.path} contradicts itself in samples/{name}: ingest its recordings again.")
        return _SampleDataset(dataset)

    def _numbers(self, name: str) -> NDArray[Any]:
        return self._dataset(name)[()]

    def _json(self, name: str) -> Any:
        return json.loads(self._numbers(name).tobytes())

    def _dataset(self, name: str) -> h5py.Dataset:
        """A dataset whose bytes are in this very file: links out of it, and storage out of it, are refused."""
        node = self.file
        for part in name.split("/"):
            if not isinstance(node.get(part, getlink=True), h5py.HardLink):
                raise UnreadableError(f"{self.path} has no {name} of its own: ingest its recordings again.")
            node = node[part]
        if node.external or node.is_virtual:
            raise UnreadableError(f"{self.path} keeps {name} in another file: only self-contained shards are read.")
        return node

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except DataError:
            raise
        except FileNotFoundError:
            raise DataError(f"{self.path} does not exist: restore the shard or rebuild the index.") from None
        except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise UnreadableError(
                f"{self.path} cannot be read as a shard ({error}): it is truncated, damaged or foreign; restore it "
                f"from a copy or ingest its recordings again."
            ) from None

    @staticmethod
    def _first(stops: list[int], i: int) -> int:
        return stops[i - 1] if i else 0


def _position(xyz: list[float]) -> Position:
    x, y, z = xyz
    return x, y, z


_shards: OrderedDict[tuple[str, int, int, int], Shard] = OrderedDict()
_lock = threading.Lock()


def open_shard(path: str) -> Shard:
    """The open shard at `path`; the `MAX_OPEN_FILES` used last stay open in each process.

    Raises
    ------
    DataError
        If the file is gone.
    UnreadableError
        If it is no sound shard.
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
