"""From paths to recordings: which files stand for one, and by what name it goes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
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

    `relative` begins with the name of the source folder and has no extension: "records100/00000/00001_lr". It is
    unique within a discovery, but for files that differ in nothing but their extension.
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
    n_repeated: int = 0
    """Files that were reached before, by another path or through a link; they are taken once."""
    n_parts: int = 0
    """Files that are segments of another item found; that item holds them."""


def adapters_with(mapping: TableMapping | None) -> dict[str, Adapter]:
    """The installed adapters, the one for tables bound to `mapping`."""
    known = dict(adapters())
    if mapping is not None:
        known[TableAdapter.name] = TableAdapter(mapping)
    return known


def discover(sources: Sequence[Path], mapping: TableMapping | None = None) -> Discovery:
    """Walk files and folders, in sorted order; a WFDB record may be named without its extension.

    A file that is named and cannot be read becomes a failure, as does a folder that cannot be listed; inside folders,
    files that no adapter claims are counted. Links to folders are followed, each folder once. Hidden files and
    folders are passed over. Segments of a record that is found too are left to it, unless they are named themselves.

    Raises
    ------
    UsageError
        If none of the sources exists.
    """
    known = adapters_with(mapping)
    found = Discovery()
    seen: set[str] = set()
    paths = [source if os.path.lexists(source) else source.with_name(source.name + ".hea") for source in sources]
    roots = _root_names([_root(path) for path in paths])
    for source, path in zip(sources, paths, strict=True):
        root = roots[_root(path)]
        before = len(found.items) + found.n_repeated + len(found.failures)
        if os.path.isdir(path):
            for file in sorted(_walk(path, found)):
                _take(file, path, root, known, found, seen)
            wrong = "holds no recording in a known format:"
        elif os.path.lexists(path):
            _take(path, path.parent, root, known, found, seen)
            wrong = "is in no format that is read here; supported are"
        else:
            found.failures.append(Failure(str(source), "find", f"{source} does not exist: check the path."))
        if len(found.items) + found.n_repeated + len(found.failures) == before:
            found.failures.append(Failure(str(path), "find", f"{path} {wrong} {_formats(known)}."))
    _drop_parts(found, known, {os.path.realpath(path) for path in paths})
    if not found.items and not any(map(os.path.lexists, sources)) and found.failures:
        raise UsageError(" ".join(failure.sentence for failure in found.failures))
    return found


def _walk(folder: Path, found: Discovery) -> Iterator[Path]:
    """Every visible file below `folder`; a folder that is reached again through a link is not walked again."""

    def tell(error: OSError) -> None:
        where = error.filename
        sentence = f"The folder {where} cannot be listed ({error.strerror}): check its permissions."
        found.failures.append(Failure(str(where), "find", sentence))

    walked: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=tell):
        real = os.path.realpath(place)
        folders[:] = [] if real in walked else sorted(name for name in folders if not name.startswith("."))
        if real not in walked:
            yield from (Path(place, name) for name in files if not name.startswith("."))
        walked.add(real)


def _root(path: Path) -> str:
    return os.path.realpath(path if os.path.isdir(path) else path.parent)


def _root_names(roots: Sequence[str]) -> dict[str, str]:
    """What the sources' folders are called: by their last name, by more of their path where that is not enough."""
    parts = {root: PurePosixPath(Path(root).as_posix()).parts for root in roots}
    longest = max(map(len, parts.values()), default=1)
    ends = ({root: "/".join(names[-n:]) for root, names in parts.items()} for n in range(1, longest + 1))
    return next(names for names in ends if len(set(names.values())) == len(parts))


def _take(file: Path, folder: Path, root: str, known: dict[str, Adapter], found: Discovery, seen: set[str]) -> None:
    name = next((name for name, adapter in known.items() if adapter.claims(file)), None)
    if name is None:
        found.unclaimed[file.suffix.lower() or "(no extension)"] += 1
        return
    real = os.path.realpath(file)
    if real in seen:
        found.n_repeated += 1
        return
    seen.add(real)
    relative = PurePosixPath(root) / file.relative_to(folder).as_posix()
    stem = relative.name
    for suffix in (".gz", relative.with_name(stem.removesuffix(".gz")).suffix):
        stem = stem.removesuffix(suffix)
    found.items.append(Item(file, name, str(relative.with_name(stem))))


def _drop_parts(found: Discovery, known: dict[str, Adapter], named: set[str]) -> None:
    """Leave out files that another item's adapter reads as its segments (`parts`), but for those that were named."""
    parts = set()
    for item in found.items:
        if parts_of := getattr(known[item.adapter], "parts", None):
            parts |= {os.path.realpath(part) for part in parts_of(item.path)}
    parts -= named
    kept = [item for item in found.items if os.path.realpath(item.path) not in parts] if parts else found.items
    found.n_parts = len(found.items) - len(kept)
    found.items = kept


def _formats(known: dict[str, Adapter]) -> str:
    return "; ".join(adapter.describes for adapter in known.values())
