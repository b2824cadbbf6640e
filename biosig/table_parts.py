"""A Parquet table that is written in parts: killed and started again, the work goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from biosig.batches.windows import Windows
from biosig.errors import DataError


def write_in_parts(
    out: Path,
    n_windows: int,
    tables: Callable[[int], Iterator[tuple[int, pa.Table]]],
    part_windows: int,
    identity: Mapping[str, object],
    title: str,
) -> Path:
    """Write the tables of consecutive windows to one Parquet file, in bounded memory.

    Finished windows lie in numbered part files in `OUT.parts/` until all are done.

    Parameters
    ----------
    out : Path
        The Parquet file.
    n_windows : int
        How many windows there are.
    tables : callable
        From the number of the first window to tables of what follows, each with the number that it reaches. Their
        first column, "window", is left out of the file. A column that some tables lack is null there.
    part_windows : int
        Windows per part file: what a kill can cost.
    identity : mapping
        What the parts depend on, as JSON holds it.
    title : str
        What the parts are when their identity is another, for the message: "embedding of another model or source".

    Raises
    ------
    DataError
        If the parts there have another identity.
    """
    parts = out.with_name(out.name + ".parts")
    parts.mkdir(parents=True, exist_ok=True)
    manifest, text = parts / "manifest.json", json.dumps(identity)
    if manifest.exists() and manifest.read_text() != text:
        raise DataError(f"{parts} holds a half-done {title}: delete it, or give another --out.")
    manifest.write_text(text)
    done = sorted(parts.glob("part-*.parquet"))
    start = int(done[-1].stem.split("-")[1]) if done else 0
    waiting: list[pa.Table] = []
    if start < n_windows:
        for reached, table in tables(start):
            waiting.append(table)
            if reached - start >= part_windows or reached == n_windows:
                temporary = parts / ".part.tmp"
                pq.write_table(pa.concat_tables(waiting, promote_options="default"), temporary)
                temporary.replace(parts / f"part-{reached:012d}.parquet")
                waiting, start = [], reached
    _join(sorted(parts.glob("part-*.parquet")), out)
    shutil.rmtree(parts)
    return out


def _join(parts: Sequence[Path], out: Path) -> None:
    temporary = out.with_name(f".{out.name}.tmp")
    schema = pa.unify_schemas([pq.read_schema(part) for part in parts]).remove(0)
    with pq.ParquetWriter(temporary, schema) as writer:
        for part in parts:
            empty = schema.empty_table()
            table = pa.concat_tables([empty, pq.read_table(part).drop(["window"])], promote_options="default")
            writer.write_table(table)
    temporary.replace(out)


def fingerprint_of(windows: Windows) -> str:
    """SHA-256 of what the windows' recordings hold and where the windows lie."""
    digest = hashlib.sha256()
    for row in np.unique(windows.recording):
        digest.update(windows.ds[int(row)].content_hash.encode())
    for column in (windows.recording, windows.onset, windows.duration):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
