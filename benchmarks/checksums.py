"""What checking costs a reader: an index of a hundred thousand recordings and weights, read with checksums and without.

The index holds the rows of the given shards again and again, with hashes and fingerprints of their own. Both ways are
run in turn; wall time, and processor time of all threads, since a file's SHA-256 is made in a thread beside the reader.
What shards' own chunks cost is in `shard_reads.py`.

    OMP_NUM_THREADS=1 python benchmarks/checksums.py SHARDS
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import biosig
from biosig.models import checkpoint
from biosig.shards import index, spec
from biosig.shards.sidecar import file_checksum, write_sidecar


def make_index(shards: Path, folder: Path, n: int) -> Path:
    """An index of `n` rows: those of `shards` again and again, with hashes and fingerprints of their own."""
    table = index.read_index(shards / spec.INDEX_NAME)
    fingerprints = index.read_fingerprints(shards / spec.INDEX_NAME) or []
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(table), n)
    table = table.take(rows)
    for name in ("content_hash", "checksum"):
        column = pa.array([rng.bytes(32).hex() for _ in rows])
        table = table.set_column(table.column_names.index(name), name, column)
    marks = pa.array([rng.bytes(len(fingerprints[row])) for row in rows], pa.large_binary())
    table = table.append_column(index.FINGERPRINT, marks)
    pq.write_table(table, folder / spec.INDEX_NAME, compression="zstd", write_page_checksum=True)
    path = folder / spec.INDEX_NAME
    write_sidecar(path, file_checksum(path), index.part_of(path))
    return path


@contextmanager
def unhashed(_: Path) -> Iterator[Future[str]]:
    """In the place of `biosig.file_sums.hashed`."""
    done: Future[str] = Future()
    done.set_result("")
    yield done


@contextmanager
def unchecked() -> Iterator[None]:
    """Readers that look at no checksum."""

    def read_table(*args: object, page_checksum_verification: bool = True, **options: object) -> pa.Table:  # noqa: ARG001
        return plain(*args, **options)

    plain = pq.read_table
    with (
        patch.object(index.pq, "read_table", read_table),
        patch.object(index, "hashed", unhashed),
        patch.object(index, "sidecar_checksum", lambda _: None),
        patch.object(index, "_sidecar", lambda _: (None, None)),
        patch.object(checkpoint, "checked", lambda *_: nullcontext()),
    ):
        yield


def measure(name: str, size: float, read: Callable[[], object], rounds: int) -> None:
    """Print medians of both ways, read in turn."""
    spent: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for number in range(2 * rounds + 2):
        checks = bool((number + number // 2) % 2)
        with nullcontext() if checks else unchecked():
            wall, cpu = time.perf_counter(), time.process_time()
            read()
            spent[checks].append((time.perf_counter() - wall, time.process_time() - cpu))
    (wall, cpu), (plain_wall, plain_cpu) = (np.median(spent[checks][1:], axis=0) for checks in (True, False))
    print(
        f"| {name} | {size / 1e6:.1f} | {plain_wall:.3f} | {wall:.3f} | {wall / plain_wall - 1:+.1%} | "
        f"{plain_cpu:.3f} | {cpu:.3f} | {cpu / plain_cpu - 1:+.1%} |",
        flush=True,
    )


def main() -> None:
    """Measure what the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    print("| read | MB | without (s) | with (s) | more | processor without (s) | with (s) | more |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        path = make_index(args.shards, Path(temporary), args.recordings)
        measure("index", path.stat().st_size, partial(index.read_index, path), args.rounds)
        fingerprints = partial(index.read_fingerprints, path)
        measure("fingerprints of the index", path.stat().st_size, fingerprints, args.rounds)
        for name in ("biosig-small", "biosig-base"):
            folder = biosig.build_model(name, seed=0).save(Path(temporary) / name)
            size = (folder / checkpoint.WEIGHTS).stat().st_size
            measure(f"{name}", size, partial(biosig.load_model, folder), args.rounds)


main()
