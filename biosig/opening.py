"""Opening files quickly: a viewer skips the pass over all samples that is made by default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_quick: ContextVar[bool] = ContextVar("quick", default=False)


@contextmanager
def quickly() -> Iterator[None]:
    """Within it, recordings are opened without a pass over all samples.

    They have no SHA-256 and no content hash: such recordings are for looking at, not for shards or splits.
    """
    token = _quick.set(True)
    try:
        yield
    finally:
        _quick.reset(token)


def is_quick() -> bool:
    """True if a pass over all samples is to be left out."""
    return _quick.get()
