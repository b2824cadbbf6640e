"""The verb `ingest`: a typed function that the command line and Python call alike."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Literal

import tyro
from rich.console import Console

from biosig.config import load
from biosig.errors import DataError, UsageError
from biosig.given import Given, given_by
from biosig.progress import show_progress
from biosig.recording import KINDS
from biosig.shards import open_shards
from biosig.unread_files import what_to_do
from ingest.adapters.tables.mapping import TableMapping, load_mapping
from ingest.metadata.labels.labels import Labels, load_labels
from ingest.metadata.labels.subject_pattern import SubjectPattern
from ingest.pipeline.batch import Job, Result
from ingest.pipeline.discover import Discovery, discover
from ingest.pipeline.inventory import check_inventories
from ingest.pipeline.run import ingest_items
from ingest.pipeline.tables import DUPLICATES, FAILURES, NOTES, UNMATCHED, write_inventory
from ingest.preprocess.recipe import Recipe
from ingest.privacy.pseudonyms import Pseudonyms, load_key

KEYED_HASHES = (
    "Content hashes are keyed and fingerprints left out: ledgers of models do not know these recordings, nor do others "
    "find copies of them; near copies are not found at all; and folds are the same only for who has the key."
)
_SHOWN = 8  # lines of a list that goes on in a file
_NAMED = 3  # recordings of a line


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
        YAML file of what to do with the samples (configs/ingest/*.yaml); default nothing, which is lossless.
    workers : int
        Processes that read, process and write; 0 = one per core.
    scheduler : str, optional
        Address of a Dask scheduler (tcp://HOST:PORT) whose workers do it instead; they must see the sources and OUT
        under the same paths.
    resume : bool
        Continue in a folder that holds shards: files that are in them are skipped.
    against : tuple of Path
        Folders of shards in which copies of these recordings are looked for too, such as those of another part or site.
    labels : tuple of Path
        Tables (CSV, TSV, Parquet) with one row per recording, subject or event: labels, subject, age, sex, report.
    labels_spec : Path, optional
        YAML file that says what the tables' columns mean (configs/ingest/ptbxl-labels.yaml); default all columns are
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
        hashes where a name is no code ("rec01_night" is one) or tells the subject.
    content_hash : {"open", "keyed"}
        Hashes of the samples: open = as they are, with fingerprints, so that copies, ledgers and folds agree across
        sites; keyed = under the key and without fingerprints, for who must not let others find what they hold
        (docs/privacy.md).
    compression : {"lz4", "zstd"}
        LZ4 reads nearly twice as fast; Zstandard writes faster and is up to a tenth smaller.
    strict : bool
        Stop before anything is written where RECORDS, SHA256SUMS or participants.tsv beside the sources and the files
        there disagree; otherwise that is told, and listed in OUT/inventory.parquet.
    set_ : tuple of str
        Changes to the recipe, KEY=VALUE (sfreq.ecg=500), and what files do not say (unit.eeg=uV, rename.ECG=I,
        sfreq=250).

    Returns
    -------
    int
        Exit status: 1 if any file failed, or a table of subjects knows none; the others are ingested all the same.
    """
    console = Console(highlight=False, soft_wrap=True)
    logging.getLogger("biosig").setLevel(logging.INFO)
    tables: TableMapping | None = load_mapping(mapping) if mapping else None
    src = (Path(src),) if isinstance(src, str | Path) else tuple(Path(source) for source in src)
    if not src:
        raise UsageError("Name at least one file or folder to ingest.")
    if workers < 0:
        raise UsageError(f"--workers is {workers}; it must be 0 (one per core) or more.")
    for folder in against:
        open_shards(folder)  # refused before the work, not behind it
    stated, changes = sorted_out(set_)
    cooking = load(Recipe, recipe, changes)
    joins = load_labels(labels, labels_spec, id_column, subject_column)
    pattern = SubjectPattern(subject_pattern) if subject_pattern else None
    found = discover(src, tables)
    if not found.items:
        raise DataError(" ".join(f.sentence for f in found.failures) or "Nothing to ingest was found.")
    _check_joins(found, joins, pattern)
    secret, place = load_key(key, out)
    console.print(f"Found {_n(len(found.items), 'recording')}; pseudonyms under the key in {place}.", markup=False)
    if found.n_repeated:
        console.print(f"Reached twice, by name or by a link, and ingested once: {_n(found.n_repeated, 'file')}.")
    if found.n_parts:
        console.print(f"Segments of others, ingested with these: {_n(found.n_parts, 'file')}.")
    if found.aside:
        console.print(f"Passed over, as no recordings of a BIDS set lie there: {', '.join(found.aside)}.", markup=False)
    if found.unclaimed:
        others = ", ".join(f"{n} {suffix}" for suffix, n in found.unclaimed.most_common(_SHOWN))
        console.print(
            f"Files that stand for no recording of their own (signals beside headers, other formats): {others}.",
            markup=False,
        )
    for file in found.packed[:1]:
        more = f" ({len(found.packed) - 1} more are packed.)" if len(found.packed) > 1 else ""
        console.print(f"Not looked into: {what_to_do(file)}{more}", markup=False)
    for remark in joins.remarks if joins is not None else ():
        console.print(remark, markup=False)
    differing = check_inventories(found)
    if strict and differing:
        raise DataError(" ".join(inventory.sentence() for inventory in differing))
    for inventory in differing:
        console.print(inventory.sentence(), markup=False)
    if joins is not None and joins.left_out:
        console.print(
            f"Not kept as labels, for privacy: {', '.join(joins.left_out)} (see --labels-spec).", markup=False
        )
    job = Job(
        out,
        cooking,
        Pseudonyms(secret),
        recording_names,
        tables,
        joins,
        pattern,
        compression,
        content_hash=content_hash,
        given=stated,
    )
    if content_hash == "keyed":
        console.print(KEYED_HASHES)
    start = time.monotonic()
    with show_progress(Console(stderr=True)) as progress:
        result = ingest_items(
            found,
            job,
            workers=workers or _cores(),
            scheduler=scheduler,
            resume=resume,
            against=against,
            progress=progress,
        )
    write_inventory(out, [row for inventory in differing for row in inventory.rows()])
    _report(result, out, time.monotonic() - start, console)
    if result.n_ingested and cooking.concerns and not result.kinds.keys() & set(cooking.concerns):
        console.print(
            f"The recipe speaks of {', '.join(cooking.concerns)}, but none of these recordings has them: these steps "
            "were not done.",
            markup=False,
        )
    strangers = joins.strangers(result.unmatched_rows) if joins is not None else []
    for name in strangers:
        console.print(
            f"{name} is about none of the recordings' subjects: check --subject-column, or say with --subject-pattern "
            "where in the path a subject's id stands.",
            markup=False,
        )
    return 1 if result.failures or strangers else 0


def sorted_out(overrides: Sequence[str]) -> tuple[Given, list[str]]:
    """Split overrides into facts of files and changes of the recipe.

    A unit does both: it is stated where a file has none, and values are converted to it where it has one.

    Raises
    ------
    UsageError
        If one states what cannot be.
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


def _report(result: Result, out: Path, seconds: float, console: Console) -> None:
    say = lambda text: console.print(text, markup=False)  # noqa: E731
    kinds = ", ".join(f"{n} with {kind}" for kind, n in sorted(result.kinds.items()))
    skipped = f", {result.n_skipped} were there already" if result.n_skipped else ""
    say(
        f"Ingested {_n(result.n_ingested, 'recording')} ({kinds or 'none'}), {result.seconds / 3600:.2f} h of signal, "
        f"into {_n(result.n_shards, 'new shard')} in {out}{skipped}; {seconds:.1f} s."
    )
    most_first = sorted(result.notes.items(), key=lambda note: -len(note[1]))
    for note, recordings in most_first[:_SHOWN]:
        more = ", …" if len(recordings) > _NAMED else ""
        named = ", ".join(recordings[:_NAMED])
        say(f"  note on {_n(len(recordings), 'recording')} ({named}{more}): {shorten(note, 200)}")
    if len(result.notes) > _SHOWN:
        say(f"  and {_n(len(result.notes) - _SHOWN, 'other note')}.")
    if result.notes:
        say(f"  All notes, recording by recording: {out / NOTES}")
    if result.n_renamed:
        say(
            f"Keyed hashes of paths stand for {_n(result.n_renamed, 'name')} that could tell the subject or stand "
            "twice; --recording-names keep keeps names that stand once."
        )
    if result.without_subject:
        say(
            f"No subject is named for {_n(result.without_subject, 'recording')}, each of which counts as a subject "
            "of its own; join them with --labels or --subject-pattern."
        )
    for what, noun, unmatched in (
        ("The label tables or the pattern do not know", "recording", result.unmatched_recordings),
        ("In the label tables, no recording matches", "row", result.unmatched_rows),
    ):
        if unmatched:
            names = ", ".join(name for name, _ in unmatched[:3])
            more = "" if len(unmatched) <= 3 else f" and others in {out / UNMATCHED}"
            say(f"{what} {_n(len(unmatched), noun)}: {names}{more}.")
    if result.duplicates:
        n_equal = sum(one.kind == "equal" for one in result.duplicates)
        say(
            f"{_n(len(result.duplicates), 'recording')} there twice ({n_equal} with equal samples, "
            f"{len(result.duplicates) - n_equal} as near copies; all in {out / DUPLICATES}); splits keep them together:"
        )
        for one in result.duplicates[:_SHOWN]:
            where = f" of {one.folder}" if one.folder else ""
            say(f"  {one.recording} is {'equal to' if one.kind == 'equal' else 'near'} {one.other}{where}")
        if len(result.duplicates) > _SHOWN:
            say(f"  and {_n(len(result.duplicates) - _SHOWN, 'other')}.")
    if result.n_unmarked:
        say(
            f"{_n(result.n_unmarked, 'recording')} in these folders have no fingerprint, as an older version or "
            "--content-hash keyed wrote them: near copies of them are not found, equal ones under one key are."
        )
    if result.failures:
        say(f"{len(result.failures)} failed (all in {out / FAILURES}):")
        for failure in result.failures[:_SHOWN]:
            say(f"  {failure.stage}: {failure.sentence}")
        if len(result.failures) > _SHOWN:
            say(f"  and {_n(len(result.failures) - _SHOWN, 'other')}.")


def _n(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
