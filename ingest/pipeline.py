"""Many files to shards: read, label, cook, hide names, write; what fails is told and does not stop the rest."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from biosig.config import dump, load, to_dict
from biosig.errors import BiosigError, DataError, UsageError
from biosig.progress import Progress
from biosig.recording import Recording, Source, Subject
from biosig.shards import ShardWriter, build_index, open_shards
from biosig.shards.index import shard_paths
from biosig.shards.reader import Shard
from ingest.discover import Discovery, Failure, Item, adapters_with
from ingest.labels import LabelTable, SubjectPattern
from ingest.mapping import TableMapping
from ingest.mne_adapter import FOREIGN_NOTE
from ingest.privacy import Pseudonyms, reveals
from ingest.recipe import Recipe, apply

log = logging.getLogger(__name__)

FAILURES = "failures.parquet"
UNMATCHED = "unmatched.parquet"
RECIPE = "recipe.yaml"
KEY_ID = "key_id.txt"
"""Tells the key of the pseudonyms from others without giving it away; the key itself lies elsewhere."""
SHARD_BYTES = 256 * 2**20
SHARD_RECORDINGS = 4096
_FILES_PER_WORKER = 128  # below this many, and this many bytes, another process costs more than it brings
_BYTES_PER_WORKER = 32 * 2**20


@dataclass(frozen=True)
class Preparation:
    """All that turns one file into the recording that is stored; sent to each worker once per file."""

    recipe: Recipe
    pseudonyms: Pseudonyms
    recording_names: Literal["keep", "hash", "auto"] = "auto"
    mapping: TableMapping | None = None
    table: LabelTable | None = None
    pattern: SubjectPattern | None = None

    def source_name(self, item: Item) -> str:
        """What a shard keeps of an item's path: its pseudonym, by which --resume knows it again."""
        return self.pseudonyms("path", item.relative)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recording ready for its shard; whether table and pattern knew it, its subject is known, its name is hidden."""

    recording: Recording
    matched: bool
    subject_known: bool
    renamed: bool


@dataclass(slots=True)
class Result:
    """What an ingest did."""

    n_ingested: int = 0
    n_skipped: int = 0
    seconds: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    unmatched_recordings: list[str] = field(default_factory=list)
    unmatched_rows: list[str] = field(default_factory=list)
    without_subject: int = 0
    n_renamed: int = 0
    n_notes: dict[str, int] = field(default_factory=dict)
    n_shards: int = 0


def prepare(todo: Preparation, item: Item) -> Prepared | Failure:
    """Read one file and do everything to it that needs no other file."""
    stage = "read"
    try:
        recording = adapters_with(todo.mapping)[item.adapter].read(item.path)
        stage = "label"
        matched = True
        if todo.table is not None:
            row = todo.table.row_of(item.path)
            matched = row is not None
            if row is not None:
                recording = todo.table.join(recording, row)
        if todo.pattern is not None:
            joined = todo.pattern.join(recording, item.relative)
            matched = matched and joined is not None
            recording = joined or recording
        stage = "recipe"
        recording = apply(todo.recipe, recording)
        subject_known = recording.subject is not None and bool(recording.subject.id)
        hidden = _hide(todo, recording, item)
        return Prepared(hidden, matched, subject_known, renamed=hidden.id != recording.id)
    except BiosigError as error:
        return Failure(str(item.path), stage, str(error))
    except MemoryError:
        sentence = f"{item.path} does not fit into memory: use fewer --workers, or a machine with more."
        return Failure(str(item.path), stage, sentence)
    except Exception as error:  # one file must not end a run of a million
        log.debug("unexpected error at %s", item.path, exc_info=True)
        sentence = f"{item.path} failed with an unexpected {type(error).__name__} ({error}): please report it."
        return Failure(str(item.path), stage, sentence)


def _hide(todo: Preparation, recording: Recording, item: Item) -> Recording:
    """Replace what names the subject by pseudonyms; a recording without a subject is one of its own.

    Warnings of a foreign reader stay behind: they may quote names, dates and paths.
    """
    subject = recording.subject or Subject("")
    hashed = todo.recording_names == "hash" or (
        todo.recording_names == "auto"
        and (todo.pattern is not None or (bool(subject.id) and reveals(item.relative, subject.id)))
    )
    if subject.id:
        pseudonym = todo.pseudonyms("subject", subject.id)
    else:
        pseudonym = todo.pseudonyms("subject of recording", item.relative)
    notes = tuple(note for note in recording.notes if not note.startswith(FOREIGN_NOTE))
    if hashed:
        notes = tuple(note.replace(item.name, "…") for note in notes)
    return replace(
        recording,
        id=todo.pseudonyms("recording", item.relative) if hashed else recording.id,
        subject=replace(subject, id=pseudonym),
        source=Source(todo.source_name(item), recording.source.adapter, recording.source.sha256),
        notes=notes,
    )


def ingest_items(
    found: Discovery,
    out: Path,
    todo: Preparation,
    *,
    workers: int = 1,
    resume: bool = False,
    compression: Literal["lz4", "zstd"] = "lz4",
    progress: Progress | None = None,
) -> Result:
    """Ingest what a walk found into shards under `out`, with index, recipe and tables of what failed.

    Parameters
    ----------
    found : Discovery
        From `ingest.discover.discover`.
    out : Path
        A new or empty folder, or one to resume.
    todo : Preparation
        Recipe, labels and names.
    workers : int
        Processes that read and cook; the shards are written here, in the order of the items, whatever their number.
    resume : bool
        Skip files that are in the shards of `out` already.
    compression : {"lz4", "zstd"}
        Of the shards.
    progress : callable, optional
        Told of each file; `biosig.progress.show_progress` gives one.

    Returns
    -------
    Result

    Raises
    ------
    UsageError
        If `out` holds shards already and `resume` is not set, or they were made with another recipe.
    """
    done = _open_output(out, todo, resume)
    items = [item for item in found.items if todo.source_name(item) not in done]
    result = Result(n_skipped=len(found.items) - len(items), failures=list(found.failures))
    taken = set() if not done else set(open_shards(out).to_pandas()["recording"])
    shards = _Shards(out, to_dict(todo.recipe), compression)
    try:
        with shards:
            for n, (item, outcome) in enumerate(_map(partial(prepare, todo), items, workers)):
                if isinstance(outcome, Failure):
                    result.failures.append(outcome)
                else:
                    _store(outcome, item, shards, taken, result)
                if progress:
                    progress("ingest", n + 1, len(items), item.name)
    except OSError as error:
        raise DataError(
            f"Writing to {out} failed ({error}): what was published stays whole; make room and continue with --resume."
        ) from None
    finally:  # also after Ctrl-C: what was published is listed
        result.n_shards = shards.n_published
        if todo.table is not None:
            rows = {todo.table.row_of(item.path) for item in found.items}
            result.unmatched_rows = [todo.table.names_of(row) for row in range(len(todo.table)) if row not in rows]
        if shards.n_published:
            build_index(out)
        _write_tables(out, result)
    return result


def _store(outcome: Prepared, item: Item, shards: _Shards, taken: set[str], result: Result) -> None:
    recording = outcome.recording
    if recording.id in taken:  # the same name in another folder: the path within the source tells them apart
        recording = replace(recording, id=item.relative)
    try:
        if recording.id in taken:
            raise DataError(f"{item.path} gives the name '{recording.id}', which is taken: rename the file.")
        shards.add(recording)
    except BiosigError as error:
        result.failures.append(Failure(str(item.path), "write", str(error)))
        return
    taken.add(recording.id)
    _count(result, outcome, recording, item)


def _count(result: Result, outcome: Prepared, recording: Recording, item: Item) -> None:
    result.n_ingested += 1
    result.seconds += recording.duration
    result.without_subject += not outcome.subject_known
    result.n_renamed += outcome.renamed
    for kind in recording.kinds:
        result.kinds[kind] = result.kinds.get(kind, 0) + 1
    for note in recording.notes:
        result.n_notes[note] = result.n_notes.get(note, 0) + 1
    if not outcome.matched:
        result.unmatched_recordings.append(item.relative)


def _open_output(out: Path, todo: Preparation, resume: bool) -> set[str]:
    """Make the folder ready; the source names that are in its shards already."""
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"{out} is a file: give a folder for the shards.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made ({error.strerror}): give a folder that you may write to.") from None
    has_shards = bool(shard_paths(out))
    if has_shards and not resume:
        raise UsageError(f"{out} holds shards already: choose another folder, or continue with --resume.")
    recipe = out / RECIPE
    if has_shards and recipe.is_file() and load(Recipe, recipe) != todo.recipe:
        raise UsageError(
            f"{out} was made with another recipe ({recipe}): resume with that one, or choose another folder."
        )
    key_id = out / KEY_ID
    fingerprint = todo.pseudonyms("key", "")
    if has_shards and key_id.is_file() and key_id.read_text(encoding="utf-8").strip() != fingerprint:
        raise UsageError(
            f"{out} was made under another key, so each subject would get a second name: resume with that one (--key)."
        )
    for left in out.glob(".*.h5.*.tmp"):  # half a shard of a run that was killed
        log.info("removed %s, which an interrupted run left", left)
        left.unlink(missing_ok=True)
    dump(todo.recipe, recipe)
    key_id.write_text(fingerprint + "\n", encoding="utf-8")
    if not has_shards:
        return set()
    build_index(out)  # an interrupted run leaves shards that its index does not list
    return {source.path for path in shard_paths(out) for source in Shard(path).text["source"]}


class _Shards:
    """Writes recordings into shards of bounded size under numbered names; each is published when it is full."""

    def __init__(self, out: Path, recipe: dict[str, object], compression: Literal["lz4", "zstd"]) -> None:
        self._out, self._recipe, self._compression = out, recipe, compression
        numbers = [int(path.stem) for path in out.glob("*.h5") if path.stem.isdigit()]
        self._next = max(numbers, default=-1) + 1
        self._stack = ExitStack()
        self._writer: ShardWriter | None = None
        self.n_published = 0

    def __enter__(self) -> _Shards:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None or isinstance(error[1], KeyboardInterrupt | BrokenProcessPool | BiosigError):
            self._publish()  # what is complete is worth keeping: --resume continues behind it
        else:
            self._stack.__exit__(*error)  # type: ignore[arg-type]

    def add(self, recording: Recording) -> None:
        if self._writer is None:
            path = self._out / f"{self._next:05d}.h5"
            self._writer = self._stack.enter_context(ShardWriter(path, self._recipe, self._compression))
        self._writer.add(recording)
        if len(self._writer) >= SHARD_RECORDINGS or self._writer.nbytes >= SHARD_BYTES:
            self._publish()

    def _publish(self) -> None:
        writer, self._writer = self._writer, None
        self._stack.close()
        if writer is not None and len(writer):
            self.n_published += 1
            self._next += 1


def _map(
    function: Callable[[Item], Prepared | Failure], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, Prepared | Failure]]:
    """`function` over items, in order; with several workers a bounded number runs ahead."""
    n_bytes = sum(item.path.stat().st_size for item in items if os.path.isfile(item.path))
    workers = min(workers, max(math.ceil(len(items) / _FILES_PER_WORKER), n_bytes // _BYTES_PER_WORKER))
    if workers <= 1:
        yield from ((item, function(item)) for item in items)
        return
    queue: deque[tuple[Item, Future[Prepared | Failure]]] = deque()
    rest: Iterable[Item] = iter(items)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_end_with_parent) as pool:
        try:
            for item in rest:
                queue.append((item, pool.submit(function, item)))
                if len(queue) > 4 * workers:
                    first, future = queue.popleft()
                    yield first, future.result()
            while queue:
                first, future = queue.popleft()
                yield first, future.result()
        except BrokenProcessPool:
            raise DataError(
                "A worker process was killed, most likely for want of memory: what was published stays whole; continue "
                "with --resume and fewer --workers."
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker process end when its parent is killed, which otherwise leaves it waiting for files for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _write_tables(out: Path, result: Result) -> None:
    """The failed files and the unmatched names of this run; a table of an earlier run that has become empty goes."""
    failures = {
        "file": [f.file for f in result.failures],
        "stage": [f.stage for f in result.failures],
        "sentence": [f.sentence for f in result.failures],
    }
    unmatched = {
        "what": ["recording"] * len(result.unmatched_recordings) + ["row"] * len(result.unmatched_rows),
        "name": result.unmatched_recordings + result.unmatched_rows,
    }
    for name, columns in ((FAILURES, failures), (UNMATCHED, unmatched)):
        if next(iter(columns.values())):
            pq.write_table(pa.table(columns), out / name)
        else:
            (out / name).unlink(missing_ok=True)
