"""The index: one row per recording of a folder of shards, in a parquet file that the shards alone can rebuild."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from biosig.errors import UnreadableError, UsageError
from biosig.file_sums import hashed
from biosig.shards import spec
from biosig.shards.reader import Shard
from biosig.shards.writer import file_checksum, sidecar, write_sidecar

INDEX_VERSION = 1

_WORD = pa.dictionary(pa.int32(), pa.string())

SCHEMA = pa.schema(
    [
        ("recording", pa.string()),
        ("shard", _WORD),
        ("row", pa.int64()),
        ("subject", pa.string()),
        ("session", pa.string()),
        ("duration", pa.float64()),
        ("age", pa.float64()),
        ("sex", _WORD),
        ("kinds", pa.list_(pa.string())),
        ("ch_names", pa.list_(pa.string())),
        ("n_chans", pa.int32()),
        ("sfreqs", pa.list_(pa.float64())),
        ("labels", pa.string()),
        ("robust_scale", pa.string()),
        ("content_hash", pa.string()),
        ("checksum", pa.string()),
        ("shard_checksum", _WORD),
    ],
    metadata={"format": "biosig-index", "version": str(INDEX_VERSION)},
)
"""`shard` is a file name relative to the index; `labels` and `robust_scale` are JSON objects."""

FINGERPRINT = "fingerprint"
"""A column of the index file of landmark fingerprints, read only when they are asked for; older indexes have none."""


def shard_paths(folder: Path) -> list[Path]:
    """The published shards of a folder, sorted by name; temporary files begin with a dot."""
    return sorted(path for path in folder.glob(f"*{spec.SUFFIX}") if not path.name.startswith("."))


def index_table(paths: Sequence[Path]) -> pa.Table:
    """The index of the given shards, read from the shards alone.

    Raises
    ------
    UnreadableError
        If a shard is damaged.
    """
    tables = [pa.Table.from_pydict(_columns(path), schema=SCHEMA) for path in paths]
    return pa.concat_tables(tables or [SCHEMA.empty_table()]).unify_dictionaries()


def _columns(path: Path) -> dict[str, list[Any]]:
    shard = Shard(path)
    rows = range(len(shard))
    channels = [shard.channels(row) for row in rows]
    text = shard.text
    return {
        "recording": text["id"],
        "shard": [path.name] * len(rows),
        "row": list(rows),
        "subject": text["subject"],
        "session": text["session"],
        "duration": [shard.duration(row) for row in rows],
        "age": [None if age is None else float(age) for age in text["age"]],
        "sex": text["sex"],
        "kinds": [sorted({c.kind for c in members}) for members in channels],
        "ch_names": [[c.name for c in members] for members in channels],
        "n_chans": [len(members) for members in channels],
        "sfreqs": [[shard.sfreq[stream] for stream in shard.streams_of(row)] for row in rows],
        "labels": [spec.to_json(labels, "labels") for labels in text["labels"]],
        "robust_scale": [spec.to_json(scale, "robust_scale") for scale in text["robust_scale"]],
        "content_hash": text["content_hash"],
        "checksum": text["checksum"],
        "shard_checksum": [shard_checksum(path)] * len(rows),
    }


def shard_checksum(path: Path) -> str:
    """A shard's SHA-256 as its side-car tells it, or from its bytes where there is no side-car."""
    return sidecar_checksum(path) or file_checksum(path)


def sidecar_checksum(path: Path) -> str | None:
    """The SHA-256 in the side-car of a shard or an index; None without a side-car.

    Raises
    ------
    UnreadableError
        If the side-car is not of the form that the writer gives it.
    """
    if not sidecar(path).exists():
        return None
    words = sidecar(path).read_bytes().split()
    if len(words) != 2 or len(words[0]) != 64 or not words[0].isalnum():
        raise UnreadableError(f"{sidecar(path)} holds no SHA-256 of {path.name}: restore it or delete it.")
    return words[0].decode("ascii", "replace")


def build_index(folder: str | Path) -> Path:
    """Write the index of all shards in `folder`, from the shards alone, replacing an older one at once.

    Its side-car is taken away before and written after: one that is there is always of the index beside it.

    Returns
    -------
    Path
        The index.

    Raises
    ------
    UsageError
        If the folder holds no shard.
    UnreadableError
        If a shard is damaged.
    """
    folder = Path(folder)
    paths = shard_paths(folder)
    if not paths:
        raise UsageError(f"{folder} holds no shard (*{spec.SUFFIX}): check the path, or ingest something first.")
    for left in folder.glob(f".{spec.INDEX_NAME}.*.tmp"):  # by a process that was killed
        left.unlink(missing_ok=True)
    temporary = folder / f".{spec.INDEX_NAME}.{secrets.token_hex(4)}.tmp"
    try:
        fingerprints = pa.array([data for path in paths for data in Shard(path).fingerprints], pa.large_binary())
        table = index_table(paths).append_column(FINGERPRINT, fingerprints)
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        checksum, index = file_checksum(temporary), folder / spec.INDEX_NAME
        sidecar(index).unlink(missing_ok=True)
        temporary.replace(index)
        write_sidecar(index, checksum)
        return index
    finally:
        temporary.unlink(missing_ok=True)


def read_fingerprints(path: Path) -> list[bytes] | None:
    """The landmark fingerprints of an index's rows; None where it is older than they.

    Raises
    ------
    UnreadableError
        If the file is damaged.
    """
    try:
        if FINGERPRINT not in pq.read_schema(path).names:
            return None
        return pq.read_table(path, columns=[FINGERPRINT], page_checksum_verification=True)[FINGERPRINT].to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UnreadableError(f"{path} is no readable index ({error}): delete it and rebuild it.") from None


def read_index(path: Path) -> pa.Table:
    """Read an index that `build_index` wrote, without its fingerprints, and compare it with its side-car if it has one.

    The pages carry checksums of their own too, for who reads a part of them.

    Raises
    ------
    UnreadableError
        If the file is damaged, foreign, or of a newer version.
    """
    try:
        names = [name for name in pq.read_schema(path).names if name != FINGERPRINT]
        with hashed(path) as digest:
            table = pq.read_table(path, columns=names, page_checksum_verification=True)
        metadata = table.schema.metadata or {}
        version = int(metadata.get(b"version", b"0"))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UnreadableError(f"{path} is no readable index ({error}): delete it and rebuild it.") from None
    if metadata.get(b"format") != b"biosig-index" or not set(SCHEMA.names) <= set(table.column_names):
        raise UnreadableError(f"{path} is a parquet file but no index of shards: delete it and rebuild it.")
    if version > INDEX_VERSION:
        raise UnreadableError(f"{path} has version {version}, newer than {INDEX_VERSION}: update biosig-fm.")
    if sidecar_checksum(path) not in (None, digest.result()):
        raise UnreadableError(f"{path} is damaged: its bytes are not those that were written; rebuild it.")
    return table
