"""Digests by key of a folder of results: shards, tables, metrics and weights, to the bit.

Times, paths, versions and sentences are no results: `IGNORED` names the keys that are left out. Formats are read here
without Biosig, so that both versions are read by the same code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (shards are compressed with one of its filters)
import numpy as np
import pandas as pd
from safetensors import safe_open

IGNORED = {
    "bfloat16",  # seconds of the trial that chooses a precision
    "command",
    "float32",
    "model",  # the folder of a checkpoint
    "model_revision",  # of weights, which are compared themselves, and of how their configuration is written
    "notes",
    "path",
    "seconds",
    "shard_checksum",  # of a shard's file, which names the software that wrote it
    "software",
    "time",
    "tokens_per_second",
    "use",  # of a classifier: its target and windows as configuration, in the spelling of the version
    "versions",
}
"""Keys of JSON, columns of tables and attributes of HDF5 that may differ between versions with equal results."""

Digests = dict[str, str]
"""Place of a value (file, then key, column or tensor) → its digest."""


@dataclass(frozen=True)
class Difference:
    """One kind of result of both versions.

    Parameters
    ----------
    what : str
        The step and the kind of its files.
    old, new : str
        Digest of all values; "-" where there are none.
    where : str
        The first key that differs, and how; empty where all are equal.
    """

    what: str
    old: str
    new: str
    where: str


def read_results(folder: Path) -> dict[str, Digests]:
    """The digests in a folder of results, by kind: shards, tables, metrics, weights."""
    found: dict[str, Digests] = {kind: {} for kind in ("shards", "tables", "metrics", "weights")}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        kind_of = {".h5": "shards", ".parquet": "tables", ".csv": "tables", ".safetensors": "weights"}
        kind = "metrics" if path.name in _JSON else kind_of.get(path.suffix)
        if kind:
            name = str(path.relative_to(folder))
            found[kind] |= {f"{name}: {key}": digest for key, digest in _read(path) if not _ignored(key)}
    return {kind: digests for kind, digests in found.items() if digests}


_JSON = ("metrics.json", "splits.json", "log.jsonl", "classifier.json")


def _ignored(key: str) -> bool:
    return any(part in IGNORED for part in key.replace("@", "/").split("/"))


def _read(path: Path) -> Iterator[tuple[str, str]]:
    if path.suffix == ".h5":
        yield from _of_hdf5(path)
    elif path.suffix == ".safetensors":
        yield from _of_tensors(path)
    elif path.suffix == ".csv" and not path.read_text(encoding="utf-8").strip():
        yield "no columns", ""
    elif path.suffix in (".parquet", ".csv"):
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype=str)
        yield from ((str(column), of_values(table[column].tolist())) for column in table)
    else:
        lines = path.read_text(encoding="utf-8")
        values = [json.loads(line) for line in lines.splitlines()] if path.suffix == ".jsonl" else json.loads(lines)
        yield from ((key, of_values(value)) for key, value in leaves(values))


def _of_hdf5(path: Path) -> Iterator[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        found.extend((f"{name}@{key}", of_values(value)) for key, value in node.attrs.items())
        if isinstance(node, h5py.Dataset):
            found.append((name, of_values(node[()])))

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    yield from sorted(found)


def _of_tensors(path: Path) -> Iterator[tuple[str, str]]:
    with safe_open(path, framework="np") as file:
        yield from ((name, of_values(file.get_tensor(name))) for name in sorted(file.keys()))


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Each value below mappings and lists, with its key: names and numbers with "/" between them."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from leaves(below, f"{key}/{name}".lstrip("/"))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from leaves(below, f"{key}/{number}".lstrip("/"))
    else:
        yield key, value


def of_values(value: Any) -> str:
    """SHA-256 of an array's type, shape and bytes, or of any other value as it is written."""
    digest = hashlib.sha256()
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        digest.update(f"{value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    else:
        digest.update(repr(_plain(value)).encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Arrays and NumPy's numbers as lists and numbers, whose `repr` is whole."""
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def compare(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Difference:
    """Two versions of one kind of result."""
    where = ""
    for key in sorted({**old, **new}):
        if old.get(key) != new.get(key):
            where = key if key in old and key in new else f"{key} (only in {'OLD' if key in old else 'NEW'})"
            break
    return Difference(what, _together(old), _together(new), where)


def _together(digests: Mapping[str, str]) -> str:
    text = "\n".join(f"{key} {digests[key]}" for key in sorted(digests))
    return hashlib.sha256(text.encode()).hexdigest()[:12] if digests else "-"
