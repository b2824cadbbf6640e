"""Physiological features of a recording: named columns with unit, formula and source.

`extract` gives one row of a recording, `table` a row per window of any source, `delineate` beats and waves as
annotations, `columns` the registry of all columns.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biosig.features.feature_table import table, table_to_file
    from biosig.features.marks import Mark, delineate
    from biosig.features.registry import Column, columns, feature, markdown
    from biosig.features.row import extract
    from biosig.features.window import Window, shared

_HOME = {
    "Column": "registry",
    "Mark": "marks",
    "Window": "window",
    "columns": "registry",
    "delineate": "marks",
    "extract": "row",
    "feature": "registry",
    "markdown": "registry",
    "shared": "window",
    "table": "feature_table",
    "table_to_file": "feature_table",
}

__all__ = [
    "Column",
    "Mark",
    "Window",
    "columns",
    "delineate",
    "extract",
    "feature",
    "markdown",
    "shared",
    "table",
    "table_to_file",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'biosig.features' has no attribute '{name}'")
    value = getattr(import_module(f"biosig.features.{_HOME[name]}"), name)
    globals()[name] = value
    return value
