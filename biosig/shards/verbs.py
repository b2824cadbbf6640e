"""The verbs `index` and `merge`: typed functions that the command line and Python call alike."""

from __future__ import annotations

from pathlib import Path

import tyro
from rich.console import Console

from biosig.progress import show_progress
from biosig.shards.dataset import open_shards
from biosig.shards.index import build_index, shard_paths
from biosig.shards.merge import RECIPE, merge_shards


def index(folder: Path, /) -> int:
    """Rebuild the index of a folder of shards, from the shards alone.

    Parameters
    ----------
    folder : Path
        Folder of shards.

    Returns
    -------
    int
        Exit status.
    """
    console = Console(highlight=False, soft_wrap=True)
    path = build_index(folder)
    n_shards, n_recordings = len(shard_paths(folder)), len(open_shards(folder))
    console.print(f"Wrote {path}: {n_recordings} recordings in {n_shards} shard(s).", markup=False)
    return 0


def merge(folders: tyro.conf.Positional[tuple[Path, ...]], *, out: Path) -> int:
    """Combine folders of shards into one; shards are linked, not written anew.

    Parameters
    ----------
    folders : tuple of Path
        Folders of shards, ingested under one key.
    out : Path
        A new folder.

    Returns
    -------
    int
        Exit status.
    """
    console = Console(highlight=False, soft_wrap=True)
    with show_progress(Console(stderr=True)) as progress:
        done = merge_shards(folders, out, progress)
    copied = f", {done.n_copied} of them copied" if done.n_copied else ""
    lines = [f"Merged {done.n_recordings} recordings in {done.n_shards} shard(s){copied} into {out}."]
    if done.n_equal:
        lines.append(f"{done.n_equal} recordings hold the same samples as another one, under another id.")
    if not done.one_recipe:
        lines.append(f"The recipes differ: each shard keeps its own, and there is no {RECIPE}.")
    if not done.all_keyed:
        lines.append("Not every folder tells the key of its pseudonyms: one subject may have two.")
    for line in lines:
        console.print(line, markup=False)
    return 0
