"""Files and folders that appear under their names when they are whole, so that a kill leaves nothing half-written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from biosig.errors import UsageError
from biosig.lock import locked

RESULT = "result"
"""Folder within a partial folder that becomes the new one, where a run that goes on keeps other work beside it."""


def partial_of(folder: Path) -> Path:
    """Path of a folder while it is made."""
    return folder.with_name(f".{folder.name}.partial")


def lock_of(folder: Path) -> Path:
    """The file that keeps a second process from making a folder too."""
    return folder.with_name(f".{folder.name}.lock")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside a file's, which becomes `path` when the block ends; an older file there is replaced.

    A file that a list of checksums guards goes through `biosig.file_sums.guarded` instead.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A place to write to, which becomes `folder` at the end, and is deleted where something goes wrong before.

    Leftovers of a process that was killed are deleted too.

    Raises
    ------
    UsageError
        If the folder already holds something, cannot be made, or is being made by another process.
    """
    refuse_existing(folder)
    partial = partial_of(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder, "run", lock_of(folder)):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
            os.replace(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def refuse_existing(folder: Path) -> None:
    """Refuse to write over a result, or where nothing can be written: before the hours of work, not after them.

    Leftovers of a process that was killed just after the folder got its name are deleted.

    Raises
    ------
    UsageError
        If `folder` exists and is not an empty folder, or cannot be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        _sweep(folder)
        raise UsageError(f"{folder} already holds something: give another folder as out, or remove it.")
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise UsageError(f"{folder} cannot be made, {above} is not a folder to write to: give another as out.")


def _sweep(folder: Path) -> None:
    partial = partial_of(folder)
    is_done = not (partial / RESULT).exists()  # it has become `folder`
    if is_done and (partial.exists() or lock_of(folder).exists()):
        with suppress(UsageError, OSError), locked(folder, "run", lock_of(folder)):
            shutil.rmtree(partial, ignore_errors=True)
