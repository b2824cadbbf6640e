"""Runs of a bench in several processes, each of one thread.

Two processes of one thread are faster on two cores than one of two, which waits at every small product of matrices.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from biosig.bench.config import BenchConfig
from biosig.bench.plan import Job
from biosig.errors import BiosigError, DataError

log = logging.getLogger(__name__)

Run = Callable[[BenchConfig, Job], None]


def run_jobs(run: Run, config: BenchConfig, jobs: Sequence[Job]) -> Iterator[tuple[Job, str | None]]:
    """Run jobs in `config.processes` processes, in their order, and give each with its error sentence as it ends.

    Parameters
    ----------
    run : callable
        A function of a module; (config, job) → None, its result in files.
    config : BenchConfig
        The bench, sent to each process.
    jobs : sequence of Job
        Jobs to run.

    Raises
    ------
    DataError
        If a process died without an error, as it does when memory runs out.
    """
    rest = list(jobs)
    waiting: dict[Future[str | None], Job] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(config.processes, mp_context=context, initializer=_begin) as pool:
        try:
            while rest or waiting:
                while rest and len(waiting) < config.processes:
                    job = rest.pop(0)
                    waiting[pool.submit(sentence_of, run, config, job)] = job
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    job = waiting.pop(future)
                    yield job, _result(future, job)
        finally:
            if waiting:  # stopped: their results are not needed any more
                for process in multiprocessing.active_children():
                    process.kill()


def sentence_of(run: Run, config: BenchConfig, job: Job) -> str | None:
    """Run a job and return its error sentence, or None; a failed row does not end the bench."""
    try:
        run(config, job)
    except BiosigError as error:
        return str(error)
    except Exception as error:  # a bug, which the page lists with the failed runs
        log.exception("%s could not be made", job.title)
        return f"{type(error).__name__}: {error}"
    return None


def _result(future: Future[str | None], job: Job) -> str | None:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise DataError(
            f"The process that made '{job.title}' died without an error, as it does when memory runs out: start the "
            "bench again, with processes=1."
        ) from error


def _begin() -> None:
    """Set up a process: one thread, and an end with the bench's own process."""
    import signal

    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:  # else a killed parent would leave this process working beside the next bench
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
