"""One batch of files to published shards: the work of a worker, in this process, another one or on another machine."""

from __future__ import annotations

import errno
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Literal, Self

from biosig.errors import BiosigError, DataError
from biosig.given import Given
from biosig.landmarks import fingerprint
from biosig.recording import Recording
from biosig.shards import ShardWriter
from biosig.shards.reader import Shard
from ingest.adapters.tables.mapping import TableMapping
from ingest.metadata.labels.labels import Labels
from ingest.metadata.labels.subject_pattern import SubjectPattern
from ingest.pipeline.discover import Failure, SourceRecording, adapters_with, printable
from ingest.pipeline.interrupts import Interrupts
from ingest.preprocess.recipe import Recipe, apply, with_versions
from ingest.privacy.deidentify import NO_SUBJECT, RENAMED, Deidentifier, deidentify
from ingest.privacy.pseudonyms import Pseudonyms

log = logging.getLogger(__name__)

SHARD_BYTES = 256 * 2**20
SHARD_RECORDINGS = 4096
SPOOL = ".spool-"
"""Start of the name of a folder for samples on their way; a run that is killed leaves the folder to the next."""

_SIGNAL_SUFFIXES = (".dat", ".mat", ".eeg", ".fdt")
"""Extensions of files with the samples of a header of the same name, in WFDB, BrainVision and EEGLAB."""

INTERRUPTED = "it was interrupted"


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know; sent to it once."""

    out: Path
    recipe: Recipe
    pseudonyms: Pseudonyms
    recording_names: Literal["keep", "hash", "auto"] = "auto"
    mapping: TableMapping | None = None
    labels: Labels | None = None
    pattern: SubjectPattern | None = None
    compression: Literal["lz4", "zstd"] = "lz4"
    content_hash: Literal["open", "keyed"] = "open"
    given: Given = field(default_factory=Given)
    """Facts that the user states where files do not: units, names, a rate."""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Content hashes and ids of recordings that are in the shards and came from none of the files at hand."""

    @property
    def deidentifier(self) -> Deidentifier:
        """Rules by which shards get no names, dates and free texts; labels that were asked for by name are kept."""
        asked = self.labels.asked if self.labels is not None else frozenset()
        by_path = self.pattern is not None
        texts = self.recipe.scrub_texts
        return Deidentifier(self.pseudonyms, self.recording_names, by_path, asked, texts, self.content_hash)

    def source_name(self, item: SourceRecording) -> str:
        """Pseudonym of an item's path, which a shard keeps; --resume knows the item again by it."""
        return self.deidentifier.source_name(item.key)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A recording that holds the same signal as another one, `equal` samples or a `near` copy, and that one's place."""

    recording: str
    other: str
    kind: Literal["equal", "near"]
    folder: str = ""
    """The folder of the other one; empty = the same folder."""


@dataclass(slots=True)
class Result:
    """Outcome of some files: counts, failures, notes."""

    n_ingested: int = 0
    n_skipped: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    unmatched_recordings: list[tuple[str, str]] = field(default_factory=list)
    """Recordings, each with the label tables (or the pattern) that have no entry for it."""
    unmatched_rows: list[tuple[str, str]] = field(default_factory=list)
    """Names of recordings and subjects in rows that match none, each with its table."""
    without_subject: int = 0
    n_renamed: int = 0
    notes: dict[str, list[str]] = field(default_factory=dict)
    """The recordings that each note is on."""
    n_shards: int = 0
    duplicates: list[Duplicate] = field(default_factory=list)
    """Recordings of the folder that are copies of others, there or in the folders compared with."""
    n_unmarked: int = 0
    """Recordings of these folders without a fingerprint, of which only equal samples are found."""
    stopped_by: str = ""
    """Reason for which the run cannot go on: a full disk, or Ctrl-C. All that is counted here is published."""

    def __iadd__(self, other: Result) -> Self:
        for counted in ("n_ingested", "n_skipped", "seconds", "without_subject", "n_renamed", "n_shards"):
            setattr(self, counted, getattr(self, counted) + getattr(other, counted))
        self.kinds += other.kinds
        for note, recordings in other.notes.items():
            self.notes.setdefault(note, []).extend(recordings)
        self.failures += other.failures
        self.unmatched_recordings += other.unmatched_recordings
        self.unmatched_rows += other.unmatched_rows
        self.stopped_by = self.stopped_by or other.stopped_by
        return self

    def add_notes(self, recording: str, notes: Iterable[str]) -> None:
        """Add a recording's notes."""
        for note in dict.fromkeys(notes):
            self.notes.setdefault(note, []).append(recording)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recording ready for its shard, the tables without an entry for it, and flags: subject known, name hidden."""

    recording: Recording
    missed_by: tuple[str, ...]
    subject_known: bool
    renamed: bool


class DiskFullError(Exception):
    """The disk of the shards is full; every other file would fail too."""


def prepare(job: Job, item: SourceRecording, spool: Path) -> Prepared | Failure:
    """Read one file and do all processing that needs no other file.

    Parameters
    ----------
    job : Job
        The work to do.
    item : SourceRecording
        The file.
    spool : Path
        A folder for samples that do not fit into memory; they are read from there later.

    Raises
    ------
    DiskFullError
        If they do not fit there either.
    """
    stage = "read"
    try:
        recording = adapters_with(job.mapping, job.given)[item.adapter].read(item.path, lazy=True, **item.options)
        if twin := job.elsewhere.get(job.deidentifier.content_name(recording.content_hash)):
            raise DataError(
                f"{item.path} holds the same samples as recording '{twin}', which is in {job.out} already from another "
                "path: resume with the same sources, under the same names, or leave this one out."
            )
        recording = replace(recording, id=item.id, fingerprint=fingerprint(recording.streams))
        stage = "label"
        missed_by: tuple[str, ...] = ()
        if job.pattern is not None:  # first: tables may speak of the subject that it names
            joined = job.pattern.join(recording, item.relative)
            missed_by = ("--subject-pattern",) if joined is None else ()
            recording = joined or recording
        if job.labels is not None:
            recording, tables = job.labels.join(recording, item.named)
            missed_by += tables
        stage = "recipe"
        recording = apply(job.recipe, recording, spool)
        subject_known = recording.subject is not None and bool(recording.subject.id)
        hidden = deidentify(recording, item.relative, job.deidentifier, item.key)
        return Prepared(hidden, missed_by, subject_known, renamed=hidden.id != recording.id)
    except BiosigError as error:
        return Failure(str(item.path), stage, str(error))
    except MemoryError:
        sentence = f"{item.path} does not fit into memory: use fewer --workers, or a machine with more."
        return Failure(str(item.path), stage, sentence)
    except Exception as error:  # one file must not end a run of a million
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(error.strerror) from None
        log.debug("unexpected error at %s", item.path, exc_info=True)
        sentence = f"{item.path} failed with an unexpected {type(error).__name__} ({error}): please report it."
        return Failure(str(item.path), stage, sentence)


def write_batch(job: Job, number: int, items: Sequence[SourceRecording], go_on: Callable[[], bool]) -> Result:
    """Prepare files and write them into shards of their own.

    Parameters
    ----------
    job : Job
        The work to do.
    number : int
        Names the shards: 00012.h5, and 00012-1.h5 where one is full. No other batch may have it; recordings that an
        earlier try at this one published are counted and not done again (a cluster repeats the batch of a lost worker).
    items : sequence of SourceRecording
        The files, in the order in which they are stored.
    go_on : callable
        Called after each file; False ends the batch there.

    Returns
    -------
    Result
        Of the recordings that are published by then; a full disk or an interruption is stated in `stopped_by`.
    """
    shards = _Shards(job, number)
    temporary = TemporaryDirectory(prefix=SPOOL, dir=job.out, ignore_cleanup_errors=True)
    try:
        with Interrupts() as interrupts, shards, temporary as spool:
            shards.published, left = published_before(job, number, items)
            for item in left:
                state = state_of(item.path)
                try:
                    with interrupts.raised_when_repeated():
                        outcome = prepare(job, item, Path(spool))
                except KeyboardInterrupt:
                    break
                if isinstance(outcome, Failure):
                    shards.result.failures.append(outcome)
                else:
                    shards.add(outcome, item, state)
                for used in os.listdir(spool):
                    os.unlink(os.path.join(spool, used))
                if not go_on():
                    shards.published.stopped_by = INTERRUPTED
                    break
                if interrupts.asked:
                    break
        if interrupts.asked:  # perhaps only while the last shard was published
            shards.published.stopped_by = INTERRUPTED
    except KeyboardInterrupt:
        shards.published.stopped_by = INTERRUPTED
    except Exception as error:  # of HDF5 and of the system, on the way to the disk
        shards.published.stopped_by = f"writing to {job.out} failed ({error})"
    return shards.published


def state_of(path: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of a file and of those beside it that it is likely to stand for."""
    stem, suffix = os.path.splitext(path)
    found = {}
    for end in dict.fromkeys((suffix, *_SIGNAL_SUFFIXES)):
        try:
            found[stem + end] = _stamp(stem + end)
        except OSError:  # mostly since it does not exist
            continue
    return found


def _stamp(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def is_unchanged(state: Mapping[str, tuple[int, int]]) -> bool:
    """True if the files are as `state_of` found them."""
    try:
        return all(_stamp(path) == stamp for path, stamp in state.items())
    except OSError:
        return False


def published_before(job: Job, number: int, items: Sequence[SourceRecording]) -> tuple[Result, list[SourceRecording]]:
    """Result of the items that are in shards of this number already, and the items that are not."""
    result = Result()
    left = {job.source_name(item): item for item in items}
    for path in sorted(job.out.glob(f"{number:05d}*.h5")):
        if path.stem.partition("-")[0] != f"{number:05d}":  # of a longer number
            continue
        shard = Shard(path)
        result.n_shards += 1
        for row, source in enumerate(shard.text["source"]):
            item = left.pop(source.path)
            result.n_ingested += 1
            result.seconds += shard.duration(row)
            result.without_subject += shard.text["subject"][row] == job.pseudonyms(NO_SUBJECT, item.key)
            result.n_renamed += shard.text["id"][row] == job.pseudonyms(RENAMED, item.key)
            result.kinds.update({channel.kind for channel in shard.channels(row)})
            result.add_notes(shard.text["id"][row], shard.text["notes"][row])
    return result, list(left.values())


class _Shards:
    """Writes recordings into shards of bounded size; `published` counts the contents of those that are published."""

    def __init__(self, job: Job, number: int) -> None:
        self._job, self._number = job, number
        self._recipe = with_versions(job.recipe)
        self._stack = ExitStack()
        self._writer: ShardWriter | None = None
        self.result = Result()
        self.published = Result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._publish()  # also where a run ends early: --resume continues behind what is complete
        else:
            self._stack.__exit__(kind, error, traceback)

    def add(self, outcome: Prepared, item: SourceRecording, state: Mapping[str, tuple[int, int]]) -> None:
        """Write one recording, unless its files are no longer in the `state` in which they were read."""

        def confirm() -> None:
            if not is_unchanged(state):
                raise DataError(f"{item.path} changed while it was read: ingest it again once it is complete.")

        recording = outcome.recording
        if self._writer is None:
            more = f"-{self.published.n_shards}" if self.published.n_shards else ""
            path = self._job.out / f"{self._number:05d}{more}.h5"
            self._writer = self._stack.enter_context(ShardWriter(path, self._recipe, self._job.compression))
        try:
            self._writer.add(recording, confirm)
        except BiosigError as error:
            self.result.failures.append(Failure(str(item.path), "write", str(error)))
            return
        self._count(outcome, item)
        if len(self._writer) >= SHARD_RECORDINGS or self._writer.nbytes >= SHARD_BYTES:
            self._publish()

    def _count(self, outcome: Prepared, item: SourceRecording) -> None:
        result, recording = self.result, outcome.recording
        result.n_ingested += 1
        result.seconds += recording.duration
        result.without_subject += not outcome.subject_known
        result.n_renamed += outcome.renamed
        result.kinds.update(recording.kinds)
        result.add_notes(recording.id, recording.notes)
        if outcome.missed_by:
            result.unmatched_recordings.append((printable(item.relative), ", ".join(outcome.missed_by)))

    def _publish(self) -> None:
        writer, self._writer = self._writer, None
        self._stack.close()
        self.result.n_shards += writer is not None and len(writer) > 0
        self.published += self.result
        self.result = Result()
