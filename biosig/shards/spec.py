"""The shard format in one place: names, version, chunks, checksum. `docs/shard-format.md` says it in prose."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.recording import Recording, Stream

FORMAT = "biosig-shard"
VERSION = 2
SUFFIX = ".h5"
SIDECAR_SUFFIX = ".sha256"
INDEX_NAME = "index.parquet"

_TEXT_OR_NULL = (str, type(None))

RECORDING_TEXT: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "subject": _TEXT_OR_NULL,
    "session": _TEXT_OR_NULL,
    "age": (int, float, type(None)),
    "sex": _TEXT_OR_NULL,
    "labels": (dict,),
    "report": _TEXT_OR_NULL,
    "robust_scale": (dict,),
    "content_hash": (str,),
    "source": (dict,),
    "history": (list,),
    "notes": (list,),
    "checksum": (str,),
}
"""Columns of ``/recordings`` that are JSON arrays with one value per recording, and the types of the values."""

RECORDING_NUMBERS = ("stream_stop", "annotation_stop")
FINGERPRINT, FINGERPRINT_STOP = "recordings/fingerprint", "recordings/fingerprint_stop"
"""Bytes of the recordings' landmark fingerprints, one after the other, and where each ends; older shards have none."""

STREAM_NUMBERS = ("sfreq", "onset", "n_times", "start", "channel_set", "channel_stop", "invalid_stop")
CHANNEL_TEXT = ("name", "source_name", "kind", "unit", "position_source")

CHUNK_BYTES = 65_536
"""Largest chunk of a long recording: a window decodes little beyond itself, and the chunk still compresses."""

WHOLE_BYTES = 131_072
"""A recording up to this size is one chunk: it is mostly read whole."""

COMPRESSION: dict[str, dict[str, Any]] = {
    # LZ4's patient encoder: smaller and read faster than the quick one; above level 3 time buys 1 %.
    "lz4": {"cname": "lz4hc", "clevel": 3},
    "zstd": {"cname": "zstd", "clevel": 3},
}


def codecs(compression: str) -> list[Mapping[str, Any]]:
    """The HDF5 filters to choose from: bit shuffle, then byte shuffle, each before the compressor.

    Bits win where few are used (most EEG, Holter ECG), bytes on 12-lead ECG. Byte shuffle takes the first Blosc, whose
    files are as small and which is quicker at it both ways; its bit shuffle is not as good as the second's.
    """
    names = COMPRESSION[compression]
    bits = hdf5plugin.Blosc2(**names, filters=hdf5plugin.Blosc2.BITSHUFFLE)
    return [bits, hdf5plugin.Blosc(**names, shuffle=hdf5plugin.Blosc.SHUFFLE)]


WORTHWHILE = {"lz4": 0.75, "zstd": 0.9}
"""Largest share of the bytes that a compressor may leave: reading is not made twice as long for less than a quarter.

Zstandard is for those to whom the room matters more.
"""


def samples_name(dtype: np.dtype[Any], n_chans: int) -> str:
    """Name of the dataset under ``/samples`` that holds streams of this type and width: "int16x12"."""
    return f"{dtype.name}x{n_chans}"


def block_length(n_times: int, n_chans: int, itemsize: int) -> int:
    """Samples per chunk, from the first stream that a dataset receives.

    A chunk is as many whole recordings as fit, or an even part of one: collections are mostly of one length, and a
    window that is a whole recording then decodes nothing of its neighbours.
    """
    per_chunk = max(CHUNK_BYTES // (n_chans * itemsize), 1)
    if not n_times:
        return per_chunk
    if n_times * n_chans * itemsize > WHOLE_BYTES:
        return math.ceil(n_times / math.ceil(n_times / per_chunk))
    return n_times * max(per_chunk // n_times, 1)


def to_json(value: Any, where: str) -> str:
    """JSON in ASCII; NumPy scalars become Python's, tuples become lists.

    Raises
    ------
    DataError
        If the value is of a type that JSON has no word for.
    """
    try:
        return _COMPACT.encode(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{where} cannot be stored ({error}): use text, numbers, booleans, None, or lists and dicts of these."
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__}")


_COMPACT = json.JSONEncoder(default=_plain, separators=(",", ":"))
_SORTED = json.JSONEncoder(default=_plain, separators=(",", ":"), sort_keys=True)


class SampleHashes:
    """SHA-256 of each channel's samples, taken in block by block; the same whatever the blocks."""

    def __init__(self, n_chans: int) -> None:
        self._hashes = [hashlib.sha256() for _ in range(n_chans)]

    def update(self, samples: NDArray[Any]) -> None:
        """Take in the next samples of every channel, shape (C, n)."""
        for digest, row in zip(self._hashes, samples, strict=True):
            digest.update(_bytes(row))

    def digest(self) -> bytes:
        """The channels' digests, one after the other."""
        return b"".join(digest.digest() for digest in self._hashes)


def hash_samples(stream: Stream) -> bytes:
    """`SampleHashes` of a whole stream."""
    hashes = SampleHashes(stream.n_chans)
    for block in stream.blocks():
        hashes.update(np.asarray(block.samples))
    return hashes.digest()


def checksum(recording: Recording, samples: Sequence[bytes] | None = None) -> str:
    """SHA-256 over everything that a recording says: its metadata as canonical JSON, numbers as bytes, samples' hashes.

    Computed from the recording that was given to the writer and again from the one that the reader returns, so that
    equality means that nothing changed on the way, whatever the layout between.

    Parameters
    ----------
    recording : Recording
        With its samples in memory or in a file.
    samples : sequence of bytes, optional
        `hash_samples` of each stream, where it is known already.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    subject = recording.subject
    source = recording.source
    metadata = {
        "id": recording.id,
        "subject": None if subject is None else [subject.id, subject.age, subject.sex],
        "session": recording.session,
        "labels": recording.labels,
        "report": recording.report,
        "robust_scale": dict(recording.robust_scale),
        "content_hash": recording.content_hash,
        "source": [source.path, source.adapter, source.sha256],
        "history": list(recording.history),
        "notes": list(recording.notes),
        "annotation_labels": [annotation.label for annotation in recording.annotations],
        "streams": [
            {
                "sfreq": float(stream.sfreq),
                "onset": float(stream.onset),
                "dtype": stream.samples.dtype.name,
                "n_times": stream.n_times,
                "channels": [
                    [c.name, c.source_name, c.kind, c.unit, c.position_source, [*c.position], [*c.reference]]
                    for c in stream.channels
                ],
            }
            for stream in recording.streams
        ],
    }
    text = _SORTED.encode(metadata)
    digest = hashlib.sha256(text.encode("ascii"))
    digest.update(_bytes(np.array([(a.onset, a.duration) for a in recording.annotations], np.float64)))
    for number, stream in enumerate(recording.streams):
        for numbers in (stream.scale, stream.offset, stream.invalid):
            digest.update(_bytes(numbers))
        digest.update(samples[number] if samples is not None else hash_samples(stream))
    return digest.hexdigest()


def _bytes(numbers: NDArray[Any]) -> memoryview:
    little = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data
