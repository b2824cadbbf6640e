"""The registry of feature columns: each has a name, a unit, a formula and a source.

To add a feature, write one function of a `Window` in a module called ``<kind>_*.py`` of this package and decorate it
with `feature` and the columns that it returns. The module is imported when features of its kind are asked for.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.features.window import Window

KINDS = ("ecg", "ppg", "eeg")

Values = Mapping[str, "float | NDArray[np.floating] | Mapping[str, float]"]
"""Column name → number; for a column per channel an array, shape (C,); for any other index label → number."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one per label where it has an index.

    Parameters
    ----------
    name : str
        Without its kind: "rate". The table's column is "ecg.rate", and "ecg.r_amplitude[V1]" where there is an index.
    unit : str
        Unit of the values; "1" for a pure number.
    formula : str
        Definition of the value by the signal, in words or symbols.
    source : str
        Publication that defines it, or "" for plain statistics.
    index : str
        "" for one value; "channel" for one per channel of the window; any other word ("region", "pair") for one per
        label that the function returns.
    amplitude : bool
        True if the value depends on the channels' gains. Such a column is NaN where `Window.amplitude` is False.
    timing : bool
        True if the value is of time alone: rate, rhythm, intervals. It stays when leads become mixtures of each other.
    ratio : bool
        True if a value that depends on gains stays when all channels get the same one: a ratio between channels, or a
        correlation.
    """

    name: str
    unit: str
    formula: str
    source: str = ""
    index: str = ""
    amplitude: bool = False
    timing: bool = False
    ratio: bool = False


@dataclass(frozen=True, slots=True)
class Feature:
    """A function of a window and the columns that it returns."""

    kind: str
    columns: tuple[Column, ...]
    function: Callable[[Window], Values]

    @property
    def family(self) -> str:
        """The name of the module that measures the columns, "ecg_rhythm": columns of one module are a family."""
        return inspect.unwrap(self.function).__module__.rpartition(".")[2]


_FEATURES: dict[str, list[Feature]] = {kind: [] for kind in KINDS}


def feature(
    kind: str, *columns: Column, timing: bool = False
) -> Callable[[Callable[[Window], Values]], Callable[[Window], Values]]:
    """Register the decorated function as the source of `columns`, which are all of time alone where it says so.

    Raises
    ------
    UsageError
        If the kind is none of `KINDS` or a column of that name exists.
    """
    if kind not in KINDS:
        raise UsageError(f"Features of kind '{kind}' were registered; kinds with features are {', '.join(KINDS)}.")

    if timing:
        columns = tuple(replace(column, timing=True) for column in columns)

    def register(function: Callable[[Window], Values]) -> Callable[[Window], Values]:
        known = {column.name for entry in _FEATURES[kind] for column in entry.columns}
        for column in columns:
            if column.name in known:
                raise UsageError(f"Two {kind} columns are called '{column.name}': rename the one of {function}.")
            known.add(column.name)
        _FEATURES[kind].append(Feature(kind, tuple(columns), function))
        return function

    return register


@cache
def _import_features(kind: str) -> None:
    package = importlib.import_module("biosig.features")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        if module.name.startswith(f"{kind}_"):
            importlib.import_module(f"biosig.features.{module.name}")


def check_kinds(kinds: Sequence[str] | None) -> tuple[str, ...]:
    """The kinds, or all where they are None.

    Raises
    ------
    UsageError
        If one has no features, or there is none.
    """
    chosen = KINDS if kinds is None else tuple(kinds)
    for kind in chosen or ("",):
        if kind not in KINDS:
            raise UsageError(f"There are no features of kind '{kind}'; there are of {', '.join(KINDS)}.")
    return chosen


def features(kind: str) -> list[Feature]:
    """The registered feature functions of one kind, in an order that does not depend on what was imported first."""
    check_kinds((kind,))
    _import_features(kind)
    return sorted(_FEATURES[kind], key=_place)


def _place(entry: Feature) -> tuple[str, int, str]:
    function = inspect.unwrap(entry.function)
    return function.__module__, function.__code__.co_firstlineno, entry.columns[0].name


def timing_names(kind: str) -> set[str]:
    """Names of the columns of time alone that are registered so far."""
    return {column.name for entry in _FEATURES[kind] for column in entry.columns if column.timing}


def columns(kind: str) -> list[Column]:
    """All columns of one kind: "ecg", "ppg" or "eeg".

    Raises
    ------
    UsageError
        If the kind has no features.
    """
    return [column for entry in features(kind) for column in entry.columns]


def markdown(kinds: Iterable[str] = KINDS) -> str:
    """The registry as a Markdown table, as the documentation prints it."""
    rows = ["| column | unit | formula | source |", "|---|---|---|---|"]
    for kind in kinds:
        for column in columns(kind):
            index = f"[{column.index}]" if column.index else ""
            cells = (f"`{kind}.{column.name}{index}`", column.unit, column.formula, column.source)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"
