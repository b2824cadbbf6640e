"""A recording written as WFDB or EDF files, which are read again and compared."""

from __future__ import annotations

import filecmp
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from biosig.errors import DataError, UsageError
from biosig.export.compare import differences
from biosig.export.edf_file import edf_suffix, write_edf
from biosig.export.wfdb_record import write_wfdb
from biosig.reading import read
from biosig.recording import Recording, Stream

_UNFINISHED = ".export-"


@dataclass(frozen=True, slots=True)
class Exported:
    """The files of one recording, and the facts that they do not hold."""

    files: list[Path]
    lost: list[str]


def export_recording(
    recording: Recording, out: Path, form: Literal["wfdb", "edf"], name: str | None = None
) -> Exported:
    """Write a recording as WFDB or EDF (BDF where it needs 24 bits), read it again, and keep it if that agrees.

    Streams that do not span the same time become files of their own, with the rate in the name. Time counts from the
    first sample of each file, that of its annotations too.

    Parameters
    ----------
    recording : Recording
        Its samples may be in a file: they are written block by block.
    out : Path
        An existing folder.
    form : {"wfdb", "edf"}
        The format.
    name : str, optional
        Of the files, without extension; default the recording's id as `file_names` spells it.

    Returns
    -------
    Exported

    Raises
    ------
    DataError
        If the format cannot hold the samples, or they do not come back as they were.
    UsageError
        If a file of that name exists and holds something else; an equal one, of an export that was killed, is kept.
    """
    if not recording.streams or not all(stream.n_times for stream in recording.streams):
        raise DataError(f"Recording '{recording.id}' has a stream without samples: there is nothing to export.")
    for stream in recording.streams:
        if stream.samples.dtype.kind != "i":
            raise DataError(
                f"Recording '{recording.id}' holds {stream.samples.dtype} samples ({stream.ch_names[0]}), where WFDB "
                "and EDF hold integers: ingest it with a recipe that processes these channels, or read the shard."
            )
    name = name or file_names([recording.id])[0]
    lost: dict[str, None] = {}
    with TemporaryDirectory(prefix=_UNFINISHED, dir=out) as made:
        for streams in _files_of(recording, form):
            ending = "" if len(streams) == len(recording.streams) else f"_{streams[0].sfreq:g}Hz".replace(".", "p")
            suffix = ".hea" if form == "wfdb" else edf_suffix(streams)
            path = Path(made, name + ending + suffix)
            events = [replace(event, onset=event.onset - streams[0].onset) for event in recording.annotations]
            timed = replace(recording, annotations=events)
            (write_wfdb if form == "wfdb" else write_edf)(timed, streams, path)
            lost |= dict.fromkeys(differences(timed, streams, read(path, lazy=True)))
        files = sorted(Path(made).iterdir())
        for file in files:
            target = out / file.name
            if target.exists() and not (target.is_file() and filecmp.cmp(file, target, shallow=False)):
                raise UsageError(f"{target} exists and holds something else: give a new folder, or delete it first.")
        return Exported(_published(files, out), list(lost))


def _published(files: Sequence[Path], out: Path) -> list[Path]:
    """The files under their final names, or none of them; a header last, without which the others are not a record."""
    done: list[Path] = []
    try:
        for file in sorted(files, key=lambda file: file.suffix == ".hea"):
            if not (out / file.name).exists():
                done.append(file.rename(out / file.name))
    except BaseException:
        for path in done:
            path.unlink(missing_ok=True)
        raise
    return [out / file.name for file in files]


def sweep(out: Path) -> None:
    """Remove what an export that was killed left unfinished in its folder."""
    for left in out.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


def file_names(ids: Sequence[str]) -> list[str]:
    """A name for the files of each id, in letters, digits, "-" and "_"; no two are one, even where case is ignored."""
    plain = [re.sub(r"[^A-Za-z0-9_-]+", "_", name) for name in ids]
    names = [""] * len(ids)
    taken: set[str] = set()
    for row in sorted(range(len(ids)), key=lambda row: plain[row] != ids[row]):  # those that need no change keep theirs
        numbered = (f"{plain[row]}_{n}" for n in count(2))
        names[row] = next(name for name in chain([plain[row]], numbered) if name.lower() not in taken)
        taken.add(names[row].lower())
    return names


def _files_of(recording: Recording, form: Literal["wfdb", "edf"]) -> list[list[Stream]]:
    """All streams in one file where they span the same time and their rates differ; else each in its own."""
    streams = recording.streams
    one = streams[0]
    together = all(s.n_times * one.sfreq == one.n_times * s.sfreq and s.onset == one.onset for s in streams)
    together &= len({s.sfreq for s in streams}) == len(streams)
    if form == "edf":  # 24 bits for one stream are 24 for all
        together &= len({edf_suffix([s]) for s in streams}) == 1
    return [streams] if together else [[stream] for stream in streams]
