"""Registries: the members of one kind of thing by name, those of this repository and those of installed packages.

To add a member here, put one file into the registry's folder; elsewhere, publish a package with an entry point in the
registry's group. Nothing else has to be told.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from biosig.errors import UsageError

M = TypeVar("M")


class Registry(Mapping[str, M], Generic[M]):
    """Members of one kind, by name.

    Looking up a name imports what is needed for it and no more; a package that somebody else installed is imported when
    a member of it is asked for.

    Parameters
    ----------
    kind : str
        Word for a member in messages: "masking".
    group : str
        Entry-point group through which other packages add members: "biosig.maskings". An entry point names the member,
        or the module that registers it.
    folder : str, optional
        Dotted name of the package whose public modules register the members of this repository when imported; None
        where these have entry points too.
    """

    def __init__(self, kind: str, group: str, folder: str | None = None) -> None:
        self.kind, self.group, self.folder = kind, group, folder
        self._members: dict[str, M] = {}
        self._ready = False

    def register(self, member: M) -> M:
        """Add a member under its `name`; as a decorator it returns the member.

        Raises
        ------
        UsageError
            If another member has that name.
        """
        name: str = member.name  # type: ignore[attr-defined]
        known = self._members.setdefault(name, member)
        if not _same(known, member):
            raise UsageError(
                f"Two {self.kind} members are called '{name}', from {_origin(known)} and {_origin(member)}: rename one."
            )
        self._members[name] = member
        return member

    def __getitem__(self, name: str) -> M:
        """The member of that name.

        Raises
        ------
        UsageError
            If there is none; the sentence lists those that exist.
        """
        members = self._own()
        if name not in members and name in self._foreign:
            self._load(self._foreign[name])
        if name not in members:
            raise UsageError(f"There is no {self.kind} '{name}'; there are {', '.join(self)}.")
        return members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._own(), *self._foreign]))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:  # `Annotated[str, READOUTS] | None` hashes its annotations
        return id(self)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def _own(self) -> dict[str, M]:
        """The members that are imported, those of the registry's folder among them."""
        if not self._ready:
            self._ready = True
            if self.folder is None:
                return self._members
            package = importlib.import_module(self.folder)
            for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{self.folder}.{module.name}")
        return self._members

    @cached_property
    def _foreign(self) -> dict[str, EntryPoint]:
        """The entry points of other packages, not yet imported."""
        return {point.name: point for point in entry_points(group=self.group)}

    def _load(self, point: EntryPoint) -> None:
        try:
            found: Any = point.load()
        except Exception as error:
            raise UsageError(
                f"The {self.kind} '{point.name}' of the installed package "
                f"{point.dist.name if point.dist else point.value} cannot be imported ({error}): repair or uninstall "
                "that package."
            ) from error
        if hasattr(found, "name") and point.name not in self._members:
            self.register(found)
        if point.name not in self._members:
            raise UsageError(
                f"The entry point {point.value} was to give the {self.kind} '{point.name}' and gives none of that "
                "name: the member's name and the entry point's must be the same."
            )


def load_object(path: str) -> Any:
    """Import the object of a path of the form "package.module:name"."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _same(one: object, other: object) -> bool:
    """True if two members are one, perhaps of a module that was imported twice."""
    return _origin(one) == _origin(other) if hasattr(one, "__qualname__") else bool(one == other)


def _origin(member: object) -> str:
    named: Any = member if hasattr(member, "__qualname__") else type(member)
    return f"{named.__module__}.{named.__qualname__}"
