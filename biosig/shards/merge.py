"""`merge_shards`: folders of shards become one; no sample is written anew, and nothing half-merged is ever seen."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from biosig.errors import DataError, UsageError
from biosig.file_sums import checked, guarded, write_guarded
from biosig.progress import Progress
from biosig.publishing import atomic_folder, refuse_existing
from biosig.shards import spec
from biosig.shards.index import build_index, index_table, shard_checksum, shard_paths
from biosig.shards.reader import Shard
from biosig.shards.sidecar import file_checksum, write_sidecar

KEY_ID = "key_id.txt"
"""Fingerprint of the key of the pseudonyms under which a folder was ingested."""

RECIPE = "recipe.yaml"
TABLES = ("failures.parquet", "unmatched.parquet", "notes.parquet")
"""Tables of an ingest: failures, labels without a recording, notes on recordings; those of all folders are joined."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Merged:
    """Counts of a merge.

    Parameters
    ----------
    n_shards, n_recordings : int
        In the new folder.
    n_copied : int
        Shards whose bytes were copied, as the file system makes no link; the others share theirs with the source.
    n_equal : int
        Recordings whose native samples equal those of another one, under another id.
    one_recipe, all_keyed : bool
        True if all shards were made with one recipe, and if every folder tells the key of its pseudonyms.
    """

    n_shards: int
    n_recordings: int
    n_copied: int
    n_equal: int
    one_recipe: bool
    all_keyed: bool


def merge_shards(folders: Sequence[Path], out: Path, progress: Progress | None = None) -> Merged:
    """Combine folders of shards into a new one.

    Shards never change, so each is linked (or copied, on another file system) under a new number; its side-car is
    written anew, as it names the file; the other files are listed in SHA256SUMS. The folder appears under its name when
    it is complete.

    Parameters
    ----------
    folders : sequence of Path
        At least two, in the order in which their shards follow.
    out : Path
        A new or empty folder.
    progress : callable, optional
        Told of each shard.

    Raises
    ------
    UsageError
        If a folder holds no shard or is named twice, or `out` is not empty.
    DataError
        If two recordings have one id, or the folders were ingested under different keys, so that a subject may have
        two names. Nothing is written then.
    UnreadableError
        If a shard is damaged.
    """
    _check_folders(folders)
    refuse_existing(out)
    keys = [_text(folder / KEY_ID) for folder in folders]
    if len({key for key in keys if key is not None}) > 1:
        raise DataError(
            f"The folders {', '.join(map(str, folders))} were ingested under different keys, so one subject may have "
            "two pseudonyms: ingest them again under one key (--key)."
        )
    shards = [path for folder in folders for path in shard_paths(folder)]
    n_equal = _check_ids(shards)
    with atomic_folder(out) as folder:
        n_copied = 0
        for number, path in enumerate(shards):
            n_copied += _take(path, folder / f"{number:05d}{spec.SUFFIX}")
            if progress:
                progress("merge", number + 1, len(shards), path.name)
        one_recipe = len({spec.to_json(Shard(path).recipe, "recipe") for path in shards}) == 1
        recipe = next((folder / RECIPE for folder in folders if (folder / RECIPE).is_file()), None)
        if one_recipe and recipe is not None:
            with checked(recipe), guarded(folder / RECIPE) as temporary:
                shutil.copyfile(recipe, temporary)
        key = next((key for key in keys if key is not None), None)
        if key is not None:
            write_guarded(folder / KEY_ID, key)
        for name in TABLES:
            _join_tables([source / name for source in folders], folder / name)
        build_index(folder)
    n_recordings = sum(len(Shard(path)) for path in shard_paths(out))
    return Merged(len(shards), n_recordings, n_copied, n_equal, one_recipe, None not in keys)


def _check_folders(folders: Sequence[Path]) -> None:
    if len(folders) < 2:
        raise UsageError("Name at least two folders of shards to merge.")
    seen: set[Path] = set()
    for folder in folders:
        if not folder.is_dir() or not shard_paths(folder):
            raise UsageError(f"{folder} is not a folder with shards (*{spec.SUFFIX}): check the path.")
        if folder.resolve() in seen:
            raise UsageError(f"{folder} is named twice: name each folder once.")
        seen.add(folder.resolve())


def _check_ids(shards: Sequence[Path]) -> int:
    """Refuse ids that two recordings have; how many recordings have samples that another one has too."""
    tables = [index_table([path]) for path in shards]
    places: dict[str, Path] = {}
    clashes: list[str] = []
    for path, table in zip(shards, tables, strict=True):
        for name in table["recording"].to_pylist():
            if name in places:
                clashes.append(f"'{name}' ({places[name]} and {path})")
            places.setdefault(name, path)
    if clashes:
        more = f" and {len(clashes) - _SHOWN} more" if len(clashes) > _SHOWN else ""
        raise DataError(
            f"{len(clashes)} recording ids are taken twice, {', '.join(clashes[:_SHOWN])}{more}: ids must be unique; "
            "ingest one side again with --recording-names hash, or leave it out if it holds the same recordings."
        )
    hashes = Counter(name for table in tables for name in table["content_hash"].to_pylist() if name)
    return sum(n - 1 for n in hashes.values())


def _take(source: Path, target: Path) -> bool:
    """Bring a shard and its side-car to `target`; whether its bytes were copied."""
    checksum = shard_checksum(source)
    try:
        os.link(source, target)
        copied = False
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
        copied = True
        if file_checksum(target) != checksum:
            raise DataError(f"{source} is not what its checksum file says: run biosig verify on its folder.") from None
    write_sidecar(target, checksum)
    return copied


def _text(path: Path) -> str | None:
    with checked(path):
        return path.read_text(encoding="utf-8") if path.is_file() else None


def _join_tables(sources: Sequence[Path], target: Path) -> None:
    tables = [_table(source) for source in sources if source.is_file()]
    if tables:
        with guarded(target) as temporary:
            pq.write_table(pa.concat_tables(tables, promote_options="default"), temporary)


def _table(source: Path) -> pa.Table:
    with checked(source):
        return pq.read_table(source)
