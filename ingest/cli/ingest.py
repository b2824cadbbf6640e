"""The verb `ingest`: a typed function that the command line and Python call alike."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import tyro
from rich.console import Console

from biosig.config import load
from biosig.errors import DataError, UsageError
from biosig.given import Given, given_by
from biosig.progress import show_progress
from biosig.recording import KINDS
from biosig.shards import open_shards
from ingest.adapters.tables.mapping import TableMapping, load_mapping
from ingest.cli.ingest_summary import print_differences, print_discovery, print_result, print_unused
from ingest.metadata.labels.labels import Labels, load_labels
from ingest.metadata.labels.subject_pattern import SubjectPattern
from ingest.pipeline.batch import Job
from ingest.pipeline.discover import Discovery, discover
from ingest.pipeline.inventory import Inventory, check_inventories
from ingest.pipeline.run import ingest_items
from ingest.pipeline.tables import write_inventory
from ingest.preprocess.recipe import Recipe
from ingest.privacy.pseudonyms import Pseudonyms, load_key

KEYED_HASHES = (
    "Content hashes are keyed and fingerprints left out: ledgers of models do not know these recordings, nor do others "
    "find copies of them; near copies are not found at all; and folds are the same only under that key."
)


def ingest(
    src: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Path,
    recipe: Path | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    resume: bool = False,
    against: tuple[Path, ...] = (),
    labels: tuple[Path, ...] = (),
    labels_spec: Path | None = None,
    id_column: tuple[str, ...] = (),
    subject_column: str | None = None,
    subject_pattern: str | None = None,
    mapping: Path | None = None,
    key: Path | None = None,
    recording_names: Literal["auto", "keep", "hash"] = "auto",
    content_hash: Literal["open", "keyed"] = "open",
    compression: Literal["lz4", "zstd"] = "lz4",
    strict: bool = False,
    set_: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = (),
) -> int:
    """Turn recordings into shards: read, join labels and subjects, apply a recipe, hide names, write.

    Parameters
    ----------
    src : tuple of Path
        Files and folders; folders are walked.
    out : Path
        Folder for the shards, their index, the recipe, and the tables of failed files and unmatched labels.
    recipe : Path, optional
        YAML file of the processing of samples (configs/ingest/*.yaml); default nothing, which is lossless.
    workers : int
        Processes that read, process and write; 0 = one per core.
    scheduler : str, optional
        Dask scheduler (tcp://HOST:PORT) whose workers do it instead; they must see SRC and OUT under the same paths.
    resume : bool
        Continue in a folder that holds shards: files that are in them are skipped.
    against : tuple of Path
        Folders of shards in which copies of these recordings are looked for too, such as those of another part or site.
    labels : tuple of Path
        Tables (CSV, TSV, Parquet) with one row per recording, subject or event: labels, subject, age, sex, report.
    labels_spec : Path, optional
        YAML file with the meaning of the tables' columns (configs/ingest/ptbxl-labels.yaml); default all columns are
        labels, but for those that sound like dates, times or names.
    id_column : tuple of str
        Column(s) of the table that name the recording by its file's name or by the end of its path.
    subject_column : str, optional
        Column of the table with the subject's id.
    subject_pattern : str, optional
        Regular expression over the path; its group `subject`, or its first, is the subject's id; a group `session`
        names the sitting, other named groups become labels.
    mapping : Path, optional
        For tables and arrays: the YAML file that says which column is which channel, or the name of one that ships
        (docs/ingest.md); default the biosig.yaml beside.
    key : Path, optional
        File with the secret key of the pseudonyms; default the one that BIOSIG_KEY_FILE names, else OUT.key is made.
    recording_names : {"auto", "keep", "hash"}
        Ids of recordings: keep = the files' names (a keyed hash where two have one name), hash = keyed hashes, auto =
        hashes where a name is not a code ("rec01_night" is one) or tells the subject.
    content_hash : {"open", "keyed"}
        Hashes of the samples: open = as they are, with fingerprints: copies, ledgers and folds agree across sites;
        keyed = under the key, without fingerprints: others cannot find the recordings you hold (docs/privacy.md).
    compression : {"lz4", "zstd"}
        LZ4 reads nearly twice as fast; Zstandard writes faster and is up to a tenth smaller.
    strict : bool
        Stop before anything is written where RECORDS, SHA256SUMS or participants.tsv beside the sources and the files
        there disagree; otherwise the differences are shown, and listed in OUT/inventory.parquet.
    set_ : tuple of str
        KEY=VALUE: changes to the recipe (sfreq.ecg=500), facts that files lack (unit.eeg=uV, rename.ECG=I, sfreq=250).

    Returns
    -------
    int
        Exit status: 1 if any file failed, or a table of subjects knows none; the others are ingested all the same.
    """
    joining = _Joining(labels, labels_spec, id_column, subject_column, subject_pattern)
    naming = _Naming(key, recording_names, content_hash)
    execution = _Execution(workers, scheduler, resume, against, compression, strict)
    return _run(src, out, recipe, mapping, set_, joining, naming, execution)


class _Joining(NamedTuple):
    """Options on labels and subjects."""

    labels: tuple[Path, ...]
    labels_spec: Path | None
    id_column: tuple[str, ...]
    subject_column: str | None
    subject_pattern: str | None

    def load(self) -> tuple[Labels | None, SubjectPattern | None]:
        """The tables of labels, and the pattern of subjects in paths."""
        joins = load_labels(self.labels, self.labels_spec, self.id_column, self.subject_column)
        return joins, SubjectPattern(self.subject_pattern) if self.subject_pattern else None


class _Naming(NamedTuple):
    """Options on pseudonyms and hashes."""

    key: Path | None
    recording_names: Literal["auto", "keep", "hash"]
    content_hash: Literal["open", "keyed"]


class _Execution(NamedTuple):
    """Options on the work and the folder of shards."""

    workers: int
    scheduler: str | None
    resume: bool
    against: tuple[Path, ...]
    compression: Literal["lz4", "zstd"]
    strict: bool


def _run(
    src: Sequence[Path] | str | Path,
    out: Path,
    recipe: Path | None,
    mapping: Path | None,
    overrides: Sequence[str],
    joining: _Joining,
    naming: _Naming,
    execution: _Execution,
) -> int:
    """Ingest by the options of `ingest`; returns the exit status."""
    console = Console(highlight=False, soft_wrap=True)
    logging.getLogger("biosig").setLevel(logging.INFO)
    tables: TableMapping | None = load_mapping(mapping) if mapping else None
    src = _checked_sources(src, execution)
    stated, changes = sorted_out(overrides)
    processing = load(Recipe, recipe, changes)
    joins, pattern = joining.load()
    found = discover(src, tables)
    if not found.items:
        raise DataError(" ".join(f.sentence for f in found.failures) or "Nothing to ingest was found.")
    _check_joins(found, joins, pattern)
    secret, place = load_key(naming.key, out)
    print_discovery(found, place, joins, console)
    differing = _differing_inventories(found, execution.strict)
    print_differences(differing, joins, console)
    job = Job(
        out,
        processing,
        Pseudonyms(secret),
        naming.recording_names,
        tables,
        joins,
        pattern,
        execution.compression,
        content_hash=naming.content_hash,
        given=stated,
    )
    if naming.content_hash == "keyed":
        console.print(KEYED_HASHES)
    start = time.monotonic()
    with show_progress(Console(stderr=True)) as progress:
        result = ingest_items(
            found,
            job,
            workers=execution.workers or _cores(),
            scheduler=execution.scheduler,
            resume=execution.resume,
            against=execution.against,
            progress=progress,
        )
    write_inventory(out, [row for inventory in differing for row in inventory.rows()])
    print_result(result, out, time.monotonic() - start, console)
    unused_tables = joins.tables_without_match(result.unmatched_rows) if joins is not None else []
    print_unused(result, processing, unused_tables, console)
    return 1 if result.failures or unused_tables else 0


def _checked_sources(src: Sequence[Path] | str | Path, execution: _Execution) -> tuple[Path, ...]:
    """The sources as paths; refuse options that cannot be, before the work and not behind it."""
    sources = (Path(src),) if isinstance(src, str | Path) else tuple(Path(source) for source in src)
    if not sources:
        raise UsageError("Name at least one file or folder to ingest.")
    if execution.workers < 0:
        raise UsageError(f"--workers is {execution.workers}; it must be 0 (one per core) or more.")
    for folder in execution.against:
        open_shards(folder)
    return sources


def _differing_inventories(found: Discovery, strict: bool) -> list[Inventory]:
    """Lists beside the sources that do not agree with the files; refused if `strict`."""
    differing = check_inventories(found)
    if strict and differing:
        raise DataError(" ".join(inventory.sentence() for inventory in differing))
    return differing


def sorted_out(overrides: Sequence[str]) -> tuple[Given, list[str]]:
    """Split overrides into facts of files and changes of the recipe.

    A unit does both: it is stated where a file has none, and values are converted to it where it has one.

    Raises
    ------
    UsageError
        If one states an impossible fact.
    """
    keys = [(override, *override.partition("=")[0].split(".")) for override in overrides]
    stated = [o for o, group, *name in keys if group in ("unit", "rename") or (group == "sfreq" and not name)]
    changes = [o for o, group, *name in keys if o not in stated or (group == "unit" and ".".join(name) in KINDS)]
    return given_by(stated), changes


def _cores() -> int:
    """Cores that this process may use, which a scheduler such as SLURM limits."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_joins(found: Discovery, labels: Labels | None, pattern: SubjectPattern | None) -> None:
    """Refuse a table or pattern that knows none of the recordings: a wrong column or slash, seen before the work."""
    first = found.items[0]
    if labels is not None:
        labels.check([item.named for item in found.items])
    if pattern is not None and not any(pattern.matches(item.relative) for item in found.items):
        raise UsageError(
            f"--subject-pattern '{pattern.text}' matches none of the {len(found.items)} recordings' paths, such as "
            f"'{first.relative}': correct it."
        )
