"""Index from recordings to rows of a table, in sixteen bytes a row: a million names must reach every worker."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ingest.metadata.labels.typed_table import TypedTable

_SUFFIX = re.compile(
    r"\.(hea|dat|mat|edf|bdf|fif|vhdr|eeg|set|gdf|lay|cnt|xdf|csv|tsv|txt|npy|npz|parquet|h5|hdf5|dcm)(\.gz)?$", re.I
)


@dataclass(frozen=True)
class IngestIndex:
    """Files and subjects that an ingest found, by which it finds the rows that match none of them.

    Parameters
    ----------
    paths : sequence of Path
        All files.
    sittings : frozenset of (str, str or None)
        Subject and session of all recordings, as the shards hold them.
    pseudonym : callable
        Gives the pseudonyms that the shards hold (`ingest.privacy.pseudonyms.Pseudonyms`).
    """

    paths: Sequence[Path]
    sittings: frozenset[tuple[str, str | None]]
    pseudonym: Callable[[str, str], str]


class RowIndex:
    """Rows by key, each key kept as the first 64 bits of its BLAKE2b hash.

    Among a million keys a foreign one is mistaken for one of them with a probability of 10⁻¹³.

    Parameters
    ----------
    keys : iterable of (str, int)
        Key and row; an empty key does not count.
    """

    def __init__(self, keys: Iterable[tuple[str, int]]) -> None:
        pairs = np.fromiter(((_hash(key), row) for key, row in keys if key), [("hash", np.uint64), ("row", np.int64)])
        order = np.argsort(pairs["hash"], kind="stable")
        self._hashes, self._rows = pairs["hash"][order], pairs["row"][order]

    def find(self, key: str) -> NDArray[np.int64]:
        """The rows that have this key, in the table's order."""
        wanted = np.uint64(_hash(key))
        start, stop = np.searchsorted(self._hashes, wanted, "left"), np.searchsorted(self._hashes, wanted, "right")
        return self._rows[start:stop]

    def find_path(self, path: Path) -> NDArray[np.int64]:
        """The rows whose key is the whole path or, the longer the better, the end of it; extensions do not count."""
        parts = PurePosixPath(recording_key(path.absolute().as_posix())).parts
        for start in range(len(parts)):
            rows = self.find("/".join(parts[start:]))
            if len(rows):
                return rows
        return self._rows[:0]

    def marked(self, n_rows: int, paths: Iterable[Path]) -> NDArray[np.bool_]:
        """True for rows of the table that are found for any of these paths."""
        marked = np.zeros(n_rows, bool)
        for path in paths:
            marked[self.find_path(path)] = True
        return marked

    def first_repeated(self) -> tuple[int, int] | None:
        """Two rows that share a key, or None."""
        same = (self._hashes[1:] == self._hashes[:-1]) & (self._rows[1:] != self._rows[:-1])
        at = np.flatnonzero(same)
        pairs = sorted((int(self._rows[i + 1]), int(self._rows[i])) for i in at)
        return (pairs[0][1], pairs[0][0]) if pairs else None


def recording_key(name: str) -> str:
    """A recording's name or path as a table may write it, in one form: slashes, no extension, no "./"."""
    return _SUFFIX.sub("", name.replace("\\", "/").removeprefix("./"))


def recording_keys(cells: TypedTable, columns: Iterable[str]) -> Iterator[tuple[str, int]]:
    """The keys of columns that name recordings, with their rows."""
    return ((recording_key(cell), row) for column in columns for row, cell in enumerate(cells.texts(column)))


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")
