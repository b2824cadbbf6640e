"""`ShardWriter`: many recordings into one HDF5 file, published whole or not at all."""

from __future__ import annotations

import logging
import os
import secrets
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from biosig.content_hash import KEYED
from biosig.errors import BiosigError, DataError, UnreadableError, UsageError
from biosig.landmarks import fingerprint
from biosig.recording import Channel, Recording, Stream
from biosig.shards import spec
from biosig.shards.appendable_dataset import GrowingSamples, best_codec
from biosig.shards.safe_file import FullDiskFile
from biosig.shards.sidecar import file_checksum, flush, write_sidecar

log = logging.getLogger(__name__)


class ShardWriter:
    """Writes one shard; a context manager that publishes the file when the block ends without an error.

    The file grows under a temporary name in the same folder, is flushed to disk, and gets its final name by a hard
    link (a rename where links are impossible), so that no reader ever sees half a shard. The side-car with its
    SHA-256 is on disk before. After an error nothing is left. A writer that received no recording publishes nothing
    and logs a warning.

    Parameters
    ----------
    path : str or Path
        The shard's final name, ending in ``.h5``; it must not exist yet.
    recipe : mapping
        Steps that changed the signals on their way here; anything that JSON can hold.
    compression : {"lz4", "zstd"}
        LZ4 reads nearly twice as fast; Zstandard is up to a tenth smaller and writes faster.

    Raises
    ------
    UsageError
        If the name is taken, does not end in ``.h5``, or its folder does not exist.

    Examples
    --------
    >>> with ShardWriter("shards/000.h5", recipe={}) as writer:  # doctest: +SKIP
    ...     writer.add(biosig.read("100.hea"))
    """

    def __init__(
        self, path: str | Path, recipe: Mapping[str, Any], compression: Literal["lz4", "zstd"] = "lz4"
    ) -> None:
        self.path = Path(path)
        if compression not in spec.COMPRESSION:
            raise UsageError(f"Compression '{compression}' is unknown; use {' or '.join(spec.COMPRESSION)}.")
        if self.path.suffix != spec.SUFFIX:
            raise UsageError(f"{self.path} must end in '{spec.SUFFIX}' to be found as a shard: rename it.")
        if not self.path.parent.is_dir():
            raise UsageError(f"The folder {self.path.parent} does not exist: create it before writing shards there.")
        _refuse_if_taken(self.path)
        self._compression = compression
        self._recipe = spec.to_json(recipe, f"The recipe of {self.path}")
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        self._disk = FullDiskFile(self._temporary)
        self._file = h5py.File(self._disk, "w", libver=("v110", "v110"))
        self._samples: dict[str, GrowingSamples] = {}
        self._is_whole = True
        self._ids: set[str] = set()
        self._recordings: dict[str, list[str]] = {name: [] for name in spec.RECORDING_TEXT}
        self._streams: dict[str, list[Any]] = {name: [] for name in (*spec.STREAM_NUMBERS, "samples")}
        self._fingerprints: list[bytes] = []
        self._stops: dict[str, list[int]] = {name: [] for name in spec.RECORDING_NUMBERS}
        self._scale: list[NDArray[np.float64]] = []
        self._offset: list[NDArray[np.float64]] = []
        self._invalid: list[NDArray[np.int64]] = []
        self._n_stream_channels = 0
        self._n_invalid = 0
        self._annotations: list[tuple[float, float, str]] = []
        self._channels: dict[Any, int] = {}
        self._channel_sets: dict[tuple[int, ...], int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def nbytes(self) -> int:
        """Bytes on disk so far, to decide when a shard is full."""
        return self._temporary.stat().st_size

    def add(self, recording: Recording, confirm: Callable[[], None] | None = None) -> None:
        """Append one recording.

        Parameters
        ----------
        recording : Recording
            Its samples may still be in a file.
        confirm : callable, optional
            Called when they are all read; an error that it raises keeps the recording out of the shard.

        Raises
        ------
        DataError
            If its id is already in this shard, or a field cannot be stored; the shard stays as it was.
        UnreadableError
            If its samples are in a file that cannot be read; the shard stays as it was.
        OSError
            If the disk is full; nothing of this shard can be published then.
        """
        row = self._metadata(recording)
        for stream in recording.streams:
            self._check_stream(recording, stream)
        before = {name: dataset.position for name, dataset in self._samples.items()}
        self._is_whole = False
        try:
            written = [self._write_samples(stream, recording.id) for stream in recording.streams]
            with _reading(recording.id):
                is_keyed = recording.content_hash.startswith(KEYED)  # others should not be able to identify it
                marks = b"" if is_keyed else recording.fingerprint or fingerprint(recording.streams)
            if confirm is not None:
                confirm()
        except BaseException:  # samples that are still in a file that turns out to be damaged
            for name, dataset in self._samples.items():
                dataset.rewind(before.get(name, 0))
            self._is_whole = True
            raise
        row["checksum"] = spec.to_json(spec.checksum(recording, [digest for _, digest in written]), "checksum")
        for stream, (start, _) in zip(recording.streams, written, strict=True):
            self._add_stream(stream, start)
        self._ids.add(recording.id)
        self._fingerprints.append(marks)
        for name, text in row.items():
            self._recordings[name].append(text)
        self._annotations += [(a.onset, a.duration, a.label) for a in recording.annotations]
        self._stops["stream_stop"].append(len(self._streams["sfreq"]))
        self._stops["annotation_stop"].append(len(self._annotations))
        self._is_whole = True

    def _metadata(self, recording: Recording) -> dict[str, str]:
        if recording.id in self._ids:
            raise DataError(f"Recording '{recording.id}' is already in {self.path}: ids must be unique; rename one.")
        subject = recording.subject
        for name in (recording.id, recording.session or "", subject.id if subject else "", *recording.ch_names):
            if not _is_unicode(name):
                raise DataError(f"The name {name!r} in recording {recording.id!r} is not valid Unicode: rename it.")
        values = {
            "id": recording.id,
            "subject": subject.id if subject else None,
            "session": recording.session,
            "age": subject.age if subject else None,
            "sex": subject.sex if subject else None,
            "labels": dict(recording.labels),
            "report": recording.report,
            "robust_scale": dict(recording.robust_scale),
            "content_hash": recording.content_hash,
            "source": {
                "path": recording.source.path,
                "adapter": recording.source.adapter,
                "sha256": recording.source.sha256,
            },
            "history": recording.history,
            "notes": recording.notes,
        }
        return {name: spec.to_json(value, f"'{name}' of recording '{recording.id}'") for name, value in values.items()}

    def _check_stream(self, recording: Recording, stream: Stream) -> None:
        if not stream.channels:
            raise DataError(f"Recording '{recording.id}' has a stream without channels: leave that stream out.")
        runs = stream.invalid
        limits = (stream.n_chans, stream.n_times, stream.n_times)
        if len(runs) and ((runs < 0).any() or (runs.max(axis=0) > limits).any() or runs[:, 0].max() >= limits[0]):
            raise DataError(
                f"Recording '{recording.id}' marks samples invalid that lie outside its {stream.n_chans} channels "
                f"and {stream.n_times} samples: correct the (channel, start, stop) rows."
            )

    def _write_samples(self, stream: Stream, recording: str) -> tuple[int, bytes]:
        """Append the samples of a stream; gives the place of the first in its dataset, and the hashes of all."""
        name = spec.samples_name(stream.samples.dtype, stream.n_chans)
        if name not in self._samples:
            block = spec.block_length(stream.n_times, stream.n_chans, stream.samples.itemsize)
            with _reading(recording):
                first = stream.samples[:, :block]
            codec = best_codec(first, self._compression)
            self._samples[name] = GrowingSamples(
                self._file, f"samples/{name}", stream.samples.dtype, stream.n_chans, block, codec
            )
        start = self._samples[name].position
        hashes = spec.SampleHashes(stream.n_chans)
        for samples in _blocks(stream, recording):
            hashes.update(samples)
            self._samples[name].append(samples)
            self._disk.check()
        return start, hashes.digest()

    def _add_stream(self, stream: Stream, start: int) -> None:
        self._scale.append(stream.scale)
        self._offset.append(stream.offset)
        self._invalid.append(stream.invalid)
        self._n_stream_channels += stream.n_chans
        self._n_invalid += len(stream.invalid)
        row = {
            "sfreq": stream.sfreq,
            "onset": stream.onset,
            "n_times": stream.n_times,
            "start": start,
            "samples": spec.samples_name(stream.samples.dtype, stream.n_chans),
            "channel_set": self._channel_set(stream.channels),
            "channel_stop": self._n_stream_channels,
            "invalid_stop": self._n_invalid,
        }
        for column, value in row.items():
            self._streams[column].append(value)

    def _channel_set(self, channels: Sequence[Channel]) -> int:
        members = []
        for c in channels:
            key = (c.name, c.source_name, c.kind, c.unit, c.position_source, _bits(c.position), _bits(c.reference))
            members.append(self._channels.setdefault(key, len(self._channels)))
        return self._channel_sets.setdefault(tuple(members), len(self._channel_sets))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._is_whole:
                raise DataError(f"{self.path} was left in the middle of a recording and is not written: start it anew.")
            if kind is None and self._ids:
                self._finish()
                self._publish()
            elif kind is None:
                log.warning("%s received no recording and was not written.", self.path)
        finally:
            self._file.close()
            self._disk.close()
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        for dataset in self._samples.values():
            dataset.flush()
        file = self._file
        file.attrs["format"] = np.bytes_(spec.FORMAT)
        file.attrs["version"] = np.int64(spec.VERSION)
        file.attrs["software"] = np.bytes_(f"biosig-fm {_software_version()}")
        _write_text(file, "recipe", self._recipe)
        for name, texts in self._recordings.items():
            _write_text(file, f"recordings/{name}", f"[{','.join(texts)}]")
        for name, stops in self._stops.items():
            _write_numbers(file, f"recordings/{name}", np.array(stops, np.int64))
        ends = np.cumsum([len(data) for data in self._fingerprints], dtype=np.int64)
        _write_numbers(file, spec.FINGERPRINT_STOP, ends)
        _write_numbers(file, spec.FINGERPRINT, np.frombuffer(b"".join(self._fingerprints), np.uint8))
        for name in spec.STREAM_NUMBERS:
            dtype = np.float64 if name in ("sfreq", "onset") else np.int64
            _write_numbers(file, f"streams/{name}", np.array(self._streams[name], dtype))
        _write_text(file, "streams/samples", spec.to_json(self._streams["samples"], "samples"))
        _write_numbers(file, "streams/scale", np.concatenate([np.empty(0), *self._scale]))
        _write_numbers(file, "streams/offset", np.concatenate([np.empty(0), *self._offset]))
        _write_numbers(file, "streams/invalid", np.concatenate([np.empty((0, 3), np.int64), *self._invalid]))
        _write_numbers(file, "annotations/onset", np.array([a[0] for a in self._annotations], np.float64))
        _write_numbers(file, "annotations/duration", np.array([a[1] for a in self._annotations], np.float64))
        _write_text(file, "annotations/label", spec.to_json([a[2] for a in self._annotations], "annotations"))
        keys = list(self._channels)
        for column, name in enumerate(spec.CHANNEL_TEXT):
            _write_text(file, f"channels/{name}", spec.to_json([key[column] for key in keys], name))
        for column, name in ((5, "position"), (6, "reference")):
            numbers = np.frombuffer(b"".join(key[column] for key in keys), np.float64).reshape(-1, 3)
            _write_numbers(file, f"channels/{name}", numbers)
        sets = list(self._channel_sets)
        _write_numbers(file, "channel_sets/channel", np.array([row for members in sets for row in members], np.int64))
        _write_numbers(file, "channel_sets/stop", np.cumsum([len(members) for members in sets], dtype=np.int64))
        file.close()

    def _publish(self) -> None:
        self._disk.sync()
        write_sidecar(self.path, file_checksum(self._temporary))
        try:
            _give_name(self._temporary, self.path)
        except FileExistsError:
            write_sidecar(self.path, file_checksum(self.path))  # another writer was first: ours must not replace its
            _refuse_if_taken(self.path)
        flush(self.path.parent)


@contextmanager
def _reading(recording: str) -> Iterator[None]:
    """Translate errors of samples that are still in a file: they are not faults of the disk that is written to."""
    try:
        yield
    except BiosigError:
        raise
    except Exception as error:
        raise UnreadableError(
            f"The samples of recording '{recording}' cannot be read ({type(error).__name__}: {error}): see whether "
            "its file is still there and whole."
        ) from error


def _blocks(stream: Stream, recording: str) -> Iterator[NDArray[Any]]:
    with _reading(recording):
        for block in stream.blocks():
            yield np.asarray(block.samples)


def _give_name(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links on this file system
        if path.exists():
            raise FileExistsError(path) from None
        temporary.rename(path)


def _refuse_if_taken(path: Path) -> None:
    if path.exists():
        raise UsageError(f"{path} exists and a published shard never changes: choose another name or delete it first.")


def _write_text(file: h5py.File, name: str, text: str) -> None:
    _write_numbers(file, name, np.frombuffer(text.encode("ascii"), np.uint8))


def _write_numbers(file: h5py.File, name: str, numbers: NDArray[Any]) -> None:
    """Gzip, so that every HDF5 reader in the world opens the metadata without a plug-in."""
    if not len(numbers):
        file.create_dataset(name, data=numbers)
        return
    rows = min(len(numbers), 2**18)
    file.create_dataset(
        name,
        data=numbers.astype(numbers.dtype.newbyteorder("<")),
        chunks=(rows, *numbers.shape[1:]),
        compression="gzip",
        compression_opts=4,
        shuffle=True,
        fletcher32=True,
    )


def _bits(position: tuple[float, float, float]) -> bytes:
    """Coordinates as bytes: NaN is not equal to itself and would make every channel a new one."""
    return struct.pack("=3d", *position)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _software_version() -> str:
    from biosig import __version__

    return __version__
