"""`verify`: check that all bytes are as published; a fault names the recording, or the shard if no recording is hit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.progress import Progress

from biosig.errors import BiosigError, UsageError
from biosig.shards import spec
from biosig.shards.index import SCHEMA, index_table, part_of, read_index, shard_paths, sidecar_checksum
from biosig.shards.reader import Shard
from biosig.shards.sidecar import file_checksum, sidecar, sidecar_text


@dataclass(frozen=True, slots=True)
class Problem:
    """Fault of one file, or of one recording in it."""

    file: str
    recording: str | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.recording is None else f"{self.file}, recording '{self.recording}'"
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a check: how much was looked at, and every problem found."""

    n_shards: int
    n_recordings: int
    problems: list[Problem]


def check_shards(path: str | Path, progress: Progress | None = None) -> Report:
    """Check a folder of shards, or one shard: file checksums, recording checksums, structure, index against shards.

    Every sample is read. Damage never stops the check; it is reported and the next shard follows.

    Parameters
    ----------
    path : str or Path
        A folder, or one ``.h5`` file (then without the index).
    progress : rich.progress.Progress, optional
        Shows one bar over the shards.

    Raises
    ------
    UsageError
        If the path does not exist or holds neither shards nor an index.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path} does not exist: give a folder of shards or one shard.")
    paths = [path] if path.is_file() else shard_paths(path)
    if not paths and not (path / spec.INDEX_NAME).exists():
        raise UsageError(f"{path} holds no shard (*{spec.SUFFIX}): check the path, or ingest something first.")
    problems: list[Problem] = []
    n_recordings = 0
    seen: dict[str, str] = {}
    for shard_path in progress.track(paths, description="Checking shards") if progress else paths:
        n_sound, found = check_shard(shard_path, seen)
        n_recordings += n_sound
        problems += found
    if path.is_dir():
        damaged = {problem.file for problem in problems}
        problems += _check_index(path, [p for p in paths if str(p) not in damaged], damaged)
    return Report(len(paths), n_recordings, problems)


def check_shard(path: Path, seen: dict[str, str]) -> tuple[int, list[Problem]]:
    """Number of recordings, and problems of one shard; `seen` collects ids over shards, with the shard of each."""
    file = str(path)
    problems = list(_check_bytes(path))
    try:
        shard = Shard(path)
        shard.load_all()
        ids = shard.text["id"]
        expected = shard.text["checksum"]
    except BiosigError as error:
        return 0, problems or [Problem(file, None, str(error))]
    hit = []
    for row, name in enumerate(ids):
        if name in seen:
            hit.append(
                Problem(file, name, f"the id is also used in {seen[name]}: ids must be unique; ingest one again.")
            )
        seen[name] = file
        try:
            sound = spec.checksum(shard.read(row, lazy=True)) == expected[row]
        except (BiosigError, ValueError, TypeError, KeyError, AttributeError):
            sound = False
        if not sound:
            hit.append(
                Problem(file, name, "its samples or metadata are damaged: restore the shard or ingest it again.")
            )
    return len(shard), hit or problems


def _check_bytes(path: Path) -> Iterator[Problem]:
    try:
        expected, found = sidecar_checksum(path), file_checksum(path)
    except OSError as error:
        yield Problem(str(path), None, f"it cannot be read ({error.strerror}): restore it from a copy.")
        return
    except BiosigError as error:
        yield Problem(str(path), None, str(error))
        return
    if expected is None:
        yield Problem(str(path), None, f"its checksum file {sidecar(path).name} is missing: restore it from a copy.")
    elif expected != found:
        yield Problem(
            str(path),
            None,
            "its bytes are not those that were published, outside all samples: restore it or ingest it again.",
        )
    elif not _is_whole(sidecar(path), sidecar_text(path, expected)):
        yield Problem(
            str(path), None, f"its checksum file {sidecar(path).name} is damaged or of another file: restore it."
        )


def _is_whole(path: Path, *texts: str) -> bool:
    return path.read_bytes() in [text.encode() for text in texts]


def _check_index(folder: Path, sound: Iterable[Path], damaged: set[str]) -> Iterator[Problem]:
    """The index against the shards that are sound themselves."""
    file = folder / spec.INDEX_NAME
    remedy = "rebuild it with biosig.shards.build_index"
    if not file.exists():
        yield Problem(str(file), None, f"the index is missing: {remedy}.")
        return
    try:
        index = read_index(file)
        names = index["shard"].to_pylist()
        expected = sidecar_checksum(file)
    except (BiosigError, ValueError) as error:
        yield Problem(str(file), None, str(error))
        return
    if expected is not None and expected != file_checksum(file):
        yield Problem(str(file), None, f"its bytes are not those that were written: {remedy}.")
        return
    if expected is not None and not _is_whole(
        sidecar(file), sidecar_text(file, expected), sidecar_text(file, expected, part_of(file))
    ):
        yield Problem(str(file), None, f"its checksum file {sidecar(file).name} is damaged: {remedy}.")
    present = {path.name: path for path in sound}
    for name in sorted(set(names) - present.keys()):
        if str(folder / name) not in damaged:
            yield Problem(str(folder / name), None, f"the index lists it but it is gone: restore it or {remedy}.")
    for name, path in present.items():
        here = index.filter(np.array([listed == name for listed in names], bool))
        if not len(here):
            yield Problem(str(path), None, f"the shard is not in the index: {remedy}.")
        elif _rows(here) != _rows(index_table([path])):
            yield Problem(str(path), None, f"the index says other things about this shard than the shard: {remedy}.")


def _rows(index: pa.Table) -> str:
    """As text, in which NaN equals NaN."""
    return json.dumps(index.select(SCHEMA.names).to_pylist())
