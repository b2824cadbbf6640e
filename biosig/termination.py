"""SIGTERM, by which a scheduler ends a job: the work stops at a good place, with status 143."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_STATUS = 128 + signal.SIGTERM


class Termination:
    """Watch for SIGTERM; true once it has come.

    Parameters
    ----------
    at_once : bool
        Raise `SystemExit` where the signal comes; else the first signal is only noted, for work to stop in `obey`.
    """

    def __init__(self, at_once: bool) -> None:
        self.asked = False
        self._at_once, self._process = at_once, os.getpid()

    def obey(self) -> None:
        """End the process where SIGTERM has come.

        Raises
        ------
        SystemExit
            With status 143.
        """
        if self.asked:
            raise SystemExit(EXIT_STATUS)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        repeated, self.asked = self.asked, True
        if self._at_once or repeated or os.getpid() != self._process:  # a forked worker has nothing to finish
            raise SystemExit(EXIT_STATUS)


@contextmanager
def sigterm(at_once: bool = False) -> Iterator[Termination]:
    """Take SIGTERM as a request to stop; only the main thread gets signals, and a handler of others stays."""
    found = Termination(at_once)
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield found
        return
    signal.signal(signal.SIGTERM, found._note)
    try:
        yield found
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
