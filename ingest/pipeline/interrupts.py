"""Ctrl-C while shards are written: noted at once, obeyed between two files.

Python would raise KeyboardInterrupt at any moment, also where HDF5 calls back to write to its file. HDF5 then drops
what it was about to write, often of a recording that is complete, and cannot close its file any more.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self


class Interrupts:
    """A context manager that holds Ctrl-C back where it would raise KeyboardInterrupt; elsewhere it changes nothing.

    Only the main thread gets signals; processes of a pool ignore this one and are told by the first.
    """

    def __init__(self) -> None:
        self.asked = False
        """True once Ctrl-C was pressed."""
        self._may_raise = False
        self._held = False

    def __enter__(self) -> Self:
        raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if raises and threading.current_thread() is threading.main_thread():
            self._held = True
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._held:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def raised_when_repeated(self) -> Iterator[None]:
        """Make a second Ctrl-C an interrupt here, for work that may break off anywhere: a file may take minutes."""
        self._may_raise = True
        try:
            yield
        finally:
            self._may_raise = False

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.asked and self._may_raise:
            raise KeyboardInterrupt
        self.asked = True
