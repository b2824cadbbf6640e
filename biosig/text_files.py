"""JSON and YAML from files of any origin: of bounded size and depth, and an error that names the file."""

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

MOST_VALUES = 2**20
"""Values in a YAML file with its aliases written out."""

DEEPEST = 64
"""Levels of lists and keys; a configuration has six."""


def read_json(path: Path, remedy: str = "copy it again", largest: int = LARGEST) -> Any:
    """Content of a JSON file.

    Parameters
    ----------
    path : Path
        The file, in UTF-8.
    remedy : str
        Remedy in the error.
    largest : int
        Bytes from which the file is refused.

    Raises
    ------
    UnreadableError
        If it is larger, deeper, not UTF-8 or no JSON.
    """
    return _read(path, json.loads, "JSON", remedy, largest)


def read_yaml(path: Path, remedy: str = "correct it", largest: int = LARGEST) -> Any:
    """Content of a YAML file, as `read_json`."""
    return _read(path, parse_yaml, "YAML", remedy, largest)


def parse_yaml(text: str) -> Any:
    """Content of a YAML text; ValueError if that is not YAML, or repeats itself through aliases beyond all bounds."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            _count(node, {})
            value = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    return value


def _count(node: Any, known: dict[int, int]) -> int:
    """Values that a YAML node stands for, its aliases written out; a few hundred bytes can stand for billions."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = MOST_VALUES + 1  # until it is counted: it would be within itself
        parts = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    if known[id(node)] > MOST_VALUES:
        raise yaml.YAMLError(f"its aliases (*name) stand for more than {MOST_VALUES:,} values, or for themselves")
    return known[id(node)]


def _read(path: Path, parse: Callable[[str], Any], form: str, remedy: str, largest: int) -> Any:
    try:
        size = path.stat().st_size
        if size > largest:
            raise UnreadableError(f"{path} has {size:,} bytes, where at most {largest:,} are read: {remedy}.")
        # A YAML of another name is a user's own: a list beside it is of the data that it describes.
        with checked(path, remedy) if form == "JSON" or path.name in MAY_BE_EDITED else nullcontext():
            value = parse(path.read_text(encoding="utf-8"))
        depth = _depth(value)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnreadableError):
            raise
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
        raise UnreadableError(f"{path} is not valid {form} ({reason}): {remedy}.") from error
    if depth > DEEPEST:
        raise UnreadableError(f"{path} is nested {depth} levels deep, where at most {DEEPEST} are read: {remedy}.")
    return value


def _depth(value: Any) -> int:
    """Levels of lists and keys within a value."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth
