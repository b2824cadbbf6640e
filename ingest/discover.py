"""From paths to recordings: which files stand for one, and by what name it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from biosig.errors import UsageError
from biosig.reading import Adapter, adapters
from ingest.mapping import TableMapping
from ingest.table_adapter import TableAdapter


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that did not become a recording: where, at what stage, and the sentence that says why."""

    file: str
    stage: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Item:
    """One recording to be: its file, the adapter that claims it, and its path within what was asked for.

    `relative` begins with the name of the source folder and has no extension: "records100/00000/00001_lr".
    """

    path: Path
    adapter: str
    relative: str

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        return PurePosixPath(self.relative).name


@dataclass(slots=True)
class Discovery:
    """What a walk over the sources found."""

    items: list[Item] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    unclaimed: Counter[str] = field(default_factory=Counter)
    """Files that no adapter claims, by extension; signal and annotation files beside a header are among them."""


def adapters_with(mapping: TableMapping | None) -> dict[str, Adapter]:
    """The installed adapters, the one for tables bound to `mapping`."""
    known = dict(adapters())
    if mapping is not None:
        known[TableAdapter.name] = TableAdapter(mapping)
    return known


def discover(sources: Sequence[Path], mapping: TableMapping | None = None) -> Discovery:
    """Walk files and folders, in sorted order; a WFDB record may be named without its extension.

    A file that is named and cannot be read becomes a failure; inside folders, files that no adapter claims are
    counted. Hidden files and folders are passed over.

    Raises
    ------
    UsageError
        If none of the sources exists.
    """
    known = adapters_with(mapping)
    found = Discovery()
    seen: set[Path] = set()
    for source in sources:
        path = source if source.exists() else source.with_name(source.name + ".hea")
        if path.is_dir():
            before = len(found.items)
            for file in sorted(path.rglob("*")):
                if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts):
                    _take(file, path, known, found, seen)
            if len(found.items) == before:
                found.failures.append(
                    Failure(str(path), "find", f"{path} holds no recording in a known format: {_formats(known)}.")
                )
        elif path.is_file():
            before = len(found.items)
            _take(path, path.parent, known, found, seen)
            if len(found.items) == before and path.resolve() not in seen:
                found.failures.append(
                    Failure(
                        str(path), "find", f"{path} is in no format that is read here; supported are {_formats(known)}."
                    )
                )
        else:
            found.failures.append(Failure(str(source), "find", f"{source} does not exist: check the path."))
    if not found.items and all(not source.exists() for source in sources) and found.failures:
        raise UsageError(" ".join(failure.sentence for failure in found.failures))
    return found


def _take(file: Path, root: Path, known: dict[str, Adapter], found: Discovery, seen: set[Path]) -> None:
    name = next((name for name, adapter in known.items() if adapter.claims(file)), None)
    if name is None:
        found.unclaimed[file.suffix.lower() or "(no extension)"] += 1
        return
    real = file.resolve()
    if real in seen:
        return
    seen.add(real)
    relative = PurePosixPath(root.resolve().name) / file.relative_to(root).as_posix()
    stem = relative.name
    for suffix in (".gz", relative.with_name(stem.removesuffix(".gz")).suffix):
        stem = stem.removesuffix(suffix)
    found.items.append(Item(file, name, str(relative.with_name(stem))))


def _formats(known: dict[str, Adapter]) -> str:
    return "; ".join(adapter.describes for adapter in known.values())
