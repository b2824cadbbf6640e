"""Many files to shards: batches over workers, resumed where a run broke off; a failure is listed and stops nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from biosig.errors import DataError
from biosig.lock import locked
from biosig.progress import Progress
from ingest.pipeline.batch import INTERRUPTED, Job, Result, state_of
from ingest.pipeline.discover import Discovery, SourceRecording, adapters_with, with_ids
from ingest.pipeline.output_folder import (
    make_folder,
    next_number,
    published_recordings,
    remove_leftovers,
    write_provenance,
)
from ingest.pipeline.tables import add_unmatched_rows, write_tables
from ingest.pipeline.workers import Cluster, Executor, InProcess, Pool, connect, run, split

_FILES_PER_WORKER = 128  # below this many, and this many bytes, another process costs more than it brings
_BYTES_PER_WORKER = 32 * 2**20


def ingest_items(
    found: Discovery,
    job: Job,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    against: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Result:
    """Ingest the recordings of a walk into shards under `job.out`, with index, recipe and tables of failures.

    Each worker writes shards of its own, so that as many work at once as there are; a recording is in one of them or
    in none.

    Parameters
    ----------
    found : Discovery
        From `ingest.pipeline.discover.discover`.
    job : Job
        Output folder (new or empty, or one to resume), recipe, labels and names.
    workers : int
        Processes at most; few and small files are handled in this one.
    scheduler : str, optional
        Address of a Dask cluster that does the work instead.
    resume : bool
        Skip files that are in the shards of the folder already.
    against : sequence of Path
        Folders of shards in which copies of these recordings are looked for too.
    progress : callable, optional
        Called with the number of files that are done; `biosig.progress.show_progress` gives one.

    Returns
    -------
    Result

    Raises
    ------
    UsageError
        If the folder holds shards and `resume` is not set, they were made with another recipe or key, or another
        ingest is writing there.
    DataError
        If the disk is full. All that was published stays whole.
    KeyboardInterrupt
        After Ctrl-C, likewise.
    """
    result = Result(failures=list(found.failures))
    with ExitStack() as stack:
        stack.enter_context(locked(make_folder(job.out), "ingest"))
        write_provenance(job, resume)
        earlier = published_recordings(job.out, {job.source_name(item) for item in found.items})
        job = replace(job, elsewhere=earlier.elsewhere)
        items = [item for item in found.items if job.source_name(item) not in earlier.done]
        items = with_ids(items, adapters_with(job.mapping), earlier.ids)
        result.n_skipped = len(found.items) - len(items)
        executor, workers = _executor(job, items, workers, scheduler, progress, stack)
        tried: list[SourceRecording] = []
        try:
            with closing(run(job, executor, split(items, workers, next_number(job.out)))) as outcomes:
                for outcome in outcomes:
                    result += outcome
            tried = [] if result.stopped_by else found.items
        finally:  # also after Ctrl-C: what was published is listed
            remove_leftovers(job.out)
            add_unmatched_rows(found, job, result)
            write_tables(job.out, result, tried if resume else None, against)
    if result.stopped_by == INTERRUPTED:
        raise KeyboardInterrupt
    if result.stopped_by:
        raise DataError(
            f"The ingest ended early because {result.stopped_by}: what was published stays whole; make room and "
            "continue with --resume."
        )
    return result


def _executor(
    job: Job,
    items: Sequence[SourceRecording],
    workers: int,
    scheduler: str | None,
    progress: Progress | None,
    stack: ExitStack,
) -> tuple[Executor, int]:
    """The executor that suits the files, and its number of workers; `stack` closes the client of a cluster."""

    def show(n: int) -> None:
        if progress and items:
            progress("ingest", n, len(items))

    if scheduler is not None:
        client = stack.enter_context(connect(scheduler))
        return Cluster(job, client, show), max(len(client.scheduler_info()["workers"]), 1)
    workers = _useful_workers(workers, items)
    return InProcess(job, show) if workers == 1 else Pool(job, workers, show), workers


def _useful_workers(workers: int, items: Sequence[SourceRecording]) -> int:
    """Number of processes that the files are worth, counting the samples that lie beside a header."""
    by_number = math.ceil(len(items) / _FILES_PER_WORKER)
    if by_number >= workers:
        return workers
    n_bytes = sum(size for item in items for size, _ in state_of(item.path).values())
    return max(min(workers, max(by_number, n_bytes // _BYTES_PER_WORKER)), 1)
