"""The tables that an ingest leaves beside its shards: the index, failures, unmatched labels, copies and notes."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from biosig.evaluate.duplicates import find_duplicates
from biosig.file_sums import remove, replacing
from biosig.shards import build_index, open_shards
from biosig.shards.index import shard_paths
from biosig.shards.reader import Shard
from ingest.metadata.labels.row_index import IngestIndex
from ingest.pipeline.batch import Duplicate, Job, Result
from ingest.pipeline.discover import Discovery, SourceRecording, printable

log = logging.getLogger(__name__)

FAILURES = "failures.parquet"
UNMATCHED = "unmatched.parquet"
INVENTORY = "inventory.parquet"
DUPLICATES = "duplicates.parquet"
NOTES = "notes.parquet"


def add_unmatched_rows(found: Discovery, job: Job, result: Result) -> None:
    """Add the rows of the label tables that match no recording of this run or an earlier one."""
    if job.labels is not None:
        sittings: set[tuple[str, str | None]] = set()
        for path in shard_paths(job.out):
            text = Shard(path).text
            sittings.update(zip(text["subject"], text["session"], strict=True))
        paths = [item.named for item in found.items]
        result.unmatched_rows = job.labels.unmatched(IngestIndex(paths, frozenset(sittings), job.pseudonyms))


def add_duplicates(out: Path, result: Result, against: Sequence[Path] = ()) -> None:
    """Add the recordings of the folder's shards that are copies of others there, or in other folders of shards."""
    if not shard_paths(out):
        return
    sets = [open_shards(folder) for folder in (out, *against)]
    names = [name for ds in sets for name in ds.table["recording"].to_pylist()]
    folder = [
        str(path) if path else "" for path, ds in zip((None, *against), sets, strict=True) for _ in range(len(ds))
    ]
    found = find_duplicates(
        [content for ds in sets for content in ds.table["content_hash"].to_pylist()],
        [data for ds in sets for data in ds.fingerprints],
    )
    n_own = len(sets[0])
    for rows in found.members():
        for row in rows.tolist():
            other = int(rows[0]) if row != rows[0] else int(rows[1])
            if row < n_own and (row != rows[0] or other >= n_own):
                equal = found.equal[row] == found.equal[other]
                result.duplicates.append(
                    Duplicate(names[row], names[other], "equal" if equal else "near", folder[other])
                )
    result.n_unmarked = found.n_unmarked


def write_tables(
    out: Path, result: Result, tried: Sequence[SourceRecording] | None, against: Sequence[Path] = ()
) -> None:
    """Write the index, and the tables of failures, unmatched names, copies and notes; an empty table is removed.

    Parameters
    ----------
    out : Path
        The folder.
    result : Result
        Of this run; `stopped_by` is set if the disk is full.
    tried : sequence of SourceRecording or None
        Items that this run went through. An earlier run's failures stay where they are about other files; so do its
        recordings that no label table knows, as they are in the shards. None = there was no earlier run.
    against : sequence of Path
        Folders of shards in which copies are looked for too.
    """
    failures = [{"file": f.file, "stage": f.stage, "sentence": f.sentence} for f in result.failures]
    recordings = [{"what": "recording", "name": name, "table": table} for name, table in result.unmatched_recordings]
    rows = [{"what": "row", "name": name, "table": table} for name, table in result.unmatched_rows]
    try:
        if tried is not None:
            again = {
                os.path.abspath(file) for file in (*(str(i.path) for i in tried), *(f.file for f in result.failures))
            }
            again = {printable(file) for file in again}
            failures = [row for row in _rows(out / FAILURES) if os.path.abspath(row["file"]) not in again] + failures
            named = {row["name"] for row in recordings}
            before = [row for row in _rows(out / UNMATCHED) if row["what"] == "recording" and row["name"] not in named]
            recordings = before + recordings
        if shard_paths(out):
            build_index(out)
        add_duplicates(out, result, against)
        duplicates = [asdict(duplicate) for duplicate in result.duplicates]
        tables = {
            FAILURES: failures,
            UNMATCHED: recordings + rows,
            DUPLICATES: duplicates,
            NOTES: _notes(out),
        }
        for name, table in tables.items():
            if table:
                with replacing(out / name) as temporary:
                    pq.write_table(pa.Table.from_pylist(table), temporary)
            else:
                remove(out / name)
    except OSError as error:
        result.stopped_by = result.stopped_by or f"writing to {out} failed ({error})"


def _notes(out: Path) -> list[dict[str, str]]:
    """Each note on a recording of the folder's shards."""
    texts = (Shard(path).text for path in shard_paths(out))
    return [
        {"recording": recording, "note": note}
        for text in texts
        for recording, notes in zip(text["id"], text["notes"], strict=True)
        for note in dict.fromkeys(notes)
    ]


def write_inventory(out: Path, differences: Sequence[dict[str, str]]) -> None:
    """Write the differences between the lists beside the sources and their files; an empty table is removed."""
    if differences:
        with replacing(out / INVENTORY) as temporary:
            pq.write_table(pa.Table.from_pylist(list(differences)), temporary)
    else:
        remove(out / INVENTORY)


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    try:
        return pq.read_table(path).to_pylist()
    except pa.ArrowException as error:
        log.warning("%s is damaged (%s): its rows of an earlier run are lost.", path, error)
        return []
