"""The parts of a FIF recording that was split at 2 GB: each names the next, which must lie in the same folder.

Format: a chain of tags of four big-endian 32-bit numbers (kind, type, size, next) and `size` bytes of data; see
https://github.com/mne-tools/fiff-constants. The names are read here, before MNE opens whatever they point to.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import BinaryIO, cast

from biosig.errors import UnreadableError
from biosig.source_files import check_present
from ingest.decompress import check_gzip

FIF_SUFFIXES = (".fif", ".fif.gz")

_REF_ROLE, _REF_FILE_NAME = 115, 118
_NEXT_FILE = 2
_HEADER = struct.Struct(">iiii")
_MOST_PARTS = 1000


def further_parts(path: Path) -> list[Path]:
    """The files that continue `path`, in order, each known to be there.

    Raises
    ------
    UnreadableError
        If one is named that lies in another folder or does not exist.
    """
    parts = [path]
    while (name := _next_name(parts[-1])) is not None:
        if "/" in name or "\\" in name or name in (".", ".."):
            raise UnreadableError(f"{parts[-1]} is continued in '{name}', outside its own folder: put it beside it.")
        following = path.with_name(name)
        if following in parts or len(parts) > _MOST_PARTS:
            raise UnreadableError(f"{parts[-1]} is continued in {name}, which comes before it: export it again.")
        check_present(following, wanted_by=parts[-1])
        parts.append(following)
    return parts[1:]


def _next_name(path: Path) -> str | None:
    """The file name that `path` refers to, or None; a file that is not a chain of tags is left for MNE to refuse."""
    check_gzip(path)
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return _find_name(cast(BinaryIO, file))
    except (OSError, EOFError):
        return None


def _find_name(file: BinaryIO) -> str | None:
    place, role = 0, _NEXT_FILE
    while len(header := file.read(_HEADER.size)) == _HEADER.size:
        kind, _, size, following = _HEADER.unpack(header)
        if kind == _REF_ROLE and size == 4:
            role = int.from_bytes(file.read(4), "big")
        elif kind == _REF_FILE_NAME and 0 <= size < 2**16:
            name = file.read(size).decode("latin-1").strip("\0")
            if role == _NEXT_FILE:
                return name
        place = following if following > 0 else place + _HEADER.size + max(size, 0)
        if following < 0 or place < file.tell():  # the end, or a loop
            break
        file.seek(place)
    return None
