"""Many files to shards: batches over workers, resumed where a run broke off; what fails is told and stops nothing."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from biosig.config import dump, load
from biosig.errors import DataError, UsageError
from biosig.progress import Progress
from biosig.shards import build_index
from biosig.shards.index import shard_paths
from biosig.shards.reader import Shard
from ingest.batch import INTERRUPTED, SPOOL, Job, Result
from ingest.discover import Discovery, Item, adapters_with, with_ids
from ingest.labels.row_index import Found
from ingest.recipe.recipe import Recipe
from ingest.workers import Cluster, Crew, InProcess, Pool, connect, run, split

log = logging.getLogger(__name__)

FAILURES = "failures.parquet"
UNMATCHED = "unmatched.parquet"
RECIPE = "recipe.yaml"
KEY_ID = "key_id.txt"
"""Tells the key of the pseudonyms from others without giving it away; the key itself lies elsewhere."""
LOCK = ".lock"
_FILES_PER_WORKER = 128  # below this many, and this many bytes, another process costs more than it brings
_BYTES_PER_WORKER = 32 * 2**20


def ingest_items(
    found: Discovery,
    job: Job,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Ingest what a walk found into shards under `job.out`, with index, recipe and tables of what failed.

    Each worker writes shards of its own, so that as many work at once as there are; a recording is in one of them or
    in none.

    Parameters
    ----------
    found : Discovery
        From `ingest.discover.discover`.
    job : Job
        Output folder (new or empty, or one to resume), recipe, labels and names.
    workers : int
        Processes at most; few and small files are handled in this one.
    scheduler : str, optional
        Address of a Dask cluster that does the work instead.
    resume : bool
        Skip files that are in the shards of the folder already.
    progress : callable, optional
        Told how many files are done; `biosig.progress.show_progress` gives one.

    Returns
    -------
    Result

    Raises
    ------
    UsageError
        If the folder holds shards and `resume` is not set, they were made with another recipe or key, or another
        ingest is writing there.
    DataError
        If the disk is full. What was published stays whole.
    KeyboardInterrupt
        After Ctrl-C, likewise.
    """
    result = Result(failures=list(found.failures))
    with ExitStack() as stack:
        stack.enter_context(_locked(_made(job.out)))
        done, taken = _open_output(job, resume)
        items = [item for item in found.items if job.source_name(item) not in done]
        items = with_ids(items, adapters_with(job.mapping), taken)
        result.n_skipped = len(found.items) - len(items)

        def told(n: int) -> None:
            if progress and items:
                progress("ingest", n, len(items))

        crew: Crew
        if scheduler is not None:
            client = stack.enter_context(connect(scheduler))
            crew, workers = Cluster(job, client, told), max(len(client.scheduler_info()["workers"]), 1)
        else:
            workers = _worth(workers, items)
            crew = InProcess(job, told) if workers == 1 else Pool(job, workers, told)
        try:
            with closing(run(job, crew, split(items, workers, _next_number(job.out)))) as outcomes:
                for outcome in outcomes:
                    result += outcome
        finally:  # also after Ctrl-C: what was published is listed
            _sweep(job.out)
            _unmatched_rows(found, job, result)
            _write_tables(job.out, result)
    if result.stopped_by == INTERRUPTED:
        raise KeyboardInterrupt
    if result.stopped_by:
        raise DataError(
            f"The ingest ended early because {result.stopped_by}: what was published stays whole; make room and "
            "continue with --resume."
        )
    return result


def _worth(workers: int, items: Sequence[Item]) -> int:
    """How many processes the files are worth."""
    n_bytes = sum(item.path.stat().st_size for item in items if os.path.isfile(item.path))
    return max(min(workers, max(math.ceil(len(items) / _FILES_PER_WORKER), n_bytes // _BYTES_PER_WORKER)), 1)


def _made(out: Path) -> Path:
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"{out} is a file: give a folder for the shards.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made ({error.strerror}): give a folder that you may write to.") from None
    return out


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep a second ingest out of the folder: it would take this one's unfinished files for left-overs."""
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    with (out / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another ingest is writing to {out}: wait for its end, or choose another folder."
            ) from None
        except OSError as error:  # some network file systems know no locks
            log.warning("%s cannot be locked (%s): see to it that no other ingest writes there.", out, error.strerror)
        try:
            yield
        finally:
            (out / LOCK).unlink(missing_ok=True)


def _open_output(job: Job, resume: bool) -> tuple[set[str], set[str]]:
    """Make the folder ready; the source names and the ids of the recordings that are in its shards already."""
    out = job.out
    has_shards = bool(shard_paths(out))
    if has_shards and not resume:
        raise UsageError(f"{out} holds shards already: choose another folder, or continue with --resume.")
    recipe = out / RECIPE
    if has_shards and recipe.is_file() and load(Recipe, recipe) != job.recipe:
        raise UsageError(
            f"{out} was made with another recipe ({recipe}): resume with that one, or choose another folder."
        )
    key_id = out / KEY_ID
    fingerprint = job.pseudonyms("key", "")
    if has_shards and key_id.is_file() and key_id.read_text(encoding="utf-8").strip() != fingerprint:
        raise UsageError(
            f"{out} was made under another key, so each subject would get a second name: resume with that one (--key)."
        )
    _sweep(out)
    dump(job.recipe, recipe)
    key_id.write_text(fingerprint + "\n", encoding="utf-8")
    shards = [Shard(path).text for path in shard_paths(out)]
    sources = {source.path for text in shards for source in text["source"]}
    return sources, {name for text in shards for name in text["id"]}


def _sweep(out: Path) -> None:
    """Remove what a process that was killed left unfinished."""
    for left in (*out.glob(".*.tmp"), *out.glob(f"{SPOOL}*")):
        log.info("removed %s, which was left unfinished", left)
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


def _next_number(out: Path) -> int:
    """The first number that names no shard of the folder ("00012.h5", "00012-1.h5")."""
    numbers = [path.stem.partition("-")[0] for path in shard_paths(out)]
    return max((int(number) for number in numbers if number.isdigit()), default=-1) + 1


def _unmatched_rows(found: Discovery, job: Job, result: Result) -> None:
    """Rows of the label tables that are about nothing, whether this run ingested it or one before."""
    if job.labels is not None:
        texts = [Shard(path).text for path in shard_paths(job.out)]
        sittings = {sitting for text in texts for sitting in zip(text["subject"], text["session"], strict=True)}
        paths = [item.named for item in found.items]
        result.unmatched_rows = job.labels.unmatched(Found(paths, frozenset(sittings), job.pseudonyms))


def _write_tables(out: Path, result: Result) -> None:
    """The index, and the failed files and unmatched names of this run; one of an earlier run that is empty now goes."""
    failures = {
        "file": [f.file for f in result.failures],
        "stage": [f.stage for f in result.failures],
        "sentence": [f.sentence for f in result.failures],
    }
    names = result.unmatched_recordings + result.unmatched_rows
    unmatched = {
        "what": ["recording"] * len(result.unmatched_recordings) + ["row"] * len(result.unmatched_rows),
        "name": [name for name, _ in names],
        "table": [table for _, table in names],
    }
    try:
        if shard_paths(out):
            build_index(out)
        for name, columns in ((FAILURES, failures), (UNMATCHED, unmatched)):
            if next(iter(columns.values())):
                pq.write_table(pa.table(columns), out / name)
            else:
                (out / name).unlink(missing_ok=True)
    except OSError as error:
        result.stopped_by = result.stopped_by or f"writing to {out} failed ({error})"
