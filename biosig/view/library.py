"""Recordings of a source by number: opened when they are asked for, a few kept open."""

from __future__ import annotations

import glob
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biosig.errors import BiosigError, UsageError
from biosig.opening import quickly
from biosig.reading import adapter_for, adapters, read
from biosig.recording import Recording

MOST_OPEN = 4

QUICK = 2**26
"""Bytes from which on a file is opened without a pass over all of its samples."""


@dataclass(frozen=True)
class Entry:
    """A recording in the list: its name, and the facts that are known before it is opened.

    Parameters
    ----------
    name : str
        Path within the folder, or the recording's id.
    id : str
        The recording's id, by which tables name it.
    open : callable
        Opens it.
    duration : float or None
        Seconds.
    kinds : tuple of str
    labels : dict
        Label name → value.
    """

    name: str
    id: str
    open: Callable[[], Recording]
    duration: float | None = None
    kinds: tuple[str, ...] = ()
    labels: dict[str, Any] | None = None


class Library:
    """The recordings of a file, a folder of files, or shards.

    Parameters
    ----------
    path : Path
        The source.

    Raises
    ------
    UsageError
        If it holds no recording.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self.entries = self._entries(path)
        self._number: dict[str, list[int]] = {}
        for number, entry in enumerate(self.entries):
            self._number.setdefault(entry.id, []).append(number)
        self._open: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.entries)

    def number_of(self, recording: str) -> int | None:
        """The number of the recording with that id; None where none, or more than one, has it."""
        found = self._number.get(recording, [])
        return found[0] if len(found) == 1 else None

    def get(self, number: int, make: Callable[[Recording], Any]) -> Any:
        """The object that `make` makes of recording `number`, kept while among those used last."""
        with self._lock:
            if number not in self._open:
                self._open[number] = make(self.entries[number].open())
                while len(self._open) > MOST_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(number)
            return self._open[number]

    def _entries(self, path: Path) -> list[Entry]:
        if path.suffix == ".h5" or (path.is_dir() and any(path.glob("*.h5"))):
            return _of_shards(path)
        if not path.is_dir():
            return [_of_file(path, path.name)]
        root, known = path.resolve(), adapters()
        entries, outside = [], 0
        for file in sorted(path.rglob("*")):
            if not file.resolve().is_relative_to(root):
                outside += 1
            elif file.is_file() and adapter_for(file, known):
                entries.append(_of_file(file, str(file.relative_to(path))))
        if outside:
            self.notes.append(f"{outside} links lead out of the folder and are not followed.")
        if not entries:
            raise UsageError(f"{path} holds neither shards nor a recording that an installed adapter reads.")
        return entries


def _of_file(file: Path, name: str) -> Entry:
    def opened() -> Recording:
        if file.is_file() and sum(status.st_size for status in beside(file)) < QUICK:
            return read(file, lazy=True)
        with quickly():
            return read(file, lazy=True)

    return Entry(name, file.name.partition(".")[0] if file.name.endswith(".gz") else file.stem, opened)


def beside(file: Path) -> list[os.stat_result]:
    """Sizes and times of a recording's files: its own, and others of its name."""
    return [each.stat() for each in sorted(file.parent.glob(f"{glob.escape(file.stem)}.*")) if each.is_file()]


def _of_shards(path: Path) -> list[Entry]:
    from biosig.shards.dataset import open_shards

    ds = open_shards(path)
    labels = ds.labels.to_dict("records") if len(ds.labels.columns) else [{}] * len(ds)
    table = ds.table
    durations, names = table["duration"].to_pylist(), table["recording"].to_pylist()

    def opener(row: int) -> Callable[[], Recording]:
        return lambda: ds[row].read(lazy=True)

    return [
        Entry(name, name, opener(row), duration, (), known)
        for row, (name, duration, known) in enumerate(zip(names, durations, labels, strict=True))
    ]


def sentence(error: Exception) -> str:
    """Sentence of an error, for a page."""
    return str(error) if isinstance(error, BiosigError) else f"{type(error).__name__}: {error}"
