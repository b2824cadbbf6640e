"""The folder that an ingest fills: one ingest at a time, made one way, and the files that an earlier run left in it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

from biosig.config import dump, load
from biosig.errors import DataError, UsageError
from biosig.file_sums import DAMAGED, DamagedWorkWarning, FileSums, check, file_checksum, replacing, set_damaged_aside
from biosig.shards.index import shard_paths
from biosig.shards.reader import Shard
from biosig.shards.sidecar import sidecar, sidecar_text, write_sidecar
from biosig.shards.spec import SIDECAR_SUFFIX, SUFFIX
from biosig.shards.verify import check_shard
from biosig.text_files import read_json
from ingest.pipeline.batch import SPOOL, Job
from ingest.preprocess.recipe import Recipe

log = logging.getLogger(__name__)

RECIPE = "recipe.yaml"
KEY_ID = "key_id.txt"
"""File that identifies the key of the pseudonyms without giving it away; the key itself lies elsewhere."""
OPTIONS = "options.json"
"""File of the other options that shape a recording: names of recordings to the letter, the others by a keyed hash."""

_FLAGS = {
    "labels": "--labels, --labels-spec, --id-column or --subject-column",
    "pattern": "--subject-pattern",
    "mapping": "--mapping",
    "recording_names": "--recording-names",
    "content_hash": "--content-hash",
}


@dataclass(slots=True)
class Earlier:
    """The recordings that are in the shards of a folder."""

    done: set[str] = field(default_factory=set)
    """Source names of those that came from the files at hand."""
    ids: set[str] = field(default_factory=set)
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Content hash and id of those that came from others."""


def make_folder(out: Path) -> Path:
    """Make the folder where it does not exist.

    Raises
    ------
    UsageError
        If it cannot be made.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"{out} is a file: give a folder for the shards.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made ({error.strerror}): give a folder that you may write to.") from None
    return out


def write_provenance(job: Job, resume: bool) -> None:
    """Record how the folder is made, and remove the unfinished files of a killed run.

    Damaged files there are renamed and made again (`biosig.file_sums.set_damaged_aside`), shards too.

    Raises
    ------
    UsageError
        If it holds shards and `resume` is not set, or they were made otherwise.
    DataError
        If nothing can be written there.

    Warns
    -----
    DamagedWorkWarning
        Of each shard or other file that is damaged or gone, and of each shard that is a copy of another one.
    """
    out = job.out
    if resume:
        set_damaged_aside(out, all_ours=False)
        _set_shards_aside(out)
    fingerprint = job.pseudonyms("key", "")
    options = {
        "labels": job.pseudonyms("labels", job.labels.described) if job.labels else "",
        "pattern": job.pseudonyms("pattern", job.pattern.text) if job.pattern else "",
        "mapping": job.pseudonyms("mapping", repr(job.mapping)) if job.mapping else "",
        "recording_names": job.recording_names,
        "content_hash": job.content_hash,
        **({"given": job.pseudonyms("given", repr(job.given))} if job.given else {}),
    }
    if shard_paths(out):
        if not resume:
            raise UsageError(f"{out} holds shards already: choose another folder, or continue with --resume.")
        _refuse_if_made_otherwise(job, fingerprint, options)
    remove_leftovers(out)
    try:
        with replacing(out / RECIPE) as temporary:
            dump(job.recipe, temporary)
        with replacing(out / KEY_ID) as temporary:
            temporary.write_text(fingerprint + "\n", encoding="utf-8")
        with replacing(out / OPTIONS) as temporary:
            temporary.write_text(json.dumps(options, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"Writing to {out} failed ({error.strerror}): make room, or choose another folder.") from None


def _refuse_if_made_otherwise(job: Job, fingerprint: str, options: dict[str, str]) -> None:
    recipe, key_id, made_with = (job.out / name for name in (RECIPE, KEY_ID, OPTIONS))
    for path in (recipe, key_id, made_with):
        check(path)
    sums = FileSums.read(job.out)
    is_edited = sums is not None and sums.state(RECIPE) == "changed"  # reported by `check`
    if recipe.is_file() and not is_edited and load(Recipe, recipe) != job.recipe:
        raise UsageError(
            f"{job.out} was made with another recipe ({recipe}): resume with that one, or choose another folder."
        )
    if key_id.is_file() and key_id.read_text(encoding="utf-8").strip() != fingerprint:
        raise UsageError(
            f"{job.out} was made under another key, so each subject would get a second name: resume with that one "
            "(--key)."
        )
    if made_with.is_file():
        before = {"content_hash": "open"} | read_json(made_with, "restore it from a copy")
        changed = "; ".join(_FLAGS[name] for name, value in options.items() if before.get(name) != value)
        if changed:
            raise UsageError(
                f"{job.out} was made with other {changed}: resume with the same as before, or choose another folder."
            )


def _set_shards_aside(out: Path) -> None:
    """Rename shards that are damaged or copies of others; recordings that no other shard holds are ingested again."""
    paths, seen = shard_paths(out), dict[str, str]()
    for path in out.glob(f"[!.]*{SUFFIX}{SIDECAR_SUFFIX}"):
        if not (shard := path.with_suffix("")).exists():
            _warn(f"{shard} is gone: its recordings are ingested again.")
            path.unlink()
    sound = [path for path in paths if _is_as_written(path)]
    for path in sound:
        seen.update(dict.fromkeys(Shard(path).text["id"], str(path)))
    for path in sorted({*paths} - {*sound}):
        n_recordings, problems = check_shard(path, dict(seen))
        if n_recordings and not any(problem.recording for problem in problems):
            _warn(f"{path} is not what its {SIDECAR_SUFFIX} file says, but its recordings are whole: it is kept.")
            write_sidecar(path, file_checksum(path))
            seen.update(dict.fromkeys(Shard(path).text["id"], str(path)))
        else:
            _warn(f"{path} is damaged or a copy: it is now {path.name}{DAMAGED}; what others lack is read again.")
            path.replace(path.with_name(f"{path.name}{DAMAGED}"))
            sidecar(path).unlink(missing_ok=True)


def _is_as_written(path: Path) -> bool:
    try:
        return sidecar(path).read_bytes() == sidecar_text(path, file_checksum(path)).encode()
    except OSError:
        return False


def _warn(message: str) -> None:
    warnings.warn(message, DamagedWorkWarning, stacklevel=4)


def published_recordings(out: Path, sources: Set[str]) -> Earlier:
    """Recordings in the shards of a folder, as seen from the source names of the files at hand."""
    earlier = Earlier()
    for path in shard_paths(out):  # one open at a time: a system allows so many files, and there may be more shards
        text = Shard(path).text
        earlier.ids.update(text["id"])
        for source, name, content in zip(text["source"], text["id"], text["content_hash"], strict=True):
            if source.path in sources:
                earlier.done.add(source.path)
            elif content:
                earlier.elsewhere[content] = name
    return earlier


def remove_leftovers(out: Path) -> None:
    """Remove the unfinished files of a process that was killed."""
    for left in (*out.glob(".*.tmp"), *out.glob(f"{SPOOL}*")):
        log.info("removed %s, which was left unfinished", left)
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


def next_number(out: Path) -> int:
    """The first number that names no shard of the folder ("00012.h5", "00012-1.h5")."""
    numbers = [path.stem.partition("-")[0] for path in shard_paths(out)]
    return max((int(number) for number in numbers if number.isdigit()), default=-1) + 1
