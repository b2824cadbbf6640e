"""Checks of a file before a foreign library reads it: it exists and is whole; and its hash."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from biosig.errors import UnreadableError
from biosig.opening import is_quick

_LFS_POINTER = b"version https://git-lfs"
_LFS_LARGEST = 1024  # bytes; a pointer has fewer (git-lfs, docs/spec.md)


def sha256_of(paths: Iterable[Path]) -> str:
    """SHA-256 over the bytes of `paths`, one after the other, as 64 hexadecimal digits; "" within `opening.quickly`."""
    if is_quick():
        return ""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while block := file.read(1 << 18):
                digest.update(block)
    return digest.hexdigest()


def is_lfs_pointer(path: Path) -> bool:
    """True if `path` holds a git-LFS pointer instead of its data."""
    with open(path, "rb", buffering=0) as file:
        return file.read(len(_LFS_POINTER)) == _LFS_POINTER


def check_present(path: Path, wanted_by: Path | None = None) -> None:
    """Check that `path` is a file with data of its own.

    Parameters
    ----------
    path : Path
        The file.
    wanted_by : Path, optional
        The file that refers to it, for the message.

    Raises
    ------
    UnreadableError
        If it is absent, empty, unreadable, or a git-LFS pointer.
    """
    named = f"{path}, which {wanted_by.name} refers to," if wanted_by else f"{path}"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise UnreadableError(f"{named} is a folder or a device, not a file: point to the recording itself.")
        if status.st_size == 0:
            raise UnreadableError(f"{named} holds 0 bytes: fetch or export it again.")
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if status.st_size < _LFS_LARGEST and is_lfs_pointer(path):
            raise UnreadableError(
                f"{named} is a git-LFS pointer, not the data: run `git lfs pull` in the repository that it comes from."
            )
    except FileNotFoundError:
        if path.is_symlink():
            raise UnreadableError(
                f"{named} is a link to nothing: fetch what it stands for (`datalad get`, `git annex get`)."
            ) from None
        raise UnreadableError(
            f"{named} does not exist: fetch it, or correct the file name where it is referred to."
        ) from None
    except OSError as error:
        raise UnreadableError(
            f"{named} cannot be opened ({error.strerror}): check the file and its permissions."
        ) from None
