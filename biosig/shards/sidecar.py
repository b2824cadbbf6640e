"""Side-cars of shards and indexes: the file with the SHA-256 beside each, in the form that ``sha256sum -c`` checks."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from biosig.shards import spec


def file_checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sidecar(path: Path) -> Path:
    """The file beside a shard that holds the shard's SHA-256, in the form that ``sha256sum -c`` checks."""
    return path.with_name(path.name + spec.SIDECAR_SUFFIX)


def sidecar_text(path: Path, checksum: str, part: str | None = None) -> str:
    """Text of a side-car, to the letter; `part` is the checksum that most readers of an index compare."""
    return f"{checksum}  {path.name}\n" + (f"# {part}\n" if part else "")


def write_sidecar(path: Path, checksum: str, part: str | None = None) -> None:
    """Write the side-car of the shard or index `path`, whole or not at all, and flush it to disk."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(sidecar_text(path, checksum, part), encoding="utf-8")
        flush(temporary)
        temporary.replace(sidecar(path))
    finally:
        temporary.unlink(missing_ok=True)
    flush(path.parent)


def flush(path: Path) -> None:
    """Flush a file or a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
