"""Batches of files over workers: this process, a pool of processes, or a Dask cluster; one that dies stops nothing.

Where a worker dies (a reader crashed, the system wanted its memory), its batch runs again in two halves, each alone,
until the file that kills workers is alone in its batch and becomes a failure.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from biosig.errors import DataError, UsageError
from ingest.pipeline.batch import INTERRUPTED, SHARD_RECORDINGS, Job, Result, published_before, write_batch
from ingest.pipeline.discover import Failure, SourceRecording

_BATCHES_PER_WORKER = (4, 16)  # at least, so that none waits long for the last one, and at most
_ENOUGH = 512  # files of a batch: more than four for each worker have as many, since many small shards open slowly
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # read by NumPy when it is imported
_POLL = 0.5  # seconds between looks at how far the workers are

Progress = Callable[[int], None]
"""Called with the number of files that are done."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that one worker handles, and the number that names their shards."""

    number: int
    items: tuple[SourceRecording, ...]

    def halves(self, numbers: Iterator[int]) -> tuple[Batch, Batch]:
        """The same files in two batches, one of them under the old number."""
        middle = len(self.items) // 2
        return Batch(self.number, self.items[:middle]), Batch(next(numbers), self.items[middle:])

    def after_death(self, job: Job, numbers: Iterator[int]) -> tuple[Result, Batch]:
        """Result of the files published before the worker died, and the rest under a number that no shard has."""
        published, left = published_before(job, self.number, self.items)
        return published, Batch(next(numbers), tuple(left))


def split(items: Sequence[SourceRecording], workers: int, first: int) -> list[Batch]:
    """Items in batches of nearly equal size, each small enough for one shard, numbered from `first`."""
    fewest, most = _BATCHES_PER_WORKER
    wanted = 1 if workers == 1 else workers * min(max(len(items) // (workers * _ENOUGH), fewest), most)
    size = max(min(-(-len(items) // wanted), SHARD_RECORDINGS), 1)
    return [Batch(first + i, tuple(items[start : start + size])) for i, start in enumerate(range(0, len(items), size))]


class Executor(Protocol):
    """Runs batches: in this process, in a pool, or on a cluster."""

    def run(self, batches: Sequence[Batch], alone: bool) -> Iterator[tuple[Batch, Result | None]]:
        """Each batch and its result, as they end; None where its worker died. `alone`: one after the other."""


def run(job: Job, executor: Executor, batches: Sequence[Batch]) -> Generator[Result, None, None]:
    """Results of the batches, and of the parts of those whose worker died.

    Parameters
    ----------
    job : Job
        The work to do.
    executor : Executor
        Runs them.
    batches : sequence of Batch
        Under different numbers.
    """
    numbers = count(max((batch.number for batch in batches), default=-1) + 1)
    suspects: deque[Batch] = deque()
    stopped = False
    for batch, result in executor.run(batches, alone=False):
        if result is None:
            result, left = batch.after_death(job, numbers)
            suspects.append(left)
        yield result
        stopped = stopped or bool(result.stopped_by)
    while suspects and not stopped:
        batch = suspects.popleft()
        if not batch.items:
            continue
        for _, result in executor.run([batch], alone=True):  # nothing comes of it where the run was stopped
            if result is None:
                result, left = batch.after_death(job, numbers)
                if len(left.items) > 1:
                    suspects.extendleft(reversed(left.halves(numbers)))
                else:
                    result.failures += [_fatal(item) for item in left.items]
            yield result
            stopped = bool(result.stopped_by)


def _fatal(item: SourceRecording) -> Failure:
    sentence = (
        f"{item.path} ended the process that read it, for want of memory or by a fault in a reader of its format: "
        "leave it out, export it again, or try it alone on a machine with more memory."
    )
    return Failure(str(item.path), "read", sentence)


class InProcess:
    """Runs batches here, one after the other: no copy of this process to start, and none to save it from a crash."""

    def __init__(self, job: Job, progress: Progress) -> None:
        self._job, self._progress = job, progress

    def run(self, batches: Sequence[Batch], alone: bool) -> Iterator[tuple[Batch, Result | None]]:  # noqa: ARG002
        """As `Executor.run`; always alone."""
        done = count(1)

        def go_on() -> bool:
            self._progress(next(done))
            return True

        for batch in batches:
            result = write_batch(self._job, batch.number, batch.items, go_on)
            yield batch, result
            if result.stopped_by:
                return


class Pool:
    """Runs batches in processes of this machine.

    Parameters
    ----------
    job : Job
        Sent to each process once.
    workers : int
        Number of processes.
    progress : callable
        Told how many files are done.
    """

    def __init__(self, job: Job, workers: int, progress: Progress) -> None:
        self._job, self._workers, self._progress = job, workers, progress
        self._context = _context()
        self._stop = self._context.Event()
        self._done = self._context.Value("q", 0)
        self._n_ended = 0

    def run(self, batches: Sequence[Batch], alone: bool) -> Iterator[tuple[Batch, Result | None]]:
        """As `Executor.run`."""
        rest = deque(batches)
        while rest and not self._stop.is_set():
            yield from self._run_until_one_dies(rest, 1 if alone else self._workers)

    def _run_until_one_dies(self, rest: deque[Batch], workers: int) -> Iterator[tuple[Batch, Result | None]]:
        """Take batches from `rest`, one per process at a time: a process that dies takes all of the pool with it."""
        waiting: dict[Future[Result], Batch] = {}
        dead = False
        shared = (self._job, self._stop, self._done)
        self._done.value = self._n_ended  # without those of a batch whose process died
        with ProcessPoolExecutor(workers, mp_context=self._context, initializer=_begin, initargs=shared) as pool:
            try:
                while waiting or (rest and not dead and not self._stop.is_set()):
                    while rest and len(waiting) < workers and not dead and not self._stop.is_set():
                        batch = rest.popleft()
                        with _one_thread_each():  # the first batch starts the processes
                            waiting[pool.submit(_run_here, batch)] = batch
                    for future in wait(waiting, timeout=_POLL, return_when=FIRST_COMPLETED).done:
                        result = _unless_dead(future)
                        dead = dead or result is None
                        if result is not None and result.stopped_by:
                            self._stop.set()
                        batch = waiting.pop(future)
                        self._n_ended += len(batch.items) if result is not None else 0
                        yield batch, result
                    self._progress(self._done.value)
            except KeyboardInterrupt:
                self._stop.set()  # the processes end after the file in hand and publish what they have
                for future in wait(waiting).done:
                    yield waiting[future], _unless_dead(future) or Result(stopped_by=INTERRUPTED)
                raise
            finally:
                self._stop_early(waiting)

    def _stop_early(self, waiting: dict[Future[Result], Batch]) -> None:
        """End the processes at once where nobody waits for the rest any more, as after a second Ctrl-C."""
        if any(not future.done() for future in waiting):
            self._stop.set()
            for process in multiprocessing.active_children():
                process.kill()


def _context() -> multiprocessing.context.BaseContext:
    """Start method of processes: never a fork of this one, as HDF5 and forked threads do not mix.

    On Linux they are forks of a process that has done the imports, which take longer than a hundred records, once for
    all of them, and has no threads. macOS has the means, but its own libraries may crash in a fork.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that start here multiply matrices in one thread each, unless the environment says how many.

    There is a process for each core already: threads of all of them would wait for each other.
    """
    unset = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, "1"))
    try:
        yield
    finally:
        for name in unset:
            del os.environ[name]


_here: tuple[Job, Any, Any]


def _begin(job: Job, stop: Any, done: Any) -> None:
    """Set up a process of the pool."""
    import signal

    global _here
    _here = job, stop, done
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one tells the others
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:  # which, killed, would leave this one waiting for work for ever
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _run_here(batch: Batch) -> Result:
    job, stop, done = _here

    def go_on() -> bool:
        with done.get_lock():
            done.value += 1
        return not stop.is_set()

    if stop.is_set():
        return Result(stopped_by=INTERRUPTED)
    return write_batch(job, batch.number, batch.items, go_on)


def _unless_dead(future: Future[Result]) -> Result | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return None


class Cluster:
    """Runs batches on a Dask cluster, whose workers must see the sources and the output under the same paths.

    Parameters
    ----------
    job : Job
        Sent to each worker once.
    client : distributed.Client
        Connected to the cluster.
    progress : callable
        Told how many files are done.
    """

    def __init__(self, job: Job, client: Any, progress: Progress) -> None:
        self._job = client.scatter(job, broadcast=True)
        self._client, self._progress = client, progress
        self._n_done = 0

    def run(self, batches: Sequence[Batch], alone: bool) -> Iterator[tuple[Batch, Result | None]]:  # noqa: ARG002
        """As `Executor.run`."""
        from distributed import KilledWorker, as_completed

        waiting = {
            self._client.submit(write_batch, self._job, batch.number, batch.items, _always, pure=False): batch
            for batch in batches
        }
        for future in as_completed(list(waiting)):
            error = future.exception()
            if error is not None and not isinstance(error, KilledWorker):
                raise DataError(f"A worker of the cluster failed ({type(error).__name__}: {error}): see its log.")
            result = None if error is not None else future.result()
            self._n_done += len(waiting[future].items) if result is not None else 0
            self._progress(self._n_done)
            yield waiting[future], result
            if result is not None and result.stopped_by:
                self._client.cancel(list(waiting))
                return


def _always() -> bool:
    return True


@contextmanager
def connect(scheduler: str, timeout: float = 10.0) -> Iterator[Any]:
    """A client of the Dask cluster at an address.

    Parameters
    ----------
    scheduler : str
        Such as ``tcp://10.0.0.1:8786``.
    timeout : float
        Seconds to wait for an answer.

    Raises
    ------
    UsageError
        If Dask is not installed, or nobody answers there.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--scheduler needs Dask: pip install 'biosig-fm[dask]'.") from None
    try:
        client = Client(scheduler, timeout=timeout)
    except (OSError, ValueError) as error:
        raise UsageError(f"No Dask scheduler answers at {scheduler} ({error}): check the address.") from None
    with client:
        yield client
