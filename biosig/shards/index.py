"""The index: one row per recording of a folder of shards, in a parquet file that the shards alone can rebuild."""

from __future__ import annotations

import hashlib
import re
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
from biosig.shards.sidecar import file_checksum, sidecar, write_sidecar

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
    return _sidecar(path)[0]


def _sidecar(path: Path) -> tuple[str | None, str | None]:
    """SHA-256 of a whole file in its side-car, and of an index also the one of `part_of`; None where it has none."""
    if not sidecar(path).exists():
        return None, None
    sums = _SIDECAR.fullmatch(sidecar(path).read_bytes().decode("ascii", "replace"))
    if sums is None:
        raise UnreadableError(f"{sidecar(path)} holds no SHA-256 of {path.name}: restore it or delete it.")
    return sums["whole"], sums["part"]


_SIDECAR = re.compile(r"(?P<whole>[0-9a-zA-Z]{64})\s+\S+\s*(# (?P<part>[0-9a-f]{64}( \d{1,15}-\d{1,15})+)\n)?")


def part_of(path: Path) -> str:
    """The SHA-256 of an index without the pages of its fingerprints, and from and to which byte these are.

    They are most of it, and few readers need them. Where they are is written down, as a damaged index could not tell.
    """
    metadata, pages = pq.read_metadata(path), []
    for group in range(metadata.num_row_groups):
        columns = map(metadata.row_group(group).column, range(metadata.num_columns))
        for column in (one for one in columns if one.path_in_schema == FINGERPRINT):
            first = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
            pages.append(f"{first}-{first + column.total_compressed_size}")
    return _part_checksum(path, " ".join(pages))


def _part_checksum(path: Path, pages: str) -> str:
    """As `part_of`, of a file whose pages of fingerprints are known."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for span in pages.split():
            first, _, stop = span.partition("-")
            digest.update(file.read(max(int(first) - file.tell(), 0)))
            file.seek(int(stop))
        digest.update(file.read())
    return f"{digest.hexdigest()} {pages}"


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
        checksum, part, index = file_checksum(temporary), part_of(temporary), folder / spec.INDEX_NAME
        sidecar(index).unlink(missing_ok=True)
        temporary.replace(index)
        write_sidecar(index, checksum, part)
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
        with hashed(path) as digest:
            table = pq.read_table(path, columns=[FINGERPRINT], page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UnreadableError(f"{path} is not a readable index ({error}): delete it and rebuild it.") from None
    _judge(path, sidecar_checksum(path), digest.result())
    return table[FINGERPRINT].to_pylist()


def _judge(path: Path, expected: str | None, found: str | None) -> None:
    if expected != found and expected is not None:
        raise UnreadableError(f"{path} is damaged: its bytes are not those that were written; rebuild it.")


def read_index(path: Path) -> pa.Table:
    """Read an index that `build_index` wrote, without its fingerprints, and compare it with its side-car if it has one.

    The pages of the fingerprints are not read, and not compared; pages carry checksums of their own too.

    Raises
    ------
    UnreadableError
        If the file is damaged, foreign, or of a newer version.
    """
    try:
        names = [name for name in pq.read_schema(path).names if name != FINGERPRINT]
        whole, part = _sidecar(path)
        found = _part_checksum(path, part.partition(" ")[2]) if part else file_checksum(path) if whole else None
        table = pq.read_table(path, columns=names, page_checksum_verification=not part)
        metadata = table.schema.metadata or {}
        version = int(metadata.get(b"version", b"0"))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UnreadableError(f"{path} is not a readable index ({error}): delete it and rebuild it.") from None
    if metadata.get(b"format") != b"biosig-index" or not set(SCHEMA.names) <= set(table.column_names):
        raise UnreadableError(f"{path} is a parquet file but no index of shards: delete it and rebuild it.")
    if version > INDEX_VERSION:
        raise UnreadableError(f"{path} has version {version}, newer than {INDEX_VERSION}: update biosig-fm.")
    _judge(path, part or whole, found)
    return table
