"""A Parquet table that is written in parts: killed and started again, the work goes on where it was."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from biosig.batches.windows import Windows
from biosig.errors import DataError
from biosig.file_sums import checked, guarded, set_damaged_aside
from biosig.lock import locked
from biosig.publishing import whole_file

_IDENTITY = b"biosig"
"""Key of a part's metadata, which identify the whole table."""


def write_in_parts(
    out: Path,
    n_windows: int,
    tables: Callable[[tuple[int, int]], Iterator[tuple[int, pa.Table]]],
    part_windows: int,
    identity: Mapping[str, object],
    title: str,
) -> Path:
    """Write the tables of consecutive windows to one Parquet file, in bounded memory.

    Finished windows lie in part files in `OUT.parts/`, each named by its first window and the one after its last, until
    all are done; a part that is damaged or gone is made again.

    Parameters
    ----------
    out : Path
        The Parquet file.
    n_windows : int
        Number of windows.
    tables : callable
        From the number of a first window and the one after the last to tables of these, each with the number that it
        reaches. Their first column, "window", is left out of the file. A column that some tables lack is null there.
    part_windows : int
        Windows per part file: what a kill can cost.
    identity : mapping
        Facts that the parts depend on, as JSON holds them.
    title : str
        Description of parts with another identity, for the message: "embedding of another model or source".

    Raises
    ------
    DataError
        If the parts there have another identity, or the disk is full.
    UsageError
        If another process is writing this file.

    Warns
    -----
    DamagedWorkWarning
        Of each part that is damaged or gone.
    """
    parts = out.with_name(out.name + ".parts")
    with locked(out, title.split()[0], out.with_name(f".{out.name}.lock")):
        parts.mkdir(parents=True, exist_ok=True)
        set_damaged_aside(parts)
        for span in _missing(_finished(parts, identity, title), n_windows):
            waiting: list[pa.Table] = []
            start = span[0]
            for reached, table in tables(span):
                waiting.append(table)
                if reached - start >= part_windows or reached == span[1]:
                    part = parts / f"part-{start:012d}-{reached:012d}.parquet"
                    _write_part(pa.concat_tables(waiting, promote_options="default"), part, identity)
                    waiting, start = [], reached
        finished = _finished(parts, identity, title)
        _join([finished[span] for span in sorted(finished)], out)
        shutil.rmtree(parts)
    return out


def _write_part(table: pa.Table, path: Path, identity: Mapping[str, object]) -> None:
    with guarded(path) as temporary:
        stamped = table.replace_schema_metadata({_IDENTITY: json.dumps(identity)})
        pq.write_table(stamped, temporary, write_page_checksum=True)


def _finished(parts: Path, identity: Mapping[str, object], title: str) -> dict[tuple[int, int], Path]:
    """The finished parts, by the first window of each and the one after its last.

    Raises
    ------
    DataError
        If one has another identity.
    """
    found, wanted = {}, json.loads(json.dumps(identity))
    for path in sorted(parts.glob("part-*.parquet")):
        span = re.fullmatch(r"part-(\d+)-(\d+)", path.stem)
        if span is None or json.loads((pq.read_schema(path).metadata or {}).get(_IDENTITY, b"{}")) != wanted:
            raise DataError(
                f"{parts} holds a half-done {title}, or one of another version: delete it, or give another --out."
            )
        found[int(span[1]), int(span[2])] = path
    return found


def _missing(finished: dict[tuple[int, int], Path], n_windows: int) -> Iterator[tuple[int, int]]:
    """The ranges of windows between those that are finished."""
    reached = 0
    for start, stop in [*sorted(finished), (n_windows, n_windows)]:
        if start > reached:
            yield reached, start
        reached = stop


def _join(parts: Sequence[Path], out: Path) -> None:
    schema = pa.unify_schemas([pq.read_schema(part).remove_metadata() for part in parts]).remove(0)
    with whole_file(out) as temporary, pq.ParquetWriter(temporary, schema, write_page_checksum=True) as writer:
        for part in parts:
            with checked(part):
                table = pq.read_table(part)
            rows = [schema.empty_table(), table.drop(["window"]).replace_schema_metadata()]
            writer.write_table(pa.concat_tables(rows, promote_options="default"))


def fingerprint_of(windows: Windows) -> str:
    """SHA-256 of the content of the windows' recordings and of the places of the windows."""
    digest = hashlib.sha256()
    for row in np.unique(windows.recording):
        digest.update(windows.ds[int(row)].content_hash.encode())
    for column in (windows.recording, windows.onset, windows.duration):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
