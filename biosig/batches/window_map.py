"""A function of recordings applied to many windows in order, in background processes where there are some."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from biosig.batches.windows import Windows
from biosig.recording import Recording

R = TypeVar("R")


@contextmanager
def window_map(
    windows: Windows, function: Callable[[Recording], R], workers: int = 0
) -> Iterator[Callable[[Sequence[int]], Iterator[R]]]:
    """Give a map from numbers of windows, in order, to the results of a function of each.

    Parameters
    ----------
    windows : Windows
        Windows to read.
    function : callable
        Of a window as a recording; with workers it must pickle.
    workers : int
        Background processes; 0 = none. They live as long as the block.
    """
    if not workers:
        yield lambda numbers: (function(windows.read(number)) for number in numbers)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (windows, function))
    try:
        yield lambda numbers: pool.map(_apply, numbers, chunksize=4)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_worker: tuple[Windows, Callable[[Recording], Any]]


def _start(windows: Windows, function: Callable[[Recording], Any]) -> None:
    global _worker
    _worker = windows, function


def _apply(number: int) -> Any:
    windows, function = _worker
    return function(windows.read(number))
