"""`read`: one door to every file format; adapters are found through the entry-point group ``biosig.adapters``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biosig.adapter import NEVER, Adapter, Identifier, Signals, make_recording
from biosig.errors import UsageError
from biosig.given import Given
from biosig.recording import Recording
from biosig.registry import Registry
from biosig.unread_files import what_to_do

__all__ = ["ADAPTERS", "NEVER", "Adapter", "Identifier", "Signals", "adapter_for", "adapters", "make_recording", "read"]


ADAPTERS: Registry[type[Adapter]] = Registry("adapter", "biosig.adapters")
"""The adapters of installed packages, by name; a third party adds one through this entry-point group."""


def adapters() -> dict[str, Adapter]:
    """One of each installed adapter, by name.

    Raises
    ------
    UsageError
        If an installed package names something else than a subclass of `Adapter`, or cannot be imported.
    """
    made: dict[str, Adapter] = {}
    for name, cls in ADAPTERS.items():
        if not (isinstance(cls, type) and issubclass(cls, Adapter)):
            raise UsageError(
                f"The adapter '{name}' of {cls.__module__} is not a subclass of biosig.reading.Adapter: derive it from "
                "that class, or uninstall the package."
            )
        made[name] = cls()
    return made


def adapters_for(mapping: object = None) -> dict[str, Adapter]:
    """`adapters`; with a `mapping` of tables, that for tables is bound to it and is asked first.

    Facts that the mapping states of recordings (`biosig.given.Given`) hold for all formats.

    Raises
    ------
    UsageError
        If the mapping is none, or no installed adapter takes one.
    """
    known = adapters()
    if mapping is None:
        return known
    if "table" not in known:
        raise UsageError("No installed adapter reads tables: leave the mapping out.")
    bound: Any = type(known["table"])
    table = bound(mapping)
    known = {"table": table, **{name: adapter for name, adapter in known.items() if name != "table"}}
    for adapter in known.values():
        adapter.given = table.given
    return known


def adapter_for(path: Path, known: Mapping[str, Adapter] | None = None) -> Adapter | None:
    """The adapter that claims the file or folder `path`, of `known` or of all that are installed; or None."""
    everyone = (adapters() if known is None else known).values()
    is_folder = path.is_dir()
    return next((a for a in everyone if (a.claims_folder(path) if is_folder else a.claims(path))), None)


def read(
    path: str | Path,
    adapter: str | None = None,
    *,
    lazy: bool = False,
    unit: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    sfreq: float | None = None,
    **options: Any,
) -> Recording:
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
    unit : mapping, optional
        Kind or channel → the unit of its numbers, where the file gives none that is known: ``{"eeg": "uV"}``.
    rename : mapping, optional
        A channel's name → the name that it is to have: ``{"ECG": "I"}``.
    sfreq : float, optional
        Samples per second, where the file does not say them, or says them wrongly.
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
    if not isinstance(path, str | Path):
        raise UsageError(
            f"read takes one file, not a {type(path).__name__}: read them one by one, or give biosig.embed the list."
        )
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
    if chosen is None and (advice := what_to_do(path)) is not None:
        raise UsageError(advice)
    if chosen is None:
        formats = "; ".join(a.describes for a in known.values())
        raise UsageError(f"{path} is in no format that an installed adapter reads. Supported: {formats}.")
    given = Given(dict(unit or {}), dict(rename or {}), sfreq)
    return chosen.read(path, lazy=lazy, given=given, **options)
