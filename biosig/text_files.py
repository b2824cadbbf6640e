"""JSON and YAML from files of any origin: of bounded size and depth, checked by their checksum where they have one."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import yaml

from biosig.errors import UnreadableError
from biosig.file_sums import MAY_BE_EDITED, checked

LARGEST = 2**24
"""Bytes of a file that is read whole: the largest that Biosig writes, the folds of a million windows, has a tenth."""

DEEPEST = 64
"""Levels of lists and keys; a configuration has six."""

MOST_ITEMS = 2**22
"""Entries of all lists and keys together: those of the folds of a million people."""


def read_json(path: Path, remedy: str = "copy it again", largest: int = LARGEST) -> Any:
    """What a JSON file holds.

    Parameters
    ----------
    path : Path
        The file, in UTF-8.
    remedy : str
        What the error says to do.
    largest : int
        Bytes from which the file is refused.

    Raises
    ------
    UnreadableError
        If it is larger, deeper, not UTF-8 or no JSON.
    """
    return _read(path, json.loads, "JSON", remedy, largest)


def read_yaml(path: Path, remedy: str = "correct it", largest: int = LARGEST) -> Any:
    """What a YAML file holds, as `read_json`."""
    return _read(path, parse_yaml, "YAML", remedy, largest)


def parse_yaml(text: str) -> Any:
    """What a YAML text holds; ValueError where that is no YAML, or repeats itself through aliases beyond all bounds."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    _check_extent(value)
    return value


def _read(path: Path, parse: Callable[[str], Any], form: str, remedy: str, largest: int) -> Any:
    try:
        size = path.stat().st_size
        if size > largest:
            raise UnreadableError(f"{path} has {size:,} bytes, where at most {largest:,} are read: {remedy}.")
        # A YAML of another name is a user's own: a list beside it is of the data that it describes.
        with checked(path, remedy) if form == "JSON" or path.name in MAY_BE_EDITED else nullcontext():
            value = parse(path.read_text(encoding="utf-8"))
            _check_extent(value)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnreadableError):
            raise
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
        raise UnreadableError(f"{path} is not valid {form} ({reason}): {remedy}.") from error
    return value


def _check_extent(value: Any) -> None:
    """Raise ValueError where a value is deeper or larger than any that is meant.

    Aliases of YAML stand for what they name, again and again: a few hundred bytes can hold gigabytes.
    """
    n_items, level = 0, [value]
    for depth in range(DEEPEST + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        n_items += sum(map(len, level))
        if not level:
            return
        if depth == DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} levels deep")
        if n_items > MOST_ITEMS:
            raise ValueError(f"it stands for more than {MOST_ITEMS:,} entries")
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
