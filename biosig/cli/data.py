"""Verbs on shards and weights: verify, index, merge, export, convert."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import Progress

from biosig.cli.tables import print_lines
from biosig.errors import BiosigError, DataError, UsageError
from biosig.progress import show_progress

if TYPE_CHECKING:
    from biosig.shards.dataset import ShardDataset

_SHOWN = 8  # recordings that failed


def verify(folder: Path, /) -> int:
    """Check shards, or another folder that Biosig wrote: every checksum, and shards against their index.

    Parameters
    ----------
    folder : Path
        Folder of shards, one shard, a checkpoint, the folder of a pretraining, a result, or the parts of an embedding.

    Returns
    -------
    int
        Exit status: 0 when all is sound, 1 otherwise. A configuration or report that was edited is only noted.
    """
    from biosig.file_sums import SUMS, FolderCheck, check_folder
    from biosig.shards.index import shard_paths
    from biosig.shards.spec import INDEX_NAME
    from biosig.shards.verify import check_shards

    console = Console()
    listed = next(folder.rglob(SUMS), None) is not None if folder.is_dir() else False
    files = check_folder(folder) if listed else FolderCheck(0, [], [])
    problems, checked = list(files.problems), [_count(files.n_sound, "file")] if listed else []
    if folder.is_dir() and not shard_paths(folder) and not (folder / INDEX_NAME).exists():
        if not listed:
            raise UsageError(
                f"{folder} holds no shard and no {SUMS}, so nothing guards its files: give a folder that biosig wrote "
                "(version 0.1.0 wrote the checksums of shards alone)."
            )
    else:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            report = check_shards(folder, progress)
        problems += [str(problem) for problem in report.problems]
        checked = [_count(report.n_shards, "shard"), _count(report.n_recordings, "recording"), *checked]
    for text, style in ((problems, "red"), (files.notes, "yellow")):
        for line in text:
            console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    verdict = _count(len(problems), "problem") if problems else "all sound"
    style = "red" if problems else "green"
    console.print(f"{', '.join(checked)}: {verdict}.", style=style, soft_wrap=True, highlight=False)
    return 1 if problems else 0


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


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
    from biosig.shards.dataset import open_shards
    from biosig.shards.index import build_index, shard_paths

    path = build_index(folder)
    n_shards, n_recordings = len(shard_paths(folder)), len(open_shards(folder))
    print_lines(Console(), f"Wrote {path}: {n_recordings} recordings in {n_shards} shard(s).")
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
    from biosig.shards.merge import RECIPE, merge_shards

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
    print_lines(Console(), *lines)
    return 0


def export(
    src: tyro.conf.Positional[Path],
    *,
    out: Path,
    format_: Annotated[Literal["wfdb", "edf"], tyro.conf.arg(name="format")],
    recording: tuple[str, ...] = (),
) -> int:
    """Write recordings of a shard back to WFDB or EDF; samples are equal to the bit, and checked to be.

    Parameters
    ----------
    src : Path
        Folder of shards, or one shard.
    out : Path
        Folder for the files. One that is there must be equal to what would be written, as an export that was killed
        leaves it.
    format_ : {"wfdb", "edf"}
        EDF+ becomes BDF+ where samples need 24 bits.
    recording : tuple of str
        Ids of the recordings to write; default all.

    Returns
    -------
    int
        Exit status: 1 if a recording cannot be written in this format; the others are.
    """
    from biosig.export.recording_files import file_names, sweep
    from biosig.lock import locked
    from biosig.shards.dataset import open_shards

    shards = open_shards(src)
    ids = shards.table["recording"].to_pylist()
    absent = sorted(set(recording) - set(ids))
    if absent:
        raise UsageError(f"{src} has no recording {', '.join(map(repr, absent))}: see the ids in its index.")
    rows = [row for row, name in enumerate(ids) if not recording or name in recording]
    out.mkdir(parents=True, exist_ok=True)
    names = file_names(ids)
    with locked(out, "export"):
        sweep(out)
        return _export(shards, ids, rows, names, out, format_)


def _export(
    shards: ShardDataset,
    ids: Sequence[str],
    rows: Sequence[int],
    names: Sequence[str],
    out: Path,
    format_: Literal["wfdb", "edf"],
) -> int:
    from biosig.export.recording_files import export_recording

    lost: Counter[str] = Counter()
    failures: list[str] = []
    n_files = 0
    with show_progress(Console(stderr=True)) as progress:
        for n, row in enumerate(rows):
            try:
                done = export_recording(shards[row].read(lazy=True), out, format_, names[row])
            except BiosigError as error:
                failures.append(str(error))
            except OSError as error:
                reason, n_done = error.strerror or error, n - len(failures)
                raise DataError(
                    f"{out} cannot be written ({reason}): make room; the {n_done} recordings that are there are whole."
                ) from error
            else:
                n_files += len(done.files)
                lost.update(re.sub(r"^\d+ ", "", what) for what in done.lost)
            progress("export", n + 1, len(rows), ids[row])
    first = f"Wrote {len(rows) - len(failures)} of {len(rows)} recordings ({n_files} files) to {out}."
    lines = [f"{first} Samples were read back and are equal."]
    lines += [f"  not held, or not exactly, in {n} recording(s): {what}" for what, n in lost.most_common()]
    lines += [f"failed: {sentence}" for sentence in failures[:_SHOWN]]
    if len(failures) > _SHOWN:
        lines.append(f"and {len(failures) - _SHOWN} others failed.")
    print_lines(Console(), *lines)
    return 1 if failures else 0


def convert(src: tyro.conf.Positional[Path], *, out: Path, tokenizer: Path | None = None) -> int:
    """Turn weights that another project wrote into a checkpoint folder; the family is recognised by the keys.

    Known are REVE (from the hub, its own code, or braindecode), CSFM, and the public encoders of `biosig.models.zoo`.

    Parameters
    ----------
    src : Path
        Folder with config.json and model.safetensors, or a file of weights (safetensors, pth).
    out : Path
        The checkpoint folder to write.
    tokenizer : Path, optional
        The vocabulary that the model was trained with, kept with it: a BERT's vocab.txt, or a tokenizer.json.
    """
    from biosig.models import checkpoint
    from biosig.models import convert as conversion
    from biosig.models.text import Tokenizer

    if (out / checkpoint.CONFIG).exists():
        raise UsageError(f"{out} holds a checkpoint: give a new folder, or delete it first.")
    converted = conversion.convert(src)
    words = None if tokenizer is None else Tokenizer.load(tokenizer)
    reads = converted.text
    if words and (reads is None or words.n_words != reads.n_words):
        raise UsageError(
            f"{tokenizer} has {words.n_words} words and the model in {src} knows {reads.n_words if reads else 0}: give "
            f"the vocabulary that it was trained with, or leave --tokenizer out."
        )
    model = converted.model(tokenizer=words)
    model.save(out)
    lines = [f"Wrote {out}: {model.name}, {model.n_parameters:,} parameters, revision {model.revision}."]
    lines += [f"Left out: {line}." for line in conversion.by_reason(converted.left_out)]
    lines += [f"Missing: {sentence}." for sentence in converted.missing]
    print_lines(Console(), *lines)
    return 0
