"""Checksums of a folder's files: `SHA256SUMS`, which `sha256sum -c` reads too and which ends with its own checksum.

Every file that Biosig writes beside others goes through `guarded`, and every reader through `checked`. While a file is
replaced its name stands in the list twice, with the old and the new checksum, so that a kill leaves no mismatch. A file
that is equal to its line is sound even where the list itself is damaged.
"""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from biosig.errors import DataError, UnreadableError

log = logging.getLogger(__name__)

SUMS = "SHA256SUMS"
MAY_BE_EDITED = ("config.yaml", "recipe.yaml", "config.json", "README.md", "report.html")
"""Names of files that people may edit: a reader warns of a change and goes on."""

_SIDECAR = ".sha256"  # of a shard and of its index, whose checksums stand there

DAMAGED = ".damaged"
"""Suffix of a file of unfinished work that is not what was written."""


class EditedWarning(UserWarning):
    """A configuration or report is not as Biosig wrote it."""


class DamagedWorkWarning(UserWarning):
    """A file of unfinished work is damaged or gone, and is made again."""


@dataclass
class FileSums:
    """The list of one folder.

    Parameters
    ----------
    folder : Path
        The folder.
    digests : dict of str to list of str
        SHA-256 of each file, by its name relative to the folder; two while a file is replaced.
    sound : bool
        True if the list is equal to its own checksum.
    """

    folder: Path
    digests: dict[str, list[str]] = field(default_factory=dict)
    sound: bool = True

    @classmethod
    def read(cls, folder: Path) -> FileSums | None:
        """The list of a folder; None where it has none."""
        try:
            content = (folder / SUMS).read_bytes()
        except FileNotFoundError:
            return None
        body, mark, last = content.rpartition(b"# ")
        found = cls(folder, {}, last == f"{hashlib.sha256(body).hexdigest()}\n".encode() and bool(mark))
        for line in (body if mark else content).decode("utf-8", "replace").splitlines():
            digest, _, name = line.partition("  ")
            if name:
                found.digests.setdefault(name, []).append(digest)
        return found

    def write(self) -> None:
        """Replace the list on disk."""
        body = "".join(f"{digest}  {name}\n" for name in sorted(self.digests) for digest in self.digests[name])
        temporary = self.folder / f".{SUMS}.tmp"
        temporary.write_text(f"{body}# {hashlib.sha256(body.encode()).hexdigest()}\n", encoding="utf-8", newline="\n")
        temporary.replace(self.folder / SUMS)
        self.sound = True

    def state(self, name: str, digest: str | None = None) -> str:
        """State of a file: "sound", "changed", "gone", or "unlisted".

        Parameters
        ----------
        name : str
            Relative to the folder.
        digest : str, optional
            Its SHA-256, where that is known already.
        """
        path = self.folder / name
        if not path.is_file():
            return "gone"
        if name not in self.digests:
            return "unlisted"
        return "sound" if (digest or file_checksum(path)) in self.digests[name] else "changed"


def file_checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name for a file, which gets its own name and its line in the folder's list when the block ends.

    A kill leaves the old file or the new one, on disk and listed. Who may read it is as the umask says, whatever writes
    it. `guarded` is the same with an error for users.

    Raises
    ------
    OSError
        If the disk refuses what is written; the file is then as it was before.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        for left in (temporary, *path.parent.glob(".tmp??????")):  # safetensors writes to such a name first
            left.unlink(missing_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors alone would let nobody but the owner read it
        _sync(temporary)
        sums = FileSums.read(path.parent) or FileSums(path.parent)
        before = sums.digests.get(path.name) or ([file_checksum(path)] if path.is_file() else [])
        after = file_checksum(temporary)
        sums.digests[path.name] = [*before, after]
        sums.write()
        temporary.replace(path)
        if before:
            sums.digests[path.name] = [after]
            sums.write()
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def guarded(path: Path) -> Iterator[Path]:
    """As `replacing`.

    Raises
    ------
    DataError
        If the disk refuses what is written; the file is then as it was before.
    """
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}): make room or give another folder, then start the "
            "command again; what was finished is kept."
        ) from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_guarded(path: Path, text: str) -> None:
    """Write a text through `guarded`."""
    with guarded(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    """Delete a file, if it exists, and its line."""
    sums = FileSums.read(path.parent)
    if sums is not None and path.name in sums.digests:
        del sums.digests[path.name]
        sums.write()
    path.unlink(missing_ok=True)


def seal(folder: Path) -> None:
    """List all files of a finished folder and the lists of its sub-folders, but no plots, which a report makes anew."""
    for below in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "plots"):
        if not (below / SUMS).exists():
            seal(below)
    names = [path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "." and path.name != SUMS]
    names += [f"{below.parent.name}/{SUMS}" for below in folder.glob(f"*/{SUMS}")]
    FileSums(folder, {name: [file_checksum(folder / name)] for name in names}).write()


@contextmanager
def hashed(path: Path) -> Iterator[Future[str]]:
    """The SHA-256 of a file, computed in a thread while the block reads the file."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(file_checksum, path)


@contextmanager
def checked(path: Path, remedy: str = "copy it again, or make it again") -> Iterator[None]:
    """Compare a file with its line in the folder's list while the block reads it.

    A folder without a list was written by version 0.1.0 or by other software: that is logged.

    Parameters
    ----------
    path : Path
        The file.
    remedy : str
        Remedy if it is damaged, for the message.

    Raises
    ------
    UnreadableError
        If the file is not what was written, whatever the block makes of it.

    Warns
    -----
    EditedWarning
        If it is not, and is of the kind that people edit (`MAY_BE_EDITED`), or the list itself is damaged.
    """
    sums = FileSums.read(path.parent)
    if sums is None:
        log.info("%s has no %s: nothing guards its files.", path.parent, SUMS)
        yield
        return
    if not path.is_file():
        yield  # the reader says what is missing
        return
    with hashed(path) as digest:
        try:
            yield
        finally:
            _judge(path, sums, digest.result(), remedy)


def check(path: Path) -> None:
    """Compare a file with its line, as `checked`."""
    with checked(path):
        pass


def _judge(path: Path, sums: FileSums, digest: str, remedy: str) -> None:
    state = sums.state(path.name, digest)
    if not sums.sound:
        _warn(f"{path.parent / SUMS} is damaged: only files that are equal to their line in it are read.")
    if state == "unlisted" and sums.sound:
        log.info("%s is not in %s: nothing guards it.", path, SUMS)
    elif state in ("changed", "unlisted") and path.name in MAY_BE_EDITED:
        _warn(f"{path} was edited: it is not the file that was written.")
    elif state in ("changed", "unlisted"):
        raise UnreadableError(f"{path} is damaged: its SHA-256 is not the one in {SUMS}; {remedy}.")


def _warn(message: str) -> None:
    warnings.warn(message, EditedWarning, stacklevel=2)


def set_damaged_aside(folder: Path, all_ours: bool = True) -> None:
    """Look through unfinished work: rename each file that is not what was written, so that what it held is made again.

    Nothing is deleted. Where a list is damaged or gone, files that it does not name are taken as they are: no work is
    lost for a lost checksum.

    Parameters
    ----------
    folder : Path
        Looked through with its sub-folders.
    all_ours : bool
        True if each file has to be in its list, so that another one is renamed too.

    Warns
    -----
    DamagedWorkWarning
        Of each file that is damaged, gone or strange, and of each list that is.
    """
    for place in [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]:
        sums = FileSums.read(place) or FileSums(place, sound=False)
        names = _names(sums, listed_only=not all_ours)
        if not names and not (place / SUMS).exists():
            continue
        if not sums.sound:
            state = "damaged" if (place / SUMS).exists() else "gone"
            _warn_of_work(f"{place / SUMS} is {state}: files that it does not list are taken as they are.")
        for name in names:
            state, path = sums.state(name), place / name
            if state == "unlisted" and not sums.sound:
                sums.digests[name], state = [file_checksum(path)], "sound"
            if state == "sound" or (state == "changed" and name in MAY_BE_EDITED):
                continue
            sums.digests.pop(name, None)
            if state == "gone":
                _warn_of_work(f"{path} is gone: what it held is made again.")
                continue
            path.replace(path.with_name(f"{path.name}{DAMAGED}"))
            why = "damaged: it is now {}, and is made again" if state == "changed" else "not of this work: it is now {}"
            _warn_of_work(f"{path} is {why.format(path.name + DAMAGED)}.")
        sums.write()


def _names(sums: FileSums, listed_only: bool) -> list[str]:
    """Names to look at: those listed, and the files beside the list that it does not name."""
    beside = {} if listed_only else {path.name: path for path in sums.folder.iterdir() if path.is_file()}
    others = [name for name in beside if name[0] != "." and name != SUMS and not name.endswith((DAMAGED, _SIDECAR))]
    return sorted({*sums.digests, *(name for name in others if f"{name}{_SIDECAR}" not in beside)})


def _warn_of_work(message: str) -> None:
    warnings.warn(message, DamagedWorkWarning, stacklevel=3)


@dataclass(frozen=True)
class FolderCheck:
    """Result of `check_folder`: number of sound files, files that are damaged or gone, and notes."""

    n_sound: int
    problems: list[str]
    notes: list[str]


def check_folder(folder: Path) -> FolderCheck:
    """Check every file below a folder that a list guards."""
    n_sound, problems, notes = 0, [], []
    for path in sorted(folder.rglob(SUMS)):
        sums = FileSums.read(path.parent)
        if sums is None:
            continue
        if not sums.sound:
            problems.append(f"{path}: the list of checksums is damaged: restore it from a copy.")
        for name in _names(sums, listed_only=False):
            state, file = sums.state(name), path.parent / name
            if state == "sound":
                n_sound += 1
            elif state == "gone":
                problems.append(f"{file}: the file is gone: restore it from a copy.")
            elif state == "unlisted":
                notes.append(f"{file}: the file is not in {SUMS}, so nothing guards it.")
            elif name in MAY_BE_EDITED:
                notes.append(f"{file}: the file was edited after it was written.")
            else:
                problems.append(f"{file}: the file is damaged: restore it from a copy or make it again.")
    return FolderCheck(n_sound, problems, notes)
