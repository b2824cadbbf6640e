"""Exceptions of foreign libraries over damaged files, translated into one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from biosig.errors import BiosigError, UnreadableError

_LONGEST_REASON = 160


@contextmanager
def translate_errors(kind: str, where: object) -> Iterator[None]:
    """Translate the exceptions of a library that meets a damaged file with almost any of them.

    Parameters
    ----------
    kind : str
        Expected sort of file ("NumPy archive").
    where : path or str
        The file, and the place in it.

    Raises
    ------
    UnreadableError
        Instead of whatever is raised inside, but for this project's own errors.
    """
    try:
        yield
    except BiosigError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
        raise UnreadableError(
            f"{where} is not a whole {kind} ({reason}): it is cut short or damaged; fetch or export it again."
        ) from None
