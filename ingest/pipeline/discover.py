"""From paths to recordings: the files that stand for one, and its name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any

from biosig.errors import BiosigError, UsageError
from biosig.given import Given
from biosig.reading import Adapter, adapter_for, adapters_for
from biosig.unread_files import is_packed, what_to_do
from ingest.adapters.tables.mapping import TableMapping
from ingest.metadata.bids.files import ASIDE, DESCRIPTION

INVENTORIES = ("RECORDS", "SHA256SUMS", "SHA256SUMS.txt", "participants.tsv")
"""Files that list the contents of their folder (`ingest.pipeline.inventory`)."""


def printable(path: str) -> str:
    """A path, or a text that quotes one, as tables and screens can show it: names of files need not be UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that did not become a recording: its path, the stage, and the sentence with the reason."""

    file: str
    stage: str
    sentence: str

    def __post_init__(self) -> None:
        for name in ("file", "sentence"):
            object.__setattr__(self, name, printable(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class SourceRecording:
    """One recording to ingest: its file, the adapter that claims it, and its path within the sources.

    Parameters
    ----------
    path : Path
        The file, or a folder that is one recording.
    adapter : str
        Name of the adapter that reads it.
    relative : str
        Its path from the name of the source folder on, without extension: "records100/00000/00001_lr". Unique within a
        discovery: files that differ in their extension alone keep it, and members of a file end in "#member".
    id : str
        Its name, and where that is taken, `relative`.
    member : str or None
        Name of the recording in a file that holds several.
    key : str
        As `relative`, but always with the extension: the same whatever lies beside the file, so that a resumed ingest
        knows it again.
    """

    path: Path
    adapter: str
    relative: str
    id: str = ""
    member: str | None = None
    key: str = ""

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        return PurePosixPath(self.relative).name

    @property
    def named(self) -> Path:
        """The path by which tables of labels may name it: a member as if it were a file within its file."""
        return self.path if self.member is None else self.path / self.member

    @property
    def options(self) -> dict[str, Any]:
        """Options that its adapter needs beside the path."""
        return {} if self.member is None else {"member": self.member}


@dataclass(slots=True)
class Discovery:
    """Results of a walk over the sources."""

    items: list[SourceRecording] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    unclaimed: Counter[str] = field(default_factory=Counter)
    """Files that no adapter claims, by extension; signal and annotation files beside a header are among them."""
    packed: list[Path] = field(default_factory=list)
    """Archives and compressed files among these."""
    names: set[str] = field(default_factory=set)
    """The items' relative paths."""
    n_repeated: int = 0
    """Files that were reached before, by another path or through a link; they are taken once."""
    inventories: list[Path] = field(default_factory=list)
    """Lists of the contents of a folder that was walked, such as RECORDS."""
    n_parts: int = 0
    """Files that are segments of another item found; that item holds them."""
    aside: list[str] = field(default_factory=list)
    """Folders of BIDS sets in which none of their recordings lie, such as derivatives; not walked."""


def adapters_with(mapping: TableMapping | None, given: Given | None = None) -> dict[str, Adapter]:
    """The installed adapters, each with the `given` facts; that for tables is bound to a `mapping` and asked first."""
    known = adapters_for(mapping)
    for adapter in known.values():
        adapter.given = adapter.given.updated(given or Given())
    return known


def discover(sources: Sequence[Path], mapping: TableMapping | None = None) -> Discovery:
    """Walk files and folders, in sorted order; a WFDB record may be named without its extension.

    A file that is named and cannot be read becomes a failure, as does a folder that cannot be listed; inside folders,
    files that no adapter claims are counted. Links to folders are followed, each folder once. Hidden files and
    folders are passed over. Segments of a record that is found too are left to it, unless they are named themselves.

    Raises
    ------
    UsageError
        If none of the sources exists, or the mapping is about none of their files.
    """
    known = adapters_with(mapping)
    found = Discovery()
    looked_at: list[Path] = []
    seen: set[str] = set()
    folders = _RealFolders()
    listed = False  # the formats, whose list is long
    paths = [source if os.path.lexists(source) else source.with_name(source.name + ".hea") for source in sources]
    roots = _root_names([_root(path) for path in paths])
    for source, path in zip(sources, paths, strict=True):
        root = roots[_root(path)]
        before = len(found.items) + found.n_repeated + len(found.failures)
        if os.path.isdir(path) and adapter_for(path, known) is None:
            files = sorted(_walk(path, known, found), key=lambda file: file.parts)
            for file in files:
                _take(file, path, root, known, found, seen, folders)
            looked_at += files
            wrong = "holds no recording in a known format:"
        elif os.path.lexists(path):
            _take(path, path.parent, root, known, found, seen, folders)
            looked_at.append(path)
            wrong = "is not in a format that is read here; supported are"
        else:
            found.failures.append(Failure(str(source), "find", f"{source} does not exist: check the path."))
        if len(found.items) + found.n_repeated + len(found.failures) == before:
            advice = None if os.path.isdir(path) else what_to_do(path)
            formats = _formats(known) if not listed else "those that docs/ingest.md lists"
            listed = listed or advice is None
            found.failures.append(Failure(str(path), "find", advice or f"{path} {wrong} {formats}."))
    if mapping is not None:
        mapping.check_matches(looked_at)
    _drop_parts(found, known, {os.path.realpath(path) for path in paths}, folders)
    if not found.items and not any(map(os.path.lexists, sources)) and found.failures:
        raise UsageError(" ".join(failure.sentence for failure in found.failures))
    return found


def _walk(folder: Path, known: dict[str, Adapter], found: Discovery) -> Iterator[Path]:
    """Every visible file below `folder`, and folders that are a recording; no folder is walked again through a link."""

    def tell(error: OSError) -> None:
        where = error.filename
        sentence = f"The folder {where} cannot be listed ({error.strerror}): check its permissions."
        found.failures.append(Failure(str(where), "find", sentence))

    walked: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=tell):
        real = os.path.realpath(place)
        if real in walked:
            folders.clear()
            continue
        walked.add(real)
        found.inventories += [Path(place, name) for name in INVENTORIES if name in files]
        visible = sorted(name for name in folders if not name.startswith("."))
        recordings = [name for name in visible if adapter_for(Path(place, name), known)]
        aside = ASIDE.intersection(visible) if DESCRIPTION in files else ()
        found.aside += [str(Path(place, name)) for name in sorted(aside)]
        folders[:] = [name for name in visible if name not in recordings and name not in aside]
        here = Path(place)
        yield from (here / name for name in (*recordings, *files) if not name.startswith("."))


def _root(path: Path) -> str:
    return os.path.realpath(path if os.path.isdir(path) else path.parent)


def _root_names(roots: Sequence[str]) -> dict[str, str]:
    """Names of the sources' folders: the last part of the path, or more of it where that is not enough."""
    parts = {root: PurePosixPath(Path(root).as_posix()).parts for root in roots}
    longest = max(map(len, parts.values()), default=1)
    ends = ({root: "/".join(names[-n:]) for root, names in parts.items()} for n in range(1, longest + 1))
    return next(names for names in ends if len(set(names.values())) == len(parts))


class _RealFolders(dict[Path, str]):
    """The real path of each folder, looked up once: of a million files, most lie beside another."""

    def __missing__(self, folder: Path) -> str:
        self[folder] = os.path.realpath(folder)
        return self[folder]

    def of_file(self, file: Path) -> str:
        """The real path of a file."""
        return os.path.realpath(file) if os.path.islink(file) else os.path.join(self[file.parent], file.name)


def _take(
    file: Path,
    folder: Path,
    root: str,
    known: dict[str, Adapter],
    found: Discovery,
    seen: set[str],
    folders: _RealFolders,
) -> None:
    adapter = adapter_for(file, known)
    if adapter is None:
        found.unclaimed[file.suffix.lower() or "(no extension)"] += str(file) not in seen
        if is_packed(file):
            found.packed.append(file)
        seen.add(str(file))
        return
    real = folders.of_file(file)
    if real in seen:
        found.n_repeated += 1
        return
    seen.add(real)
    relative = f"{root.rstrip('/')}/{file.relative_to(folder).as_posix()}"
    unpacked = relative.removesuffix(".gz") if file.name != ".gz" else relative
    stem = unpacked.removesuffix(PurePosixPath(unpacked).suffix)
    try:
        members = adapter.members(file)
    except BiosigError as error:
        found.failures.append(Failure(str(file), "find", str(error)))
        return
    for member in [None] if members is None else members:
        ending = "" if member is None else f"#{member}"
        short, long = stem + ending, relative + ending
        name = long if short in found.names else short
        found.items.append(SourceRecording(file, adapter.name, name, member=member, key=long))
        found.names.add(found.items[-1].relative)


def with_ids(
    items: Sequence[SourceRecording], known: dict[str, Adapter], taken: Iterable[str] = ()
) -> list[SourceRecording]:
    """The items with unique ids: the name that their adapter gives them, or where that is taken, the path."""
    used = set(taken)
    out = []
    for item in items:
        name = (known[item.adapter].name_of(item.path) if item.member is None else None) or item.name
        names = chain((name, item.relative), (f"{item.relative} ({n})" for n in count(2)))
        out.append(replace(item, id=next(free for free in names if free not in used)))
        used.add(out[-1].id)
    return out


def _drop_parts(found: Discovery, known: dict[str, Adapter], named: set[str], folders: _RealFolders) -> None:
    """Leave out files that another item's adapter reads as its segments (`parts`), but for those that were named."""
    parts = set()
    for item in found.items:
        parts |= {folders.of_file(part) for part in known[item.adapter].parts(item.path)}
    parts -= named
    kept = [item for item in found.items if folders.of_file(item.path) not in parts] if parts else found.items
    found.n_parts = len(found.items) - len(kept)
    found.items = kept


def _formats(known: dict[str, Adapter]) -> str:
    return "; ".join(adapter.describes for adapter in known.values())
