"""Bounds on the unpacked size of compressed files, checked before a reader spends time and memory on them.

A few kilobytes of gzip stand for gigabytes of one repeated line. A recorded signal has noise in its last bits, so that
it shrinks by a factor of ten or so; deflate reaches 1,000 where nothing but zeros is there.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from biosig.errors import UnreadableError

MOST_SHRINKING = 200
"""Highest ratio of unpacked to packed size that a file worth reading has."""
FREE = 2**23
"""Bytes up to which it does not matter: a recording may be zeros throughout."""
_AT_ONCE = 2**20


def check_shrinking(unpacked: int, packed: int, where: object, at_least: bool = False) -> None:
    """Refuse a file that unpacks to far more than a recording of its size does.

    Parameters
    ----------
    unpacked, packed : int
        Bytes.
    where : path or str
        The file, and the place in it.
    at_least : bool
        True if the count stopped at `unpacked`.

    Raises
    ------
    UnreadableError
    """
    if not 0 <= unpacked <= max(FREE, MOST_SHRINKING * packed):
        count = f"more than {unpacked:,}" if at_least else f"{unpacked:,}"
        raise UnreadableError(
            f"{where} unpacks from {packed:,} bytes to {count}, which no recording does: save it without "
            "compression if it is not damaged, or fetch it again."
        )


def check_gzip(path: Path) -> None:
    """`check_shrinking` of a file whose name ends in .gz, counted no further than the bound; others pass.

    Damage is left to the reader to tell.
    """
    if path.suffix.lower() != ".gz":
        return
    packed, unpacked = path.stat().st_size, 0
    try:
        with gzip.open(path) as file:
            while block := file.read(_AT_ONCE):
                unpacked += len(block)
                check_shrinking(unpacked, packed, path, at_least=True)
    except (EOFError, OSError, zlib.error):
        return
