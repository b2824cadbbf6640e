"""The run of an ingest by the options of its verb: sources, labels, keys, shards, and what is printed of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from rich.console import Console

from biosig.config import load
from biosig.doctor import usable_cores
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


class Joining(NamedTuple):
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


class Naming(NamedTuple):
    """Options on pseudonyms and hashes."""

    key: Path | None
    recording_names: Literal["auto", "keep", "hash"]
    content_hash: Literal["open", "keyed"]


class Execution(NamedTuple):
    """Options on the work and the folder of shards."""

    workers: int
    scheduler: str | None
    resume: bool
    against: tuple[Path, ...]
    compression: Literal["lz4", "zstd"]
    strict: bool


def run_ingest(
    src: Sequence[Path] | str | Path,
    out: Path,
    recipe: Path | None,
    mapping: Path | None,
    overrides: Sequence[str],
    joining: Joining,
    naming: Naming,
    execution: Execution,
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
            workers=execution.workers or usable_cores(),
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


def _checked_sources(src: Sequence[Path] | str | Path, execution: Execution) -> tuple[Path, ...]:
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
