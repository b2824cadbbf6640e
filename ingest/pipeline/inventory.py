"""Inventories beside the data, compared with the files there: RECORDS, SHA256SUMS, a BIDS set's participants.tsv.

An incomplete or damaged copy of a published set reads like a whole one; its own lists show the files that are missing,
changed or extra.
"""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from biosig.errors import DataError
from ingest.pipeline.discover import Discovery, printable

_SHOWN = 3
_LONGEST = 2**26
"""Bytes of an inventory that are read at most: a million lines."""
_SUM = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(.+)")


@dataclass(frozen=True)
class Inventory:
    """A list beside the data, and its differences from the files there.

    Parameters
    ----------
    path : Path
        The list.
    n_listed : int
        Number of its entries.
    missing, changed, extra : tuple of str
        Names that are listed and absent, names with another checksum, and recordings that exist and are not listed.
    """

    path: Path
    n_listed: int
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """True if all that is listed is there as listed, and nothing else."""
        return not (self.missing or self.changed or self.extra)

    def sentence(self) -> str:
        """Differences between the list and the files as a sentence, with the first few names."""
        groups = (
            (self.missing, f"{len(self.missing)} of {self.n_listed} are missing"),
            (self.changed, f"{len(self.changed)} of {self.n_listed} differ from their checksum"),
            (self.extra, f"{len(self.extra)} here are not listed"),
        )
        found = [f"{what} ({_first(names)})" for names, what in groups if names]
        return f"{self.path} and the files beside it do not agree: {'; '.join(found)}: copy the set again."

    def rows(self) -> list[dict[str, str]]:
        """One row per difference: the list, the sort of difference, and the name."""
        groups = {"missing": self.missing, "changed": self.changed, "extra": self.extra}
        return [
            {"list": str(self.path), "what": what, "name": name} for what, names in groups.items() for name in names
        ]


def check_inventories(found: Discovery) -> list[Inventory]:
    """Compare each list that a walk passed with the files below its folder; only those that differ are returned.

    Parameters
    ----------
    found : Discovery
        From `ingest.pipeline.discover.discover`.

    Raises
    ------
    DataError
        If a list is larger than any of a published set.
    """
    if not found.inventories:
        return []
    readers = {"RECORDS": _records, "participants.tsv": _participants}
    paths = sorted({str(item.path) for item in found.items})
    checked = [readers.get(path.name, _sums)(path, paths) for path in found.inventories]
    return [inventory for inventory in checked if not inventory.agrees]


def _records(path: Path, paths: Sequence[str]) -> Inventory:
    """PhysioNet's RECORDS: a record a line, by its path without extension, or a folder that ends in "/"."""
    listed = [line.strip() for line in _lines(path) if line.strip()]
    missing = [name for name in listed if not _is_there(path.parent / name)]
    known = set(listed)
    extra = [
        item
        for item in _below(path.parent, paths)
        if not {item, item.rpartition(".")[0]} & known and not {f"{folder}/" for folder in _folders_of(item)} & known
    ]
    return Inventory(path, len(listed), tuple(missing), (), tuple(extra))


def _sums(path: Path, paths: Sequence[str]) -> Inventory:
    """A list of SHA-256 sums: every file below the folder that it names, and recordings that it does not name."""
    listed = {match[2].strip(): match[1].lower() for line in _lines(path) if (match := _SUM.fullmatch(line.strip()))}
    missing, changed = [], []
    for name, wanted in listed.items():
        file = path.parent / name
        if not file.is_file():
            missing.append(name)
        elif _sha256(file) != wanted:
            changed.append(name)
    known = {os.path.normpath(name) for name in listed}
    extra = [item for item in _below(path.parent, paths) if os.path.normpath(item) not in known]
    return Inventory(path, len(listed), tuple(missing), tuple(changed), tuple(extra))


def _participants(path: Path, paths: Sequence[str]) -> Inventory:  # noqa: ARG001
    """A BIDS set's participants.tsv: a folder for each subject."""
    rows = [line.split("\t") for line in _lines(path) if line.strip()]
    if not rows or "participant_id" not in rows[0]:
        return Inventory(path, 0)
    at = rows[0].index("participant_id")
    listed = {row[at].strip() for row in rows[1:] if len(row) > at}
    folders = {entry.name for entry in path.parent.iterdir() if entry.is_dir() and entry.name.startswith("sub-")}
    if not folders:  # a table of another set: BIDS names subjects' folders so
        return Inventory(path, len(listed))
    return Inventory(path, len(listed), tuple(sorted(listed - folders)), (), tuple(sorted(folders - listed)))


def _below(folder: Path, paths: Sequence[str]) -> list[str]:
    """Those of the sorted paths that lie below a folder, relative to it; a set may have a list in each folder."""
    if folder == Path():
        return [path.replace(os.sep, "/") for path in paths if not os.path.isabs(path)]
    start = str(folder) + os.sep
    first, stop = bisect_left(paths, start), bisect_left(paths, str(folder) + chr(ord(os.sep) + 1))
    return [path.removeprefix(start).replace(os.sep, "/") for path in paths[first:stop]]


def _folders_of(item: str) -> list[str]:
    """The folders that a relative path leads through."""
    return [parent.as_posix() for parent in PurePosixPath(item).parents[:-1]]


def _is_there(name: Path) -> bool:
    return os.path.lexists(name) or os.path.lexists(name.with_name(name.name + ".hea"))


def _lines(path: Path) -> list[str]:
    if path.stat().st_size > _LONGEST:
        raise DataError(f"{path} is larger than {_LONGEST >> 20} MB, too large for a list of recordings: remove it.")
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(printable(name) for name in names[:_SHOWN]) + more
