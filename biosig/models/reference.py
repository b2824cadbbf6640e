"""Models that a Python module holds, by name: how a configuration names a wrapped module."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from biosig.errors import UsageError
from biosig.models.model import Model


def is_reference(source: str | Path) -> bool:
    """True if a model's name is that of a Python object: ``package.module:name``."""
    return re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", str(source)) is not None and not Path(source).exists()


def from_reference(source: str) -> Model:
    """The model that a Python module holds under a name, such as ``our_lab.models:network``.

    Raises
    ------
    UsageError
        If the module cannot be imported, or holds no model of that name.
    """
    where, attribute = source.split(":")
    try:
        found = getattr(import_module(where), attribute, None)
    except ImportError as error:
        raise UsageError(
            f"'{source}' names a model in the Python module {where}, which cannot be imported ({error}): put its "
            "folder on PYTHONPATH."
        ) from error
    if not isinstance(found, Model):
        raise UsageError(f"'{source}' is {found!r}, not a model: give the name of a model that biosig.wrap made.")
    return found
