"""A lock on a place that is written to, which keeps a second process out; it ends with the process that holds it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from biosig.errors import UsageError

log = logging.getLogger(__name__)

LOCK = ".lock"


@contextmanager
def locked(out: Path, work: str, lock: Path | None = None) -> Iterator[None]:
    """Keep a second process from writing to `out`: it would take the unfinished files of this one for its own.

    Parameters
    ----------
    out : Path
        File that is written.
    work : str
        A noun for the message, such as "ingest".
    lock : Path, optional
        The lock file, in an existing folder; default `.lock` in `out`.

    Raises
    ------
    UsageError
        If another process holds the lock.
    """
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    path = lock or out / LOCK
    while True:
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"Another {work} is writing to {out}: wait for its end, or choose another place."
                ) from None
            except OSError as error:  # some network file systems know no locks
                log.warning(
                    "%s cannot be locked (%s): see to it that no other %s writes there.", out, error.strerror, work
                )
            if not _is_at(file.fileno(), path):  # the one before removed it after it was opened here
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
