"""`read`: one door to every file format; adapters are found through the entry-point group ``biosig.adapters``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from biosig.errors import UsageError
from biosig.recording import Recording


class Adapter(Protocol):
    """Reads one family of files; knows nothing else and invents nothing.

    An adapter may also have

    - ``parts(path) -> list[Path]``: files that it claims, that `read` joins into the recording of `path`, and that a
      walk over a folder must therefore not take for recordings of their own;
    - ``members(path) -> list[str] | None``: names of the recordings in a file that holds several; `read` takes one of
      them as ``member=``;
    - ``name_of(path) -> str``: what a recording is called, where that is not the file's name without its extension;
    - ``claims_folder(path) -> bool``: whether a folder is one recording of its family; such a folder is not walked.
    """

    name: str
    describes: str
    """What it reads, for messages: "WFDB records (.hea)"."""

    def claims(self, path: Path) -> bool:
        """Whether `path` is the file that stands for a recording of this family (a ``.hea``, not its ``.dat``).

        Looks at the name and at most the first bytes; never raises on a foreign or unreadable file.
        """

    def read(self, path: Path, *, lazy: bool = False, **options: Any) -> Recording:
        """Read one recording, native samples untouched.

        With `lazy`, samples stay in their file (`biosig.lazy.LazySamples`) where the format lets them; all else,
        `invalid` and `content_hash` included, is the same.

        Raises
        ------
        biosig.errors.UnreadableError
            One sentence that names the file and the remedy.
        """

    def convert(self, obj: object) -> Recording | None:
        """Turn an object of the family's own library (an mne Raw, a wfdb Record) into a Recording; None if foreign."""


@cache
def adapters() -> Mapping[str, Adapter]:
    """The installed adapters by name; a third party adds one through the entry-point group ``biosig.adapters``."""
    return {point.name: point.load()() for point in entry_points(group="biosig.adapters")}


def adapter_for(path: Path, known: Mapping[str, Adapter] | None = None) -> Adapter | None:
    """The adapter that claims the file or folder `path`, of `known` or of all that are installed; or None."""
    claim = "claims_folder" if path.is_dir() else "claims"
    everyone = (adapters() if known is None else known).values()
    return next((adapter for adapter in everyone if getattr(adapter, claim, lambda _: False)(path)), None)


def read(path: str | Path, adapter: str | None = None, *, lazy: bool = False, **options: Any) -> Recording:
    """Read one recording from any supported file.

    Parameters
    ----------
    path : str or Path
        The recording's file. A WFDB record may be named without its extension.
    adapter : str, optional
        Name of the adapter to use when several would do; default the first that claims the file.
    lazy : bool
        Leave samples in their file, where the format lets them, until a part is asked for: a day of EEG then takes
        no memory. `Recording.load` brings them in.
    **options
        Passed to the adapter (for tables: ``mapping=``).

    Returns
    -------
    Recording
        Native samples, channels resolved to canonical names and positions.

    Raises
    ------
    UsageError
        If the path does not exist or no adapter claims it.
    UnreadableError
        If the file is truncated or damaged; the sentence names the remedy.
    """
    path = Path(path)
    known = adapters()
    if adapter is not None and adapter not in known:
        raise UsageError(f"There is no adapter '{adapter}'; installed are {', '.join(sorted(known))}.")
    if not path.exists() and path.with_name(path.name + ".hea").exists():
        path = path.with_name(path.name + ".hea")
    if not path.exists():
        raise UsageError(f"{path} does not exist: check the path.")
    chosen = known[adapter] if adapter else adapter_for(path)
    if chosen is None and "mapping" in options:
        chosen = known.get("table")
    if chosen is None and path.is_dir():
        raise UsageError(
            f"{path} is a folder: read takes one recording's file; biosig.embed and biosig ingest walk it."
        )
    header = path.with_suffix(".hea")
    if chosen is None and header.exists():
        raise UsageError(f"{path} belongs to the WFDB record of {header.name} beside it: read that file.")
    if chosen is None:
        formats = "; ".join(a.describes for a in known.values())
        raise UsageError(f"{path} is in no format that an installed adapter reads. Supported: {formats}.")
    return chosen.read(path, lazy=lazy, **options)
